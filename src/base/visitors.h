/*
 * Who is inside, counted by CPU, so that those who come and go do not meet. What keeps others out is the
 * user's own word: whoever enters looks at it afterwards, and whoever shuts sets it before he counts. Both
 * are sequentially consistent, so one of the two sees the other.
 */
#ifndef BASE_VISITORS_H
#define BASE_VISITORS_H

#include "base/thread.h"

struct visitors {
    struct {
        _Atomic int32_t inside;
        char apart[60]; /* a cache line for each CPU */
    } cpu[THREAD_CPUS];
};

/* Returns the ticket for visitors_leave. */
static inline unsigned visitors_enter(struct visitors *visitors)
{
    unsigned ticket = thread_cpu();
    atomic_fetch_add(&visitors->cpu[ticket].inside, 1);
    return ticket;
}
static inline void visitors_leave(struct visitors *visitors, unsigned ticket)
{
    atomic_fetch_sub_explicit(&visitors->cpu[ticket].inside, 1, memory_order_release);
}

bool visitors_any(const struct visitors *visitors);
/* Waits until nobody is inside, and looks every so often. False: the deadline (clock_now) passed. */
bool visitors_wait(const struct visitors *visitors, uint64_t every_ns, uint64_t deadline);
/* In a forked child: those who were inside are the parent's. */
void visitors_forget(struct visitors *visitors);

#endif
