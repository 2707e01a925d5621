#include "member/latency.h"

#define HALF_LIFE (LATENCY_DECAY / 1000 * 693) /* ln 2 */

uint64_t latency_faded(uint64_t ewma, uint64_t age)
{
    /* exp() without libm: whole half-lives by shifting, the rest by the head of the series. It must fade to
     * nothing, or one bad sample would keep a member idle for many minutes. */
    uint64_t halves = age / HALF_LIFE;
    double x = (double)(age % HALF_LIFE) / (double)LATENCY_DECAY;
    uint64_t faded =
        halves < 63 ? (uint64_t)((double)(ewma >> halves) / (1 + x + x * x / 2 + x * x * x / 6)) : 0;
    return ewma != 0 && faded == 0 ? 1 : faded;
}

uint64_t latency_blend(uint64_t ewma, uint64_t sample, uint64_t age)
{
    if (sample >= ewma)
        return sample ? sample : 1;
    return sample + latency_faded(ewma - sample, age);
}

uint64_t latency_now(const struct latency *latency, enum work_class work, uint64_t now)
{
    uint64_t ewma = atomic_load_explicit(&latency->work[work].ewma, memory_order_relaxed);
    uint64_t stamp = atomic_load_explicit(&latency->work[work].stamp, memory_order_relaxed);
    uint64_t age = now > stamp ? now - stamp : 0;
    return age > LATENCY_STALE ? 0 : latency_faded(ewma, age);
}

void latency_forget(struct latency *latency)
{
    for (unsigned i = 0; i < WORK_CLASSES; i++)
        atomic_store_explicit(&latency->work[i].ewma, 0, memory_order_relaxed);
    atomic_store_explicit(&latency->full_until, 0, memory_order_relaxed);
}

void latency_begin(struct latency *latency, enum work_class work, uint64_t now)
{
    atomic_fetch_add_explicit(&latency->outstanding, 1, memory_order_relaxed);
    if (latency_now(latency, work, now) == 0)
        atomic_fetch_add_explicit(&latency->work[work].probing, 1, memory_order_relaxed);
}

void latency_end(struct latency *latency, enum work_class work, uint64_t began, uint64_t now, bool counts)
{
    atomic_fetch_sub_explicit(&latency->outstanding, 1, memory_order_relaxed);
    if (!counts) {
        atomic_store_explicit(&latency->work[work].probing, 0, memory_order_relaxed);
        return;
    }
    uint64_t stamp = atomic_load_explicit(&latency->work[work].stamp, memory_order_relaxed);
    uint64_t ewma = atomic_load_explicit(&latency->work[work].ewma, memory_order_relaxed);
    uint64_t age = now > stamp ? now - stamp : 0;
    /* Nothing is left of an average that is stale, or one bad sample would count again with the next one. */
    uint64_t blend = latency_blend(age > LATENCY_STALE ? 0 : ewma, now - began, age);
    atomic_store_explicit(&latency->work[work].ewma, blend, memory_order_relaxed);
    atomic_store_explicit(&latency->work[work].stamp, now, memory_order_relaxed);
    atomic_store_explicit(&latency->work[work].probing, 0, memory_order_relaxed);
}
