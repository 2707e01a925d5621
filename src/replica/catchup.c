#include "replica/catchup.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "call/names.h"
#include "call/rv.h"
#include "member/signon.h"
#include "replica/naming.h"
#include "replica/replica.h"
#include "replica/seal.h"
#include "router/route.h"

#define LEASE_SECONDS 10 /* a process that died holds others up for so long */
#define LEASE_POLL    (50 * NS_PER_MS)

#define CATCHUP_LEASE 96

static void catchup_lease(char ret[CATCHUP_LEASE], const struct member *member)
{
    snprintf(ret, CATCHUP_LEASE, "catchup:%s", member->config->name);
}

struct walk {
    struct managed *managed;
    struct member *member;
    char lease[CATCHUP_LEASE];
    uint64_t generation; /* of the sign-on that it runs under */
    uint64_t done;       /* up to here applied in order */
    bool gap;            /* one is left to its writer: the mark stays before it, and it is looked at again */
    CK_RV rv;
    unsigned applied;
    uint64_t renewed;
};

CK_RV catchup_lag(struct managed *managed, const struct member *member, uint64_t *ret)
{
    struct vault_member row;
    uint64_t head = 0;
    if (vault_head(managed->vault, &head) != 0)
        return CKR_DEVICE_ERROR;
    if (vault_member_get(managed->vault, member->config->name, &row) != 0)
        row.synced_seq = 0;
    *ret = head > row.synced_seq ? head - row.synced_seq : 0;
    return CKR_OK;
}

static CK_RV twins_of(struct managed *managed, struct remote remote, const struct record *record, size_t *ret)
{
    AUTO(object_unref) struct object *object = NULL;
    bool apart = false;
    CK_RV rv = CKR_OK;
    *ret = 0;
    if (record->wrap != WRAP_NONE || managed_object(managed, record, &object) != CKR_OK)
        return CKR_OK;
    size_t all = catalog_twins(managed->group->catalog, object, true);
    *ret = catalog_twins(managed->group->catalog, object, false);
    if (all != *ret)
        rv = naming_find_out(managed, remote, &apart);
    if (!apart)
        *ret = all;
    return rv;
}

bool catchup_elsewhere(struct managed *managed, const struct member *member, uint64_t seq)
{
    char lease[CATCHUP_LEASE];
    bool placing = false, catching = false;
    catchup_lease(lease, member);
    return vault_is_placing(managed->vault, seq, managed->owner, &placing) == 0 &&
           vault_lease_held(managed->vault, lease, managed->owner, &catching) == 0 && (placing || catching);
}

CK_RV catchup_apply(struct managed *managed, struct remote remote, const struct record *record)
{
    CK_RV rv = seal_check(managed, &remote, record, remote.deadline);
    if (rv != CKR_OK)
        return rv;
    if (record->wrap == WRAP_PINNED)
        return CKR_OK;
    if (record->state != RECORD_LIVE) {
        size_t twins;
        rv = twins_of(managed, remote, record, &twins);
        return rv == CKR_OK ? replica_remove(managed, remote, record, twins) : rv;
    }
    AUTO(object_unref) struct object *object = catalog_by_uuid(managed->group->catalog, record->uuid);
    CK_OBJECT_HANDLE handle;
    /* Who has just made it may have failed, or have had an older record: looked at again. */
    while (object &&
           !catalog_make_begin(managed->group->catalog, object, remote.member->index, remote.deadline))
        if (clock_now() >= remote.deadline)
            return RV_DEADLINE;
    uint32_t epoch = member_epoch(remote.member);
    /* One that was changed meanwhile is known by other attributes: made by the old record, it would be a
     * second replica, and would stay when the object is destroyed. */
    bool stale = managed_is_stale(managed, record);
    if (!stale)
        rv = replica_ensure(managed, remote, record, object, &handle);
    /* Destroyed while it was being made: whoever did that may have looked here before. */
    if (rv == CKR_OK && !stale && managed_is_destroyed(managed, record)) {
        (void)!remote_destroy(remote, handle);
        stale = true;
    }
    if (rv == CKR_OK && object && !stale)
        object_set_replica(object, remote.member->index, epoch, handle);
    if (object)
        catalog_make_end(managed->group->catalog, object, remote.member->index);
    return rv;
}

bool catchup_refused(CK_RV rv)
{
    struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    enum error_class class = verdict_class(rv, &facts);
    return rv == RV_GONE || class == ERROR_APPLICATION;
}

static void renew_lease(struct walk *walk)
{
    bool got;
    if (clock_now() < walk->renewed + LEASE_SECONDS * NS_PER_S / 3)
        return;
    walk->renewed = clock_now();
    (void)!vault_lease(walk->managed->vault, walk->lease, walk->managed->owner, LEASE_SECONDS, &got);
}

static bool apply(const struct record *record, void *ctx)
{
    struct walk *walk = ctx;
    struct managed *managed = walk->managed;
    const char *name = walk->member->config->name;
    bool applied = false;
    renew_lease(walk);
    /* Logged out: no seal can be checked any more, and what is begun now would stay half made. */
    if (signon_generation(walk->member->signon) != walk->generation) {
        walk->rv = CKR_USER_NOT_LOGGED_IN;
        return false;
    }
    if (vault_is_applied(managed->vault, name, record->seq, &applied) != 0) {
        walk->rv = CKR_DEVICE_ERROR;
        return false;
    }
    bool left = false;
    if (!applied && record->state == RECORD_LIVE &&
        vault_is_placing(managed->vault, record->seq, "", &left) != 0) {
        walk->rv = CKR_DEVICE_ERROR;
        return false;
    }
    if (left) {
        walk->gap = true;
        return true;
    }
    if (!applied) {
        struct remote remote = remote_to(walk->member, clock_after(managed->group->config->call_timeout));
        CK_RV rv = catchup_apply(managed, remote, record);
        struct name_buf buf;
        if (rv != CKR_OK && !catchup_refused(rv)) {
            walk->rv = rv;
            return false;
        }
        if (rv != CKR_OK)
            log_event(LOG_ERROR, "record-not-applied", "group=%s member=%s seq=%llu answer=%s",
                      managed->group->config->name, name, (unsigned long long)record->seq,
                      route_rv_name(rv, &buf));
        walk->applied++;
    }
    if (walk->gap)
        (void)!vault_applied(managed->vault, record->seq, &name, 1);
    else
        walk->done = record->seq;
    return true;
}

static CK_RV run(struct walk *walk)
{
    struct managed *managed = walk->managed;
    for (;;) {
        uint64_t head = 0;
        struct vault_member row;
        if (vault_head(managed->vault, &head) != 0 ||
            vault_member_get(managed->vault, walk->member->config->name, &row) != 0)
            return CKR_DEVICE_ERROR;
        if (row.synced_seq >= head || walk->gap)
            return CKR_OK;
        walk->done = row.synced_seq;
        int r = vault_each(managed->vault, row.synced_seq, apply, walk);
        if (walk->rv == CKR_OK && r == 0 && !walk->gap && walk->done < head)
            walk->done = head;
        if (walk->done > row.synced_seq &&
            vault_caught_up(managed->vault, walk->member->config->name, walk->done) != 0)
            return CKR_DEVICE_ERROR;
        if (walk->rv != CKR_OK || r != 0)
            return walk->rv != CKR_OK ? walk->rv : CKR_DEVICE_ERROR;
    }
}

CK_RV catchup_member(struct managed *managed, struct member *member)
{
    struct walk walk = {.managed = managed, .member = member, .rv = CKR_OK};
    walk.generation = signon_generation(member->signon);
    uint64_t lag = 0;
    CK_RV rv = catchup_lag(managed, member, &lag);
    if (rv != CKR_OK || lag == 0)
        return rv;
    catchup_lease(walk.lease, member);
    bool got = false;
    uint64_t until = clock_after(2 * LEASE_SECONDS * NS_PER_S);
    while (vault_lease(managed->vault, walk.lease, managed->owner, LEASE_SECONDS, &got) == 0 && !got) {
        /* Another process is at it: it is this one's work too. */
        if (catchup_lag(managed, member, &lag) == CKR_OK && lag == 0)
            return CKR_OK;
        if (signon_generation(member->signon) != walk.generation)
            return CKR_USER_NOT_LOGGED_IN;
        if (clock_now() > until)
            return RV_DEADLINE;
        thread_sleep(clock_after(LEASE_POLL));
    }
    if (!got)
        return CKR_DEVICE_ERROR;
    walk.renewed = clock_now();
    log_event(LOG_INFO, "catch-up-begins", "group=%s member=%s records=%llu", managed->group->config->name,
              member->config->name, (unsigned long long)lag);
    rv = run(&walk);
    (void)!vault_lease_drop(managed->vault, walk.lease, managed->owner);
    struct name_buf buf;
    log_event(rv == CKR_OK ? LOG_INFO : LOG_WARN, "catch-up-ends", "group=%s member=%s applied=%u answer=%s",
              managed->group->config->name, member->config->name, walk.applied, route_rv_name(rv, &buf));
    return rv;
}
