/*
 * A group: one virtual slot with its members, its catalogue and who is logged in. Everything that floors
 * above hang on it goes through hooks.
 */
#ifndef ROUTER_GROUP_H
#define ROUTER_GROUP_H

#include "catalog/catalog.h"
#include "member/member.h"
#include "router/budget.h"

struct group;

#define GROUP_LAG_UNKNOWN UINT64_MAX

struct group_hooks {
    void *ctx;
    /*
     * A real handle for the object on this member, made or found if need be. RV_NOT_HERE if it can have none
     * there, RV_GONE if it has been destroyed, else what the member said.
     */
    CK_RV(*resolve)
    (void *ctx, struct object *object, struct member *member, uint64_t deadline, CK_OBJECT_HANDLE *ret);
    CK_RV (*prove)(void *ctx, struct member *member, uint64_t deadline);
    CK_RV (*catch_up)(void *ctx, struct member *member);
};

struct group {
    const struct config_group *config;
    unsigned count;
    struct member *member[CONFIG_MEMBERS_MAX];
    struct catalog *catalog;
    struct signon signon;
    struct budget budget;
    struct group_hooks hooks;
    _Atomic uint64_t calls, errors; /* of the application; errors: no member was left, or all were full */
    _Atomic uint64_t
        lag[CONFIG_MEMBERS_MAX]; /* records that each member is behind, set by who keeps it up to date */
    _Atomic uint32_t changes;    /* counts members' changes of state: waited for by group_wait */
    _Atomic bool was_present;
    _Atomic uint32_t turns; /* counts how often it has become present or absent */
};

/* Instances are made and shared by the set (instances.h). Nothing is connected yet. */
struct instances;
MUST_USE CK_RV group_new(const struct config_group *config, struct instances *instances, struct group **ret);
MUST_USE CK_RV group_start(struct group *group, const struct group_hooks *hooks);
/* False: something is stuck in a member; then nothing of the group may be freed. */
bool group_stop(struct group *group, uint64_t deadline);
void group_free(struct group *group);
/* Waits until every member has been reached or was found unreachable, or one is up and `enough`, or the
 * deadline. */
void group_wait_first(struct group *group, uint64_t deadline);
/* Sleeps until a member's state changes after `seen` was read from group->changes. False: the deadline
 * passed. */
bool group_wait(struct group *group, uint32_t seen, uint64_t deadline);

/* As CKU_USER: private objects and the group's keys can be used. */
bool group_logged_in(struct group *group);
/*
 * C_Login: the PIN is tried on one healthy member; the others sign on in the background. What that member
 * said, or the next one's if it was not there; CKR_TOKEN_NOT_PRESENT if none is.
 */
MUST_USE CK_RV group_login(struct group *group, CK_USER_TYPE user, const uint8_t *pin, size_t len);
/* The same for C_LoginUser: who goes by `name`. */
MUST_USE CK_RV group_login_named(struct group *group, CK_USER_TYPE user, const uint8_t *name, size_t name_len,
                                 const uint8_t *pin, size_t len);
/* Each member logs out on its keeper, after what that one is at; those that are there are waited for. */
void group_logout(struct group *group, uint64_t deadline);
/* Some member can be used or is about to be. */
bool group_present(const struct group *group);
/* Some member offers the mechanism with at least these flags, or no member's list is known yet. */
bool group_offers(const struct group *group, CK_MECHANISM_TYPE type, CK_FLAGS flags);

/*
 * Of all groups of the process: counts their becoming present or absent, and group_events_wake. The wait ends
 * when the count is not `seen` any more; false: the deadline passed.
 */
uint32_t group_events(void);
bool group_events_wait(uint32_t seen, uint64_t deadline);
void group_events_wake(void);

#endif
