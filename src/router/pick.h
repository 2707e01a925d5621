/* Which member: pure functions of a snapshot. */
#ifndef ROUTER_PICK_H
#define ROUTER_PICK_H

#include "base/def.h"

struct candidate {
    bool usable;     /* up, has the mechanism, not tried yet */
    unsigned tier;   /* 0 is best */
    double weight;   /* the configured one times the slow-start ramp */
    double ewma;     /* ns; 0 = no history in this class of work */
    int outstanding; /* calls under way there */
    bool probing;    /* no history, and its one probe call is under way */
    bool full;       /* said lately that it was full */
};

#define PICK_NONE (-1)

/*
 * The least ewma * (outstanding + 1) / weight among the usable ones of the best tier; with more than 8 of
 * them the better of two random ones. One without history is sent one call at a time, and is the first choice
 * for that one.
 */
int pick_member(const struct candidate *candidate, unsigned count, uint32_t random);

#endif
