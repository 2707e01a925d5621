/*
 * The control file as it is now: the rules in force, and waiting that ends when a rule goes away.
 * Rule sets are never changed and never freed once published, so readers take no lock.
 */
#ifndef CHAOS_CONTROL_H
#define CHAOS_CONTROL_H

#include "test/chaos/rule.h"

struct rules {
    struct rule **rule;
    size_t count;
    bool has_gone; /* some rule takes a token away */
};

/* Which file from now on; NULL: no rules. False without memory. Not while another thread opens. */
bool control_open(const char *path);
/* The rules in force: one stat(), a re-read if it shows a change. A bad line is named on stderr and left out.
 */
const struct rules *control_rules(void);
/* Counts this match and says whether the rule acts on it. */
bool control_fires(struct rule *rule);

uint64_t control_now(void); /* monotonic, ns */
/* Until the time, or until the rule is gone (within 5 ms of the file's change). UINT64_MAX: only the latter.
 */
void control_wait(const struct rule *rule, uint64_t until);
/* A pseudo-random number in 0..1; the same sequence in every process. */
double control_random(void);

/* In a forked child, before anything else. */
void control_forked(void);

#endif
