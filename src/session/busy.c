#include "session/busy.h"

#include "base/clock.h"
#include "base/thread.h"

bool busy_take(struct busy *busy, uint64_t span_ns)
{
    uint32_t free = 0;
    if (atomic_compare_exchange_strong_explicit(&busy->word, &free, 1, memory_order_acquire,
                                                memory_order_relaxed))
        return true;
    uint64_t deadline = clock_after(span_ns);
    /* From here on as 2: whoever gives it back wakes the next one. */
    while (atomic_exchange_explicit(&busy->word, 2, memory_order_acquire) != 0)
        if (!thread_wait(&busy->word, 2, deadline) && clock_now() >= deadline)
            return false;
    return true;
}

void busy_give(struct busy *busy)
{
    if (atomic_exchange_explicit(&busy->word, 0, memory_order_release) == 2)
        thread_wake(&busy->word, 1);
}
