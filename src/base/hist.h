/* Latencies: log-linear buckets (within 3 %), from 1 ns to an hour; adding is one relaxed atomic. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdatomic.h>

#include "base/def.h"

#define HIST_BUCKETS 1344
struct hist {
    _Atomic uint64_t count[HIST_BUCKETS];
};
void hist_add(struct hist *hist, uint64_t ns);
void hist_merge(struct hist *into, const struct hist *from);
uint64_t hist_total(const struct hist *hist);
/* The value at quantile q (0 .. 1), in ns; 0 if empty. */
uint64_t hist_quantile(const struct hist *hist, double q);

#endif
