#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic uint32_t generation;
static _Atomic bool armed;

/* In the child other threads' locks may be held for ever: nothing but this. */
static void count_child(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

uint32_t fork_generation(void)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed) && !atomic_exchange(&armed, true))
        (void)pthread_atfork(NULL, NULL, count_child);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
