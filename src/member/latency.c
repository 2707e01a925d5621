#include "member/latency.h"

uint64_t latency_blend(uint64_t ewma, uint64_t sample, uint64_t age)
{
    if (ewma == 0 || sample >= ewma)
        return sample ? sample : 1;
    /* age / (decay + age) approximates 1 - exp(-age / decay) and needs no libm. */
    double part = (double)age / (double)(LATENCY_DECAY + age);
    return ewma - (uint64_t)((double)(ewma - sample) * part);
}

void latency_begin(struct latency *latency, enum work_class work)
{
    atomic_fetch_add_explicit(&latency->outstanding, 1, memory_order_relaxed);
    if (atomic_load_explicit(&latency->work[work].ewma, memory_order_relaxed) == 0)
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
    atomic_store_explicit(&latency->work[work].ewma, latency_blend(ewma, now - began, age),
                          memory_order_relaxed);
    atomic_store_explicit(&latency->work[work].stamp, now, memory_order_relaxed);
    atomic_store_explicit(&latency->work[work].probing, 0, memory_order_relaxed);
}
