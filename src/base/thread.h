/* Threads, and the futex word that a caller and a lane hand over with. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stdatomic.h>

#include "base/def.h"

struct thread;

/*
 * A thread with every signal blocked (SIGPIPE included), pinned to `cpu` (-1: not pinned), named `name`
 * (15 characters at most are kept). NULL if it cannot be made.
 */
MUST_USE struct thread *thread_start(const char *name, int cpu, void (*run)(void *arg), void *arg);
/* Waits for its end and frees it. NULL is fine. */
void thread_join(struct thread *thread);
/* It ends by itself and frees itself. */
void thread_detach(struct thread *thread);

/*
 * For the end of the process: from then on a thread of thread_start that comes to thread_pass, or wakes from
 * thread_wait or cond_wait, stays there for good, with what it holds. Not the caller.
 */
void threads_halt(void);
void thread_pass(void);

/* The CPU that this thread runs on now, and how many there are (1 .. THREAD_CPUS). */
#define THREAD_CPUS 64
unsigned thread_cpu(void);
unsigned thread_cpu_count(void);

/* Sleeps while *word == value, until woken or the deadline (clock_now moments). False: the deadline passed.
 */
bool thread_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline);
/* Sleeps until *word is 0; who brings it there wakes. False: the deadline passed. */
bool thread_wait_zero(_Atomic uint32_t *word, uint64_t deadline);
/* Until that moment (clock_now). */
void thread_sleep(uint64_t until);
void thread_wake(_Atomic uint32_t *word, int how_many);

#endif
