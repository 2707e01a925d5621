/*
 * Peak-EWMA of a member's latency per class of work: a worse sample counts at once, a better one decays in
 * (10 s). Relaxed atomics: a lost update costs nothing.
 */
#ifndef MEMBER_LATENCY_H
#define MEMBER_LATENCY_H

#include <stdatomic.h>

#include "call/mechs.h"

#define LATENCY_DECAY (10 * UINT64_C(1000000000))
#define LATENCY_STALE (15 * UINT64_C(1000000000))

struct latency {
    struct {
        _Atomic uint64_t ewma, stamp; /* ns */
        _Atomic int32_t probing;      /* calls under way while there is no history yet */
    } work[WORK_CLASSES];
    _Atomic int32_t outstanding;
    _Atomic uint64_t full_until; /* said that it was full: a penalty until then, ns */
};

/* Pure: the new average of an old one. `age` is the time since the last sample. */
uint64_t latency_blend(uint64_t ewma, uint64_t sample, uint64_t age);
/* Pure: an average without a sample for that long fades, so that whoever was slow once is asked again. Not to
 * 0, which means that there is none. */
uint64_t latency_faded(uint64_t ewma, uint64_t age);
/* The average of that class of work as it counts now; 0 = no history, or none since LATENCY_STALE: one call
 * tells how it is now. */
uint64_t latency_now(const struct latency *latency, enum work_class work, uint64_t now);
/* The member comes back: what was measured while it failed says nothing of it. */
void latency_forget(struct latency *latency);
void latency_begin(struct latency *latency, enum work_class work, uint64_t now);
/* `counts`: the sample says something of the member's speed. */
void latency_end(struct latency *latency, enum work_class work, uint64_t began, uint64_t now, bool counts);

#endif
