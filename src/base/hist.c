#include "base/hist.h"

/* Values below 32 have a bucket each; every power of two above is cut in 32 equal steps, 3 % wide or less. */
#define STEP_BITS 5
#define STEPS     (1u << STEP_BITS)

static unsigned bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    unsigned bucket = (shift + 1) * STEPS + (unsigned)((ns >> shift) & (STEPS - 1));
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

static uint64_t bucket_middle(unsigned bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    uint64_t low = (uint64_t)(STEPS + bucket % STEPS) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

void hist_add(struct hist *hist, uint64_t ns)
{
    atomic_fetch_add_explicit(&hist->count[bucket_of(ns)], 1, memory_order_relaxed);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&from->count[i], memory_order_relaxed);
        if (n != 0)
            atomic_fetch_add_explicit(&into->count[i], n, memory_order_relaxed);
    }
}

uint64_t hist_total(const struct hist *hist)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        total += atomic_load_explicit(&hist->count[i], memory_order_relaxed);
    return total;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    uint64_t total = hist_total(hist);
    if (total == 0)
        return 0;
    double clipped = q < 0 ? 0 : q > 1 ? 1 : q;
    double exact = clipped * (double)total;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0)
        rank++;
    uint64_t seen = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&hist->count[i], memory_order_relaxed);
        if (n == 0)
            continue;
        seen += n;
        last = i;
        if (seen >= rank)
            break;
    }
    return bucket_middle(last);
}
