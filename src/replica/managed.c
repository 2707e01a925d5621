#include "replica/managed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "call/rv.h"
#include "catalog/identity.h"
#include "replica/catchup.h"
#include "replica/replica.h"
#include "replica/seal.h"
#include "replica/template.h"
#include "replica/tender.h"

/* What an object remembers of its record until its seal has been checked once. */
struct sealed {
    uint8_t digest[32];
    uint8_t seal[SEAL_LEN];
};

static CK_RV hook_resolve(void *ctx, struct object *object, struct member *member, uint64_t deadline,
                          CK_OBJECT_HANDLE *ret)
{
    return replica_resolve(ctx, object, member, deadline, ret);
}

/* The vault knows members by name and token: another token under the same name has applied nothing yet. */
static void know_member(struct managed *managed, const struct member *member)
{
    struct vault_member row;
    char serial[17] = {0};
    memcpy(serial, member->token.serialNumber, 16);
    bool known =
        vault_member_get(managed->vault, member->config->name, &row) == 0 && strcmp(row.serial, serial) == 0;
    if (!known && vault_member_set(managed->vault, member->config->name, serial) != 0)
        log_event(LOG_WARN, "vault-write-failed", "group=%s step=member said=%s",
                  managed->group->config->name, vault_error());
}

static CK_RV hook_prove(void *ctx, struct member *member, uint64_t deadline)
{
    struct managed *managed = ctx;
    if (!group_logged_in(managed->group))
        return CKR_OK;
    CK_RV rv = keyring_prove(&managed->keyring, remote_to(member, deadline));
    if (rv == CKR_OK)
        know_member(managed, member);
    return rv;
}

static CK_RV hook_catch_up(void *ctx, struct member *member)
{
    struct managed *managed = ctx;
    return group_logged_in(managed->group) ? catchup_member(managed, member) : CKR_OK;
}

struct group_hooks managed_hooks(struct managed *managed)
{
    return (struct group_hooks){
        .ctx = managed, .resolve = hook_resolve, .prove = hook_prove, .catch_up = hook_catch_up};
}

CK_RV managed_new(struct group *group, struct managed **ret, char **ret_why)
{
    struct managed *managed = mem_new(1, sizeof(*managed));
    if (!managed)
        return CKR_HOST_MEMORY;
    managed->group = group;
    lock_init(&managed->refresh_lock, LOCK_GROUP);
    cond_init(&managed->refreshed);
    snprintf(managed->owner, sizeof(managed->owner), "%ld.%llx", (long)getpid(),
             (unsigned long long)clock_now());
    CK_RV rv = vault_open(group->config->vault, &managed->vault, ret_why) == 0 ? CKR_OK : CKR_GENERAL_ERROR;
    if (rv == CKR_OK)
        rv = keyring_init(&managed->keyring, vault_meta(managed->vault), group->count);
    if (rv != CKR_OK) {
        managed_free(managed);
        return rv;
    }
    *ret = managed;
    return CKR_OK;
}

CK_RV managed_start(struct managed *managed)
{
    managed_refresh(managed, true);
    return tender_start(managed);
}

bool managed_stop(struct managed *managed, uint64_t deadline)
{
    return tender_stop(managed, deadline);
}

void managed_free(struct managed *managed)
{
    if (!managed)
        return;
    tender_free(managed);
    keyring_end(&managed->keyring);
    vault_close(managed->vault);
    cond_end(&managed->refreshed);
    lock_end(&managed->refresh_lock);
    mem_free(managed);
}

static CK_RV remember_seal(struct managed *managed, struct object *object, const struct record *record)
{
    struct sealed *sealed = mem_new(1, sizeof(*sealed));
    if (!sealed || record_digest(record, vault_meta(managed->vault)->group, sealed->digest) != 0) {
        mem_free(sealed);
        return CKR_HOST_MEMORY;
    }
    memcpy(sealed->seal, record->seal, SEAL_LEN);
    lock_take(&managed->refresh_lock);
    void *old = object->recipe;
    object->recipe = sealed;
    object->recipe_free = mem_free;
    atomic_store(&object->verified, false);
    lock_drop(&managed->refresh_lock);
    mem_free(old);
    return CKR_OK;
}

bool managed_is_stale(struct managed *managed, const struct record *record)
{
    uint64_t version = 0;
    return vault_version(managed->vault, record->uuid, &version) == 0 && version > record->version;
}

bool managed_is_destroyed(struct managed *managed, const struct record *record)
{
    struct record now = {0};
    bool destroyed = managed_is_stale(managed, record) &&
                     vault_read(managed->vault, record->uuid, &now) == 0 && now.state != RECORD_LIVE;
    record_end(&now);
    return destroyed;
}

CK_RV managed_object(struct managed *managed, const struct record *record, struct object **ret)
{
    struct object *object = object_new(managed->group->count);
    struct attrs attrs = {0};
    CK_RV rv = object ? attrs_copy(&attrs, &record->attrs) : CKR_HOST_MEMORY;
    if (rv == CKR_OK)
        rv = remember_seal(managed, object, record);
    if (rv != CKR_OK) {
        attrs_free(&attrs);
        object_unref(object);
        return rv;
    }
    object_set_attrs(object, &attrs);
    memcpy(object->uuid, record->uuid, UUID_LEN);
    object->seq = record->seq;
    object->version = record->version;
    object->internal = (record->flags & RECORD_INTERNAL) || keyring_is_hidden(&object->attrs);
    atomic_store(&object->own_id, record->flags & RECORD_OWN_ID);
    for (unsigned i = 0; record->wrap == WRAP_PINNED && i < managed->group->count; i++)
        if (strcmp(managed->group->config->member[i].name, record->pinned_member) == 0)
            object->pinned = (int)i;
    *ret = object;
    return CKR_OK;
}

static void follow_live(struct managed *managed, const struct record *record)
{
    struct object *object = catalog_by_uuid(managed->group->catalog, record->uuid);
    if (object && record->version > object->version) {
        struct attrs attrs = {0};
        if (attrs_copy(&attrs, &record->attrs) == CKR_OK &&
            remember_seal(managed, object, record) == CKR_OK) {
            catalog_set_attrs(managed->group->catalog, object, &attrs, record->seq, record->version);
            atomic_store(&object->own_id, record->flags & RECORD_OWN_ID);
            atomic_store(&object->refused, false);
        }
        attrs_free(&attrs);
    } else if (!object && managed_object(managed, record, &object) == CKR_OK) {
        if (catalog_add(managed->group->catalog, &object) != CKR_OK)
            log_event(LOG_ERROR, "out-of-memory", "group=%s what=catalogue", managed->group->config->name);
    }
    if (object && object->internal && object->class == CKO_PRIVATE_KEY)
        memcpy(managed->transport, record->uuid, UUID_LEN);
    object_unref(object);
}

/* A tombstone that nobody has sealed must not make a key vanish. */
static void follow_tombstone(struct managed *managed, const struct record *record)
{
    struct object *object = catalog_by_uuid(managed->group->catalog, record->uuid);
    if (!object)
        return;
    uint64_t deadline = clock_after(managed->group->config->call_timeout);
    if (!group_logged_in(managed->group) || seal_check(managed, NULL, record, deadline) != RV_GONE)
        catalog_remove(managed->group->catalog, object);
    object_unref(object);
}

static bool follow(const struct record *record, void *ctx)
{
    struct managed *managed = ctx;
    if (record->state == RECORD_LIVE)
        follow_live(managed, record);
    else if (record->state == RECORD_DELETED || record->state == RECORD_PURGED)
        follow_tombstone(managed, record);
    else
        seal_refuse(managed, record->uuid, record->seq);
    if (record->seq > atomic_load(&managed->loaded))
        atomic_store(&managed->loaded, record->seq);
    return true;
}

void managed_refresh(struct managed *managed, bool all)
{
    lock_take(&managed->refresh_lock);
    uint64_t deadline = clock_after(managed->group->config->call_timeout);
    bool waited = false;
    while (managed->refreshing && clock_now() < deadline) {
        waited = true;
        (void)cond_wait(&managed->refreshed, &managed->refresh_lock, deadline);
    }
    bool mine = !managed->refreshing && (!waited || all);
    managed->refreshing = managed->refreshing || mine;
    lock_drop(&managed->refresh_lock);
    if (!mine)
        return;
    if (vault_changed(managed->vault) || all) {
        int r = vault_each(managed->vault, atomic_load(&managed->loaded), follow, managed);
        if (r != 0)
            log_event(LOG_ERROR, "vault-read-failed", "group=%s vault=%s said=%s",
                      managed->group->config->name, vault_path(managed->vault), vault_error());
    }
    lock_take(&managed->refresh_lock);
    managed->refreshing = false;
    cond_wake_all(&managed->refreshed);
    lock_drop(&managed->refresh_lock);
}

static bool has_equal(struct managed *managed, const struct object *object, const struct attrs *attrs,
                      uint64_t deadline)
{
    struct attrs there = {0};
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    bool equal = false;
    for (unsigned i = 0; !equal && i < managed->group->count; i++) {
        struct remote remote =
            remote_to(managed->group->member[i], clock_share(deadline, managed->group->count - i));
        CK_OBJECT_HANDLE found;
        size_t count = 0, types = 0;
        if (!health_usable(member_state(remote.member)) ||
            remote_find(remote, templ, identity_template(attrs, templ), &found, 1, &count) != CKR_OK ||
            count != 1)
            continue;
        const CK_ATTRIBUTE_TYPE *type = attrs_of_class(object->class, object->subtype, &types);
        attrs_free(&there);
        if (remote_get(remote, found, type, types, &there) != CKR_OK)
            continue;
        struct template changes;
        template_changes(attrs, &there, &changes);
        equal = changes.count == 0;
    }
    attrs_free(&there);
    return equal;
}

/* Before login no seal can be checked: a public object is served if a member's own copy of it is equal. */
static CK_RV check_public(struct managed *managed, struct object *object, uint64_t deadline)
{
    if (object->private)
        return CKR_USER_NOT_LOGGED_IN;
    struct attrs attrs = {0};
    CK_RV rv = catalog_attrs(managed->group->catalog, object, &attrs);
    bool equal = rv == CKR_OK && has_equal(managed, object, &attrs, deadline);
    if (rv == CKR_OK && !equal && atomic_load(&object->own_id)) {
        rv = attrs_set(&attrs, CKA_ID, object->uuid, UUID_LEN);
        equal = rv == CKR_OK && has_equal(managed, object, &attrs, deadline);
    }
    attrs_free(&attrs);
    return rv == CKR_OK && !equal ? CKR_USER_NOT_LOGGED_IN : rv;
}

CK_RV managed_verify(struct managed *managed, struct object *object, uint64_t deadline)
{
    if (atomic_load_explicit(&object->verified, memory_order_acquire) || !object->token || object->original)
        return CKR_OK;
    if (atomic_load(&object->refused))
        return RV_GONE;
    if (!group_logged_in(managed->group))
        return check_public(managed, object, deadline);
    struct sealed sealed;
    lock_take(&managed->refresh_lock);
    memcpy(&sealed, object->recipe, sizeof(sealed));
    uint64_t version = object->version;
    lock_drop(&managed->refresh_lock);
    uint8_t seal[SEAL_LEN];
    CK_RV rv = seal_compute(managed, NULL, sealed.digest, deadline, seal);
    if (rv != CKR_OK)
        return rv;
    if (version != object->version)
        return managed_verify(managed, object, deadline);
    if (secret_equal(seal, sealed.seal, SEAL_LEN)) {
        atomic_store(&object->verified, true);
        return CKR_OK;
    }
    atomic_store(&object->refused, true);
    seal_refuse(managed, object->uuid, object->seq);
    return RV_GONE;
}

CK_RV managed_record(struct managed *managed, const struct remote *on, struct object *object,
                     uint64_t deadline, struct record *ret)
{
    int r = vault_read(managed->vault, object->uuid, ret);
    if (r == -ENOENT)
        return RV_GONE;
    if (r == -EBADMSG) {
        atomic_store(&object->refused, true);
        seal_refuse(managed, object->uuid, object->seq);
        return RV_GONE;
    }
    if (r != 0) {
        log_event(LOG_ERROR, "vault-read-failed", "group=%s vault=%s said=%s", managed->group->config->name,
                  vault_path(managed->vault), vault_error());
        return CKR_DEVICE_ERROR;
    }
    CK_RV rv = seal_check(managed, on, ret, deadline);
    if (rv == RV_GONE)
        atomic_store(&object->refused, true);
    else if (rv == CKR_OK && ret->state != RECORD_LIVE) {
        /* Another process has destroyed it. */
        catalog_remove(managed->group->catalog, object);
        rv = RV_GONE;
    }
    if (rv == CKR_OK)
        return CKR_OK;
    record_end(ret);
    return rv;
}
