/* Time. Absolute moments are nanoseconds of CLOCK_MONOTONIC; deadlines are such moments, CLOCK_NEVER = none.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/def.h"

#define CLOCK_NEVER UINT64_MAX
#define NS_PER_US   UINT64_C(1000)
#define NS_PER_MS   UINT64_C(1000000)
#define NS_PER_S    UINT64_C(1000000000)

uint64_t clock_now(void);
/* A few ms coarse, some ns cheap. */
uint64_t clock_coarse(void);
/* Seconds since 1970, UTC. */
int64_t clock_wall(void);
/* now + span, saturating at CLOCK_NEVER. */
uint64_t clock_after(uint64_t span_ns);
/* A deadline for the first of `count` that leaves the others their part of the time; the same if it has
 * passed or is CLOCK_NEVER. */
uint64_t clock_share(uint64_t deadline, unsigned count);

/* Tests: from now on the clock stands at `ns` and moves only by clock_test_advance. 0 gives the real one
 * back. */
void clock_test_set(uint64_t ns);
void clock_test_advance(uint64_t ns);

/*
 * For waiting functions of base: until when of the real CLOCK_MONOTONIC to sleep before `deadline` is looked
 * at again. The deadline itself, or, under a test clock, a millisecond from now. CLOCK_NEVER only without a
 * deadline.
 */
uint64_t clock_sleep_until(uint64_t deadline);

#endif
