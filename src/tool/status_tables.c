/* The tables of members and of processes. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tool/label.h"
#include "tool/status.h"
#include "tool/trouble.h"

enum column { MEMBER, ROLE, TIER, STATE, SINCE, LAG, RATE, CALLS, FAILED, WHY, COLUMNS };
static const struct listing_column columns[COLUMNS] = {
    [MEMBER] = {"MEMBER", "member", LISTING_LEFT},      [ROLE] = {"ROLE", "role", LISTING_LEFT},
    [TIER] = {"TIER", "tier", LISTING_RIGHT},           [STATE] = {"STATE", "state", LISTING_LEFT},
    [SINCE] = {"SINCE", "since", LISTING_RIGHT},        [LAG] = {"BEHIND", "lag", LISTING_RIGHT},
    [RATE] = {"CALLS/S", "calls_per_s", LISTING_RIGHT}, [CALLS] = {NULL, "calls", LISTING_RIGHT},
    [FAILED] = {"FAILED", "failures", LISTING_RIGHT},   [WHY] = {"WHY", "why", LISTING_LEFT},
};

enum process_column { PID, PROGRAM, STARTED, LOGIN, P_RATE, P_CALLS, P_ERRORS, PROCESS_COLUMNS };
static const struct listing_column process_columns[PROCESS_COLUMNS] = {
    [PID] = {"PROCESS", "pid", LISTING_RIGHT},
    [PROGRAM] = {"PROGRAM", "program", LISTING_LEFT},
    [STARTED] = {"SINCE", "started", LISTING_RIGHT},
    [LOGIN] = {"LOGGED IN", "logged_in", LISTING_LEFT},
    [P_RATE] = {"CALLS/S", "calls_per_s", LISTING_RIGHT},
    [P_CALLS] = {"CALLS", "calls", LISTING_RIGHT},
    [P_ERRORS] = {"ERRORS", "errors", LISTING_RIGHT},
};

static void show_age(struct listing *listing, size_t column, int64_t since)
{
    char age[24];
    label_age(clock_wall() - since, age);
    listing_value(listing, column, age, json_integer((json_int_t)since));
}

static struct health own_health(const struct site_group *group, unsigned i)
{
    struct member *member = group->group->member[i];
    lock_take(&member->lock);
    struct health health = member->health;
    lock_drop(&member->lock);
    return health;
}

bool status_state(const struct status *status, const struct site_group *group, unsigned member,
                  enum health_state *ret_state, CK_RV *ret_cause, int64_t *ret_since)
{
    struct live_member live;
    live_sum_member(status->before, status->now, group->config->name, group->config->member[member].name,
                    &live);
    *ret_state = live.state;
    *ret_cause = live.cause;
    *ret_since = live.since;
    if (!group->group)
        return live.processes > 0;
    struct health own = own_health(group, member);
    if (live.processes && (own.state == live.state || live_worse(own.state, live.state) == live.state))
        return true;
    *ret_state = own.state;
    *ret_cause = own.cause;
    *ret_since = clock_wall() - (int64_t)((clock_now() - own.since) / NS_PER_S);
    return true;
}

static void explain(const struct status *status, const struct site_group *group, unsigned i,
                    enum health_state state, CK_RV cause, struct listing *listing)
{
    struct trouble trouble;
    char where[96];
    bool own = group->group && own_health(group, i).state == state;
    bool found = own ? trouble_of_member(group, group->group->member[i], &trouble)
                     : trouble_of_state(state, cause, &trouble);
    if (!found)
        return;
    listing_text(listing, WHY, trouble.what);
    (void)snprintf(where, sizeof(where), "member %.80s", group->config->member[i].name);
    findings_add(status->findings, state == HEALTH_DRAINED ? FINDING_WARNING : FINDING_TROUBLE, where,
                 trouble.remedy, "%s%s", trouble.what,
                 own || !group->group ? "" : ", as a running process sees it");
}

static void show_member(const struct status *status, const struct site_group *group,
                        const struct status_vault *vault, unsigned i, struct listing *listing)
{
    const struct config_member *config = &group->config->member[i];
    enum health_state state;
    CK_RV cause;
    int64_t since;
    struct live_member live;
    live_sum_member(status->before, status->now, group->config->name, config->name, &live);
    listing_row(listing);
    listing_text(listing, MEMBER, config->name);
    listing_text(listing, ROLE, config->role == ROLE_STANDBY ? "standby" : "active");
    listing_count(listing, TIER, config->tier);
    if (vault->known && vault->lag[i] != GROUP_LAG_UNKNOWN)
        listing_count(listing, LAG, vault->lag[i]);
    if (live.processes) {
        listing_number(listing, RATE, live.calls_per_s, 1);
        listing_count(listing, CALLS, live.calls);
        listing_count(listing, FAILED, live.failures);
    }
    if (!status_state(status, group, i, &state, &cause, &since))
        return;
    listing_text(listing, STATE, health_name(state));
    show_age(listing, SINCE, since);
    explain(status, group, i, state, cause, listing);
}

static void note_lag(const struct status *status, const struct site_group *group,
                     const struct status_vault *vault, unsigned i)
{
    char where[96];
    uint64_t lag = vault->lag[i];
    if (!vault->known || lag == 0)
        return;
    (void)snprintf(where, sizeof(where), "member %.80s", group->config->member[i].name);
    if (lag == GROUP_LAG_UNKNOWN)
        findings_add(status->findings, FINDING_TROUBLE, where, "Run `p11ha sync`.",
                     "the vault does not know it: nobody has signed on to it since it was configured");
    else
        findings_add(status->findings, FINDING_TROUBLE, where,
                     "It is caught up by any application that is logged in, or by `p11ha sync`.",
                     "it is %llu record%s behind", (unsigned long long)lag, lag == 1 ? "" : "s");
}

json_t *status_members(const struct status *status, const struct site_group *group,
                       const struct status_vault *vault, FILE *out)
{
    AUTO(listing_free) struct listing *listing = listing_new(columns, COLUMNS);
    if (!listing)
        return NULL;
    for (unsigned i = 0; i < group->config->member_count; i++) {
        show_member(status, group, vault, i, listing);
        note_lag(status, group, vault, i);
    }
    if (out && !listing_print(listing, out))
        return NULL;
    return listing_take(listing);
}

json_t *status_processes(const struct status *status, const struct site_group *group, FILE *out)
{
    AUTO(listing_free) struct listing *listing = listing_new(process_columns, PROCESS_COLUMNS);
    if (!listing)
        return NULL;
    for (size_t i = 0; i < status->now->count; i++) {
        const struct stats_file *file = status->now->file[i];
        const struct stats_group *own = live_group(file, group->config->name);
        if (!own)
            continue;
        listing_row(listing);
        listing_count(listing, PID, file->pid);
        listing_text(listing, PROGRAM, file->program);
        show_age(listing, STARTED, (int64_t)file->started);
        listing_flag(listing, LOGIN, own->logged_in);
        listing_number(listing, P_RATE, live_process_rate(status->before, file, group->config->name), 1);
        listing_count(listing, P_CALLS, own->calls);
        listing_count(listing, P_ERRORS, own->errors);
    }
    if (out && !listing_print(listing, out))
        return NULL;
    return listing_take(listing);
}
