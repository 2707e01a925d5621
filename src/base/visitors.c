#include "base/visitors.h"

#include "base/clock.h"

bool visitors_any(const struct visitors *visitors)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < THREAD_CPUS; i++)
        sum += atomic_load(&visitors->cpu[i].inside);
    return sum != 0;
}

bool visitors_wait(const struct visitors *visitors, uint64_t every_ns, uint64_t deadline)
{
    while (visitors_any(visitors)) {
        if (clock_now() >= deadline)
            return false;
        thread_sleep(clock_after(every_ns));
    }
    return true;
}

void visitors_forget(struct visitors *visitors)
{
    for (unsigned i = 0; i < THREAD_CPUS; i++)
        atomic_store(&visitors->cpu[i].inside, 0);
}
