/* The nearest known word to a mistyped one. Pure. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include "base/def.h"

struct suggest {
    const char *word;
    const char *best; /* the nearest of those offered, or NULL while none is near enough */
    size_t distance;  /* of best */
};

/*
 * Insertions, deletions, replacements and swaps of neighbours needed to make b of a. Case does not count, and
 * `_` is `-`. SIZE_MAX if either is longer than 63 bytes.
 */
size_t suggest_distance(const char *a, const char *b);
/* Offer every known word; of two equally near ones the first offered stays. Near is: at most a third of the
 * longer one. */
struct suggest suggest_begin(const char *word);
void suggest_offer(struct suggest *suggest, const char *known);

#endif
