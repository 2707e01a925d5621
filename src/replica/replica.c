#include "replica/replica.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/names.h"
#include "call/rv.h"
#include "catalog/identity.h"
#include "replica/catchup.h"
#include "replica/naming.h"
#include "replica/proof.h"
#include "replica/template.h"
#include "replica/transient.h"
#include "replica/wrap.h"

#define CANDIDATES     64
#define CANDIDATES_ALL 4096

static bool has_key(const struct record *record)
{
    return record->wrap != WRAP_NONE;
}

/*
 * Without a key nothing proves which of two equal objects a replica is of: not this one's if it is known as
 * the other's, nor if there are fewer of them than there should be.
 */
static CK_RV is_free(struct managed *managed, struct remote remote, struct object *object,
                     CK_OBJECT_HANDLE found, size_t count)
{
    struct catalog *catalog = managed->group->catalog;
    AUTO(object_unref)
    struct object *other =
        catalog_by_replica(catalog, remote.member->index, member_epoch(remote.member), found);
    if (other)
        return other == object ? CKR_OK : CKR_KEY_CHANGED;
    return object && count < catalog_twins(catalog, object, true) ? CKR_KEY_CHANGED : CKR_OK;
}

/* The first candidate that the proof accepts. */
static CK_RV choose(struct managed *managed, struct remote remote, const struct record *record,
                    struct object *object, const CK_OBJECT_HANDLE *found, size_t count, CK_OBJECT_HANDLE *ret)
{
    for (size_t i = 0; i < count; i++) {
        CK_RV rv = proof_check(remote, found[i], record);
        if (rv == CKR_OK && !proof_tells(record))
            rv = is_free(managed, remote, object, found[i], count);
        if (rv == CKR_OK) {
            *ret = found[i];
            return CKR_OK;
        }
        /* Another key, or one that another process is just taking away: look on. */
        if (rv != CKR_KEY_CHANGED && rv != CKR_KEY_HANDLE_INVALID && rv != CKR_OBJECT_HANDLE_INVALID &&
            rv != CKR_KEY_FUNCTION_NOT_PERMITTED && rv != CKR_KEY_TYPE_INCONSISTENT &&
            rv != CKR_KEY_SIZE_RANGE)
            return rv;
    }
    return CKR_OBJECT_HANDLE_INVALID;
}

/* After a change of label or id a replica may still have the old ones: then class and type alone, and the
 * proof. */
static size_t loose_template(const struct attrs *attrs, CK_ATTRIBUTE templ[IDENTITY_MAX])
{
    CK_ATTRIBUTE strict[IDENTITY_MAX];
    size_t count = identity_template(attrs, strict), kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strict[i].type != CKA_ID && strict[i].type != CKA_LABEL)
            templ[kept++] = strict[i];
    return kept;
}

/* `templ` has those attributes of the record's that are looked for; the CKA_ID is as the member has it. */
static CK_RV find_by(struct managed *managed, struct remote remote, const struct record *record,
                     struct object *object, CK_ATTRIBUTE templ[IDENTITY_MAX], size_t count,
                     CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_HANDLE found[CANDIDATES];
    size_t seen = 0;
    count = naming_apply(record, templ, count, IDENTITY_MAX);
    CK_RV rv = remote_find(remote, templ, count, found, CANDIDATES, &seen);
    if (rv == CKR_BUFFER_TOO_SMALL)
        rv = CKR_OK;
    return rv == CKR_OK ? choose(managed, remote, record, object, found, seen, ret) : rv;
}

static CK_RV find_named(struct managed *managed, struct remote remote, const struct record *record,
                        struct object *object, CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    return find_by(managed, remote, record, object, templ, identity_template(&record->attrs, templ), ret);
}

CK_RV replica_find(struct managed *managed, struct remote remote, const struct record *record,
                   struct object *object, CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    struct record plain = *record; /* a view */
    size_t count = 0;
    /* Its label there may be an older one; its CKA_ID never changes. */
    if (naming_is_uuid(record))
        return find_by(managed, remote, record, object, templ, loose_template(&record->attrs, templ), ret);
    plain.flags &= ~(unsigned)RECORD_OWN_ID;
    CK_RV rv = find_named(managed, remote, record, object, ret);
    if (rv == CKR_OBJECT_HANDLE_INVALID && plain.flags != record->flags)
        rv = find_named(managed, remote, &plain, object, ret);
    if (rv != CKR_OBJECT_HANDLE_INVALID || record->version <= 1)
        return rv;
    CK_OBJECT_HANDLE *all = mem_new(CANDIDATES_ALL, sizeof(*all));
    if (!all)
        return CKR_HOST_MEMORY;
    rv = remote_find(remote, templ, loose_template(&record->attrs, templ), all, CANDIDATES_ALL, &count);
    if (rv == CKR_OK)
        rv = choose(managed, remote, record, object, all, count, ret);
    mem_free(all);
    return rv;
}

/* NSS wants the public point beside a wrapped EC or DSA private key. */
static void add_point(const struct record *record, struct template *t)
{
    const CK_ATTRIBUTE *point = attrs_get(&record->public_part, CKA_EC_POINT);
    if (!point)
        point = attrs_get(&record->public_part, CKA_VALUE);
    if (point && t->count < TEMPLATE_MAX)
        t->item[t->count++] = (CK_ATTRIBUTE){CKA_NSS_DB, point->pValue, point->ulValueLen};
}

static CK_RV make_session_object(struct managed *managed, struct remote remote, const struct record *record,
                                 struct template *t, CK_OBJECT_HANDLE *ret)
{
    t->count = naming_apply(record, t->item, t->count, TEMPLATE_MAX);
    if (has_key(record))
        return wrap_restore(managed, remote, record, t->item, t->count, ret);
    return remote_create(remote, t->item, t->count, ret);
}

static CK_RV session_object(struct managed *managed, struct remote remote, const struct record *record,
                            CK_OBJECT_HANDLE *ret)
{
    struct template t;
    template_session(&record->attrs, has_key(record), false, &t);
    CK_RV rv = make_session_object(managed, remote, record, &t, ret);
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_READ_ONLY) {
        template_session(&record->attrs, has_key(record), true, &t);
        rv = make_session_object(managed, remote, record, &t, ret);
    }
    if (rv == CKR_TEMPLATE_INCOMPLETE && has_key(record)) {
        add_point(record, &t);
        rv = make_session_object(managed, remote, record, &t, ret);
    }
    return rv;
}

static bool copy_refused(CK_RV rv)
{
    return rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_ACTION_PROHIBITED ||
           rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_ATTRIBUTE_READ_ONLY;
}

/* Where copying is refused: straight to the token. */
static CK_RV make_direct(struct managed *managed, struct remote remote, const struct record *record,
                         CK_OBJECT_HANDLE *ret)
{
    CK_BBOOL yes = CK_TRUE;
    struct template t;
    template_session(&record->attrs, has_key(record), true, &t);
    t.item[0] = (CK_ATTRIBUTE){CKA_TOKEN, &yes, sizeof(yes)};
    CK_RV rv = make_session_object(managed, remote, record, &t, ret);
    if (rv == CKR_OK) {
        rv = proof_check(remote, *ret, record);
        if (rv != CKR_OK)
            (void)!remote_destroy(remote, *ret);
    }
    return rv;
}

/* `record` is as this member is to have it. */
static CK_RV make(struct managed *managed, struct remote remote, const struct record *record,
                  CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_HANDLE made;
    CK_RV rv = session_object(managed, remote, record, &made);
    if (rv != CKR_OK)
        return rv;
    rv = proof_check(remote, made, record);
    if (rv == CKR_OK) {
        struct template t;
        template_publish(&record->attrs, &t);
        rv = remote_copy(remote, made, t.item, t.count, ret);
        if (copy_refused(rv))
            rv = make_direct(managed, remote, record, ret);
    }
    (void)!remote_destroy(remote, made);
    return rv;
}

CK_RV replica_make(struct managed *managed, struct remote remote, const struct record *record,
                   CK_OBJECT_HANDLE *ret)
{
    if (record->wrap == WRAP_PINNED)
        return RV_NOT_HERE;
    struct record view = *record;
    CK_RV rv = naming_settle(managed, remote, &view);
    if (rv == CKR_OK)
        rv = make(managed, remote, &view, ret);
    if (rv == CKR_KEY_CHANGED) {
        char uuid[37];
        uuid_text(record->uuid, uuid);
        log_event(LOG_ERROR, "proof-failed", "group=%s member=%s record=%s", managed->group->config->name,
                  remote.member->config->name, uuid);
    }
    return rv;
}

CK_RV replica_rehearse(struct managed *managed, struct remote remote, const struct record *record,
                       CK_OBJECT_HANDLE *ret)
{
    CK_RV rv = session_object(managed, remote, record, ret);
    if (rv != CKR_OK)
        return rv;
    rv = proof_check(remote, *ret, record);
    if (rv != CKR_OK)
        (void)!remote_destroy(remote, *ret);
    return rv;
}

CK_RV replica_ensure(struct managed *managed, struct remote remote, const struct record *record,
                     struct object *object, CK_OBJECT_HANDLE *ret)
{
    CK_RV rv = replica_find(managed, remote, record, object, ret);
    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return replica_make(managed, remote, record, ret);
    if (rv != CKR_OK || record->version <= 1)
        return rv;
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *types =
        attrs_of_class(attrs_ulong(&record->attrs, CKA_CLASS, CKO_DATA),
                       attrs_ulong(&record->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION), &count);
    struct attrs there = {0};
    struct record view = *record;
    rv = naming_settle(managed, remote, &view);
    if (rv == CKR_OK)
        rv = remote_get(remote, *ret, types, count, &there);
    struct template t = {.count = 0};
    if (rv == CKR_OK)
        template_changes(&record->attrs, &there, &t);
    naming_apply(&view, t.item, t.count, t.count);
    if (rv == CKR_OK && t.count > 0)
        rv = remote_set(remote, *ret, t.item, t.count);
    attrs_free(&there);
    return rv;
}

/* All of that name but so many. */
static CK_RV remove_named(struct remote remote, const struct record *record, size_t but)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    CK_OBJECT_HANDLE found[CANDIDATES];
    size_t count = identity_template(&record->attrs, templ), seen = 0;
    count = naming_apply(record, templ, count, IDENTITY_MAX);
    CK_RV rv = remote_find(remote, templ, count, found, CANDIDATES, &seen);
    for (size_t i = but; rv == CKR_OK && i < seen; i++) {
        rv = remote_destroy(remote, found[i]);
        if (rv == CKR_OBJECT_HANDLE_INVALID)
            rv = CKR_OK;
    }
    return rv;
}

CK_RV replica_remove(struct managed *managed, struct remote remote, const struct record *record, size_t twins)
{
    if (has_key(record)) {
        CK_OBJECT_HANDLE handle;
        CK_RV rv = replica_find(managed, remote, record, NULL, &handle);
        while (rv == CKR_OK) {
            rv = remote_destroy(remote, handle);
            if (rv == CKR_OK || rv == CKR_OBJECT_HANDLE_INVALID)
                rv = replica_find(managed, remote, record, NULL, &handle);
        }
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
    }
    struct record plain = *record;
    plain.flags &= ~(unsigned)RECORD_OWN_ID;
    CK_RV rv = plain.flags != record->flags ? remove_named(remote, record, 0) : CKR_OK;
    return rv == CKR_OK ? remove_named(remote, &plain, twins) : rv;
}

static CK_RV resolve_token(struct managed *managed, struct object *object, struct remote remote,
                           CK_OBJECT_HANDLE *ret)
{
    struct record record = {0};
    CK_RV rv = managed_record(managed, &remote, object, remote.deadline, &record);
    if (rv != CKR_OK)
        return rv;
    uint32_t epoch = member_epoch(remote.member);
    /* Another process is just making it there, and two would make two. It is on other members by now. */
    bool destroyed = false, elsewhere = catchup_elsewhere(managed, remote.member, record.seq);
    rv = elsewhere || record.wrap == WRAP_PINNED ? replica_find(managed, remote, &record, object, ret)
                                                 : replica_ensure(managed, remote, &record, object, ret);
    if (elsewhere && rv == CKR_OBJECT_HANDLE_INVALID)
        rv = RV_NOT_HERE;
    if (rv == CKR_OK && record.wrap != WRAP_PINNED)
        destroyed = managed_is_destroyed(managed, &record);
    record_end(&record);
    if (rv != CKR_OK)
        return rv;
    if (destroyed || atomic_load(&object->gone)) {
        (void)!remote_destroy(remote, *ret);
        return RV_GONE;
    }
    object_set_replica(object, remote.member->index, epoch, *ret);
    return CKR_OK;
}

CK_RV replica_resolve(struct managed *managed, struct object *object, struct member *member,
                      uint64_t deadline, CK_OBJECT_HANDLE *ret)
{
    struct remote remote = remote_to(member, deadline);
    if (keyring_owns(&managed->keyring, object))
        return keyring_find(&managed->keyring, object, remote, ret);
    if (!object->token)
        return transient_resolve(managed->group, managed, object, member, deadline, ret);
    if (atomic_load(&object->gone))
        return RV_GONE;
    while (!catalog_make_begin(managed->group->catalog, object, member->index, deadline)) {
        if (object_replica(object, member->index, member_epoch(member), ret))
            return CKR_OK;
        if (clock_now() >= deadline)
            return RV_NO_TIME;
    }
    CK_RV rv = CKR_OK;
    if (!object_replica(object, member->index, member_epoch(member), ret))
        rv = resolve_token(managed, object, remote, ret);
    catalog_make_end(managed->group->catalog, object, member->index);
    return rv;
}
