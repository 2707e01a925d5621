/* What running processes say of a group (router/stats.h), taken twice, so that it gives rates. */
#ifndef TOOL_LIVE_H
#define TOOL_LIVE_H

#include "router/stats.h"

/* One look at all processes. */
struct live {
    struct stats_file **file; /* owned */
    size_t count;
    bool no_memory;
};
/* An unreadable or missing folder is a look that sees nobody. */
void live_read(struct live *live, const char *run_dir);
void live_end(struct live *live);
static inline UNUSED void live_end_auto(struct live *live)
{
    live_end(live);
}
/* NULL if that process does not serve it. */
const struct stats_group *live_group(const struct stats_file *file, const char *group);
/* The same process in an earlier look; NULL if it is new. */
const struct stats_file *live_before(const struct live *before, const struct stats_file *file);

/* A member as all processes see it. */
struct live_member {
    unsigned processes;      /* that have it */
    enum health_state state; /* the worst of them */
    CK_RV cause;
    int64_t since; /* the longest-standing of those in that state; seconds since 1970 */
    uint64_t calls, failures, outstanding;
    double calls_per_s;
    uint64_t latency; /* ns, the longest average of a class of work; 0 = no history */
};
void live_sum_member(const struct live *before, const struct live *now, const char *group, const char *member,
                     struct live_member *ret);

struct live_sum {
    unsigned processes;
    uint64_t calls, errors;
    uint64_t new_errors; /* since the look before */
    double calls_per_s;
};
void live_sum_group(const struct live *before, const struct live *now, const char *group,
                    struct live_sum *ret);
double live_process_rate(const struct live *before, const struct stats_file *file, const char *group);
/* Which of two states is worse for who depends on the member. */
enum health_state live_worse(enum health_state a, enum health_state b);

#endif
