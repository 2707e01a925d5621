#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic uint64_t test_now;

static uint64_t moment(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now(void)
{
    uint64_t test = atomic_load_explicit(&test_now, memory_order_relaxed);
    return __builtin_expect(test != 0, 0) ? test : moment(CLOCK_MONOTONIC);
}

uint64_t clock_coarse(void)
{
    uint64_t test = atomic_load_explicit(&test_now, memory_order_relaxed);
    return __builtin_expect(test != 0, 0) ? test : moment(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

uint64_t clock_after(uint64_t span_ns)
{
    uint64_t at;
    return __builtin_add_overflow(clock_now(), span_ns, &at) ? CLOCK_NEVER : at;
}

uint64_t clock_share(uint64_t deadline, unsigned count)
{
    uint64_t now = clock_now();
    return deadline == CLOCK_NEVER || now >= deadline ? deadline : now + (deadline - now) / count;
}

void clock_test_set(uint64_t ns)
{
    atomic_store(&test_now, ns);
}

void clock_test_advance(uint64_t ns)
{
    atomic_fetch_add(&test_now, ns);
}

uint64_t clock_sleep_until(uint64_t deadline)
{
    if (deadline == CLOCK_NEVER || atomic_load_explicit(&test_now, memory_order_relaxed) == 0)
        return deadline;
    return moment(CLOCK_MONOTONIC) + NS_PER_MS;
}
