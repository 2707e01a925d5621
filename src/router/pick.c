#include "router/pick.h"

#define COMPARE_ALL  8
#define FULL_PENALTY 16.0
#define WAIT_PENALTY 1e18 /* behind everything that has a history */

static double score(const struct candidate *c)
{
    if (c->ewma <= 0)
        return c->probing || c->full ? WAIT_PENALTY * (c->outstanding + 1) : 0;
    double s = c->ewma * (c->outstanding + 1) / c->weight;
    return c->full ? s * FULL_PENALTY : s;
}

static unsigned best_tier(const struct candidate *candidate, unsigned count)
{
    unsigned tier = UINT32_MAX;
    for (unsigned i = 0; i < count; i++)
        if (candidate[i].usable && candidate[i].tier < tier)
            tier = candidate[i].tier;
    return tier;
}

/* The n-th usable one of that tier. */
static int nth(const struct candidate *candidate, unsigned count, unsigned tier, unsigned n)
{
    for (unsigned i = 0; i < count; i++)
        if (candidate[i].usable && candidate[i].tier == tier && n-- == 0)
            return (int)i;
    return PICK_NONE;
}

int pick_member(const struct candidate *candidate, unsigned count, uint32_t random)
{
    unsigned tier = best_tier(candidate, count), there = 0;
    int best = PICK_NONE;
    double best_score = 0;
    /* Equal scores: begin at a random one, so that none is the first for ever. */
    for (unsigned k = 0; k < count; k++) {
        unsigned i = (k + random) % count;
        if (!candidate[i].usable || candidate[i].tier != tier)
            continue;
        double s = score(&candidate[i]);
        there++;
        if (best == PICK_NONE || s < best_score) {
            best = (int)i;
            best_score = s;
        }
    }
    if (there <= COMPARE_ALL)
        return best;
    unsigned one = (random >> 8) % there, other = (one + 1 + (random >> 20) % (there - 1)) % there;
    int a = nth(candidate, count, tier, one), b = nth(candidate, count, tier, other);
    return score(&candidate[a]) <= score(&candidate[b]) ? a : b;
}
