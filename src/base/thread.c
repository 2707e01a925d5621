#include "base/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* Vendors' code runs on it, and some of it keeps large arrays there. */
#define STACK_SIZE (1024 * 1024)

enum { ENDED = 1, DETACHED = 2 };

struct thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
    char name[16];
    bool pinned;

    _Atomic unsigned state;
};

/* What a pinned thread starts would inherit its CPU. */
static _Thread_local bool self_pinned;

static _Thread_local bool self_ours;
static _Atomic bool halted;

static void *thread_main(void *p)
{
    struct thread *thread = p;
    self_pinned = thread->pinned;
    self_ours = true;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    if (atomic_fetch_or(&thread->state, ENDED) & DETACHED)
        mem_free(thread);
    return NULL;
}

static bool attr_pin(pthread_attr_t *attr, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= 0)
        CPU_SET((size_t)cpu, &set);
    else if (!self_pinned || sched_getaffinity(getpid(), sizeof(set), &set) != 0)
        return false;
    return pthread_attr_setaffinity_np(attr, sizeof(set), &set) == 0;
}

static int create(struct thread *thread, int cpu)
{
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return r;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    bool with_cpus = attr_pin(&attr, cpu);
    thread->pinned = with_cpus && cpu >= 0;
    r = pthread_create(&thread->id, &attr, thread_main, thread);
    pthread_attr_destroy(&attr);
    if (r == 0 || !with_cpus)
        return r;

    /* That CPU is not ours (cpuset, gone offline): unpinned is slower but works. */
    thread->pinned = false;
    r = pthread_attr_init(&attr);
    if (r != 0)
        return r;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    r = pthread_create(&thread->id, &attr, thread_main, thread);
    pthread_attr_destroy(&attr);
    return r;
}

struct thread *thread_start(const char *name, int cpu, void (*run)(void *arg), void *arg)
{
    struct thread *thread = mem_new(1, sizeof(*thread));
    if (!thread)
        return NULL;
    thread->run = run;
    thread->arg = arg;
    memcpy(thread->name, name, strnlen(name, sizeof(thread->name) - 1));

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = create(thread, cpu < CPU_SETSIZE ? cpu : -1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        mem_free(thread);
        return NULL;
    }
    return thread;
}

void thread_join(struct thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->id, NULL);
    mem_free(thread);
}

void thread_detach(struct thread *thread)
{
    pthread_detach(thread->id);
    if (atomic_fetch_or(&thread->state, DETACHED) & ENDED)
        mem_free(thread);
}

unsigned thread_cpu(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? 0 : (unsigned)cpu % THREAD_CPUS;
}

unsigned thread_cpu_count(void)
{
    static _Atomic unsigned known;
    unsigned count = atomic_load_explicit(&known, memory_order_relaxed);
    if (count != 0)
        return count;
    cpu_set_t set;
    CPU_ZERO(&set);
    count = 1;
    if (sched_getaffinity(getpid(), sizeof(set), &set) != 0)
        count = THREAD_CPUS;
    for (unsigned cpu = 0; cpu < THREAD_CPUS; cpu++)
        if (CPU_ISSET(cpu, &set))
            count = cpu + 1;
    for (unsigned cpu = THREAD_CPUS; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            count = THREAD_CPUS;
    atomic_store_explicit(&known, count, memory_order_relaxed);
    return count;
}

void threads_halt(void)
{
    self_ours = false;
    atomic_store(&halted, true);
}

void thread_pass(void)
{
    while (atomic_load_explicit(&halted, memory_order_acquire) && self_ours)
        pause();
}

static bool wait_word(_Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    while (atomic_load_explicit(word, memory_order_acquire) == value) {
        uint64_t until = clock_sleep_until(deadline);
        struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_S), .tv_nsec = (long)(until % NS_PER_S)};
        long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, until == CLOCK_NEVER ? NULL : &ts,
                         NULL, FUTEX_BITSET_MATCH_ANY);
        if (r == 0)
            return true;
        if (errno == ETIMEDOUT && clock_now() >= deadline)
            return atomic_load_explicit(word, memory_order_acquire) != value;
    }
    return true;
}

bool thread_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
    bool in_time = wait_word(word, value, deadline);
    thread_pass();
    return in_time;
}

bool thread_wait_zero(_Atomic uint32_t *word, uint64_t deadline)
{
    for (uint32_t now; (now = atomic_load(word)) != 0;)
        if (!thread_wait(word, now, deadline))
            return false;
    return true;
}

void thread_wake(_Atomic uint32_t *word, int how_many)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, how_many, NULL, NULL, 0);
}

void thread_sleep(uint64_t until)
{
    _Atomic uint32_t never = 0;
    while (thread_wait(&never, 0, until))
        ;
}
