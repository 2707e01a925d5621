/* The parts of `p11ha status`. */
#ifndef TOOL_STATUS_H
#define TOOL_STATUS_H

#include "tool/findings.h"
#include "tool/listing.h"
#include "tool/live.h"
#include "tool/site.h"

struct status {
    struct site site;
    const struct live *before; /* the look before, for rates; NULL: none */
    const struct live *now;
    bool probe; /* the groups are open */
    struct findings *findings;
};

/* What the vault tells of a group; see status_vault. */
struct status_vault {
    bool known;
    uint64_t head;
    uint64_t lag[CONFIG_MEMBERS_MAX]; /* GROUP_LAG_UNKNOWN for a member that was never seen */
    size_t live, keys, deleted, purged, pinned, below, refused;
    json_t *lists; /* {"below_copies": [...], "refused": [...], "pinned": [...]}; owned */
};
/* Troubles go to the findings. */
void status_vault(const struct status *status, const struct site_group *group, struct status_vault *ret);

/* The table of members; its rows as JSON. NULL without memory. */
MUST_USE json_t *status_members(const struct status *status, const struct site_group *group,
                                const struct status_vault *vault, FILE *out);
/* The table of processes. */
MUST_USE json_t *status_processes(const struct status *status, const struct site_group *group, FILE *out);
/* A member's state as this command and all processes see it: the worst. False: nobody has looked. */
bool status_state(const struct status *status, const struct site_group *group, unsigned member,
                  enum health_state *ret_state, CK_RV *ret_cause, int64_t *ret_since);

/* The live table, until it is broken off. */
MUST_USE enum exit_code status_watch(struct status *status, uint64_t interval, bool json);

#endif
