/*
 * The retry budget: repeats after ambiguous answers may be 20 % of calls plus 10 a second, with a reserve of
 * 200, so that poisoned requests cannot double the load. It never stops the failover of a transport failure.
 * Pure: time is an argument. Units are fifths of a repeat, so that a call earns one.
 */
#ifndef ROUTER_BUDGET_H
#define ROUTER_BUDGET_H

#include <stdatomic.h>

#include "base/def.h"

#define BUDGET_REPEAT  5 /* what one repeat costs; a call earns 1 */
#define BUDGET_RESERVE (200 * BUDGET_REPEAT)
#define BUDGET_RATE    (10 * BUDGET_REPEAT) /* a second */

struct budget {
    _Atomic int64_t spent; /* below the reserve */
    _Atomic uint64_t stamp;
};

void budget_earn(struct budget *budget);
/* True and spent if there is enough. */
bool budget_spend(struct budget *budget, uint64_t now);
/* So many repeats were not in vain: a member failed, not the request. They cost nothing, or a member that
 * fails for long would use up what keeps its failures from the application. */
void budget_refund(struct budget *budget, unsigned repeats);

#endif
