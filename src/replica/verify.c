#include "replica/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "call/rv.h"
#include "catalog/identity.h"
#include "replica/catchup.h"
#include "replica/replica.h"
#include "replica/seal.h"

#define HANDLES_FIRST 4096
#define HANDLES_MOST  (1u << 22)

/* What is known of the vault: records whose seals are right, and those that were refused (state 0). */
struct shelf {
    struct record *record;
    size_t count, cap;
    struct verify *verify;
    CK_RV rv;
};

/* Handles on one member: all that are there, and those that belong to a record. */
struct handles {
    CK_OBJECT_HANDLE *item;
    size_t count, cap;
};

const char *verify_finding_name(enum verify_finding finding)
{
    static const char *const names[VERIFY_FINDINGS] = {[VERIFY_REFUSED] = "refused",
                                                       [VERIFY_MISSING] = "missing",
                                                       [VERIFY_WRONG] = "wrong",
                                                       [VERIFY_DESTROYED] = "destroyed",
                                                       [VERIFY_SUPERFLUOUS] = "superfluous",
                                                       [VERIFY_UNPROVED] = "unproved"};
    return names[finding];
}

static uint64_t call_deadline(const struct verify *verify)
{
    return clock_after(verify->managed->group->config->call_timeout);
}

static bool shelve(struct shelf *shelf, const struct record *record)
{
    if (shelf->count == shelf->cap) {
        size_t cap = shelf->cap ? shelf->cap * 2 : 256;
        struct record *bigger = mem_resize(shelf->record, cap, sizeof(*bigger));
        if (!bigger)
            return false;
        shelf->record = bigger;
        shelf->cap = cap;
    }
    if (record_copy(&shelf->record[shelf->count], record) != 0)
        return false;
    shelf->count++;
    return true;
}

static bool check_record(const struct record *record, void *ctx)
{
    struct shelf *shelf = ctx;
    struct verify *verify = shelf->verify;
    CK_RV rv = seal_check(verify->managed, NULL, record, call_deadline(verify));
    if (rv == RV_GONE) {
        struct verify_report report = {
            .finding = VERIFY_REFUSED, .uuid = record->uuid, .attrs = &record->attrs, .rv = rv};
        verify->report(verify->ctx, &report);
    } else if (rv != CKR_OK) {
        shelf->rv = rv;
        return false;
    } else {
        verify->records += record->state == RECORD_LIVE;
    }
    /* Of a purged object, or one that cannot be decoded, nothing is left to know it by. */
    if (record->state == RECORD_PURGED || record->state == 0)
        return true;
    if (shelve(shelf, record)) {
        if (rv == RV_GONE)
            shelf->record[shelf->count - 1].state = 0;
        return true;
    }
    shelf->rv = CKR_HOST_MEMORY;
    return false;
}

static int by_value(const void *a, const void *b)
{
    CK_OBJECT_HANDLE x = *(const CK_OBJECT_HANDLE *)a, y = *(const CK_OBJECT_HANDLE *)b;
    return (x > y) - (x < y);
}

static CK_RV handles_add(struct handles *handles, CK_OBJECT_HANDLE handle)
{
    if (handles->count == handles->cap) {
        size_t cap = handles->cap ? handles->cap * 2 : 256;
        CK_OBJECT_HANDLE *bigger = mem_resize(handles->item, cap, sizeof(*bigger));
        if (!bigger)
            return CKR_HOST_MEMORY;
        handles->item = bigger;
        handles->cap = cap;
    }
    handles->item[handles->count++] = handle;
    return CKR_OK;
}

static bool handles_have(const struct handles *handles, CK_OBJECT_HANDLE handle)
{
    return handles->count && bsearch(&handle, handles->item, handles->count, sizeof(handle), by_value);
}

static CK_RV handles_find(struct remote remote, const CK_ATTRIBUTE *templ, size_t count, struct handles *ret)
{
    for (size_t room = HANDLES_FIRST; room <= HANDLES_MOST; room *= 4) {
        mem_free(ret->item);
        *ret = (struct handles){.item = mem_new(room, sizeof(*ret->item)), .cap = room};
        if (!ret->item)
            return CKR_HOST_MEMORY;
        CK_RV rv = remote_find(remote, templ, count, ret->item, room, &ret->count);
        if (rv != CKR_BUFFER_TOO_SMALL)
            return rv;
    }
    return CKR_DEVICE_MEMORY;
}

struct sweep {
    struct verify *verify;
    struct member *member;
    const struct shelf *shelf;
    struct handles known; /* sorted before it is searched */
    size_t *lost;         /* live records without a replica, by their place on the shelf */
    size_t lost_count;
};

static struct remote remote_of(const struct sweep *sweep)
{
    return remote_to(sweep->member, call_deadline(sweep->verify));
}

static void report(const struct sweep *sweep, enum verify_finding finding, const struct record *record,
                   bool repaired, CK_RV rv)
{
    struct verify_report own = {.finding = finding,
                                .member = sweep->member,
                                .uuid = record->uuid,
                                .attrs = &record->attrs,
                                .repaired = repaired,
                                .rv = rv};
    sweep->verify->report(sweep->verify->ctx, &own);
}

static bool lives_elsewhere(const struct sweep *sweep, const struct record *record)
{
    return record->wrap == WRAP_PINNED && strcmp(record->pinned_member, sweep->member->config->name) != 0;
}

static CK_RV find_live(struct sweep *sweep, size_t place)
{
    const struct record *record = &sweep->shelf->record[place];
    struct verify *verify = sweep->verify;
    AUTO(object_unref) struct object *object = catalog_by_uuid(verify->managed->group->catalog, record->uuid);
    CK_OBJECT_HANDLE handle;
    CK_RV rv = replica_find(verify->managed, remote_of(sweep), record, object, &handle);
    if (rv == CKR_OBJECT_HANDLE_INVALID) {
        sweep->lost[sweep->lost_count++] = place;
        return CKR_OK;
    }
    if (rv != CKR_OK) {
        report(sweep, VERIFY_UNPROVED, record, false, rv);
        return health_usable(member_state(sweep->member)) ? CKR_OK : rv;
    }
    verify->proved++;
    return handles_add(&sweep->known, handle);
}

/* Tombstones of keys; other objects are known by nothing but what a newer twin may have too. */
static CK_RV find_destroyed(struct sweep *sweep, const struct record *record)
{
    struct verify *verify = sweep->verify;
    CK_OBJECT_HANDLE handle;
    if (record->wrap == WRAP_NONE || record->wrap == WRAP_PINNED)
        return CKR_OK;
    CK_RV rv = replica_find(verify->managed, remote_of(sweep), record, NULL, &handle);
    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return CKR_OK;
    if (rv == CKR_OK)
        rv = handles_add(&sweep->known, handle);
    if (rv != CKR_OK)
        return rv;
    CK_RV done = verify->repair ? catchup_apply(verify->managed, remote_of(sweep), record) : CKR_OK;
    report(sweep, VERIFY_DESTROYED, record, verify->repair && done == CKR_OK, done);
    return CKR_OK;
}

/* What has a refused record's name may well be its object: it is told of once, as refused. */
static CK_RV find_refused(struct sweep *sweep, const struct record *record)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    struct handles found = {0};
    CK_RV rv = handles_find(remote_of(sweep), templ, identity_template(&record->attrs, templ), &found);
    for (size_t i = 0; rv == CKR_OK && i < found.count; i++)
        rv = handles_add(&sweep->known, found.item[i]);
    mem_free(found.item);
    return rv;
}

/* Something of the record's name that belongs to no record: it is there, and not what it should be. */
static CK_RV has_impostor(struct sweep *sweep, const struct record *record, bool *ret)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    struct handles found = {0};
    CK_RV rv = handles_find(remote_of(sweep), templ, identity_template(&record->attrs, templ), &found);
    *ret = false;
    for (size_t i = 0; rv == CKR_OK && i < found.count; i++)
        *ret = *ret || !handles_have(&sweep->known, found.item[i]);
    mem_free(found.item);
    return rv;
}

static CK_RV judge_lost(struct sweep *sweep)
{
    struct verify *verify = sweep->verify;
    for (size_t i = 0; i < sweep->lost_count; i++) {
        const struct record *record = &sweep->shelf->record[sweep->lost[i]];
        bool impostor = false;
        CK_RV rv = has_impostor(sweep, record, &impostor);
        if (rv != CKR_OK)
            return rv;
        bool repair = verify->repair && !impostor && record->wrap != WRAP_PINNED;
        CK_RV done = repair ? catchup_apply(verify->managed, remote_of(sweep), record) : CKR_OK;
        report(sweep, impostor ? VERIFY_WRONG : VERIFY_MISSING, record, repair && done == CKR_OK, done);
    }
    return CKR_OK;
}

static CK_RV report_stranger(struct sweep *sweep, CK_OBJECT_HANDLE handle)
{
    static const CK_ATTRIBUTE_TYPE type[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL, CKA_ID};
    struct attrs attrs = {0};
    CK_RV rv = remote_get(remote_of(sweep), handle, type, ARRAY_LEN(type), &attrs);
    /* Gone meanwhile, or one of the group's own keys. */
    if (rv == CKR_OK && !keyring_is_hidden(&attrs)) {
        struct verify_report own = {.finding = VERIFY_SUPERFLUOUS, .member = sweep->member, .attrs = &attrs};
        sweep->verify->report(sweep->verify->ctx, &own);
    }
    attrs_free(&attrs);
    return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

static CK_RV find_strangers(struct sweep *sweep, const struct handles *there)
{
    CK_RV rv = CKR_OK;
    for (size_t i = 0; rv == CKR_OK && i < there->count; i++)
        if (!handles_have(&sweep->known, there->item[i]))
            rv = report_stranger(sweep, there->item[i]);
    return rv;
}

static CK_RV sweep_records(struct sweep *sweep)
{
    struct verify *verify = sweep->verify;
    const struct shelf *shelf = sweep->shelf;
    for (size_t i = 0; i < shelf->count; i++) {
        const struct record *record = &shelf->record[i];
        CK_RV rv = CKR_OK;
        if (record->state == 0)
            rv = find_refused(sweep, record);
        else if (record->state == RECORD_DELETED)
            rv = find_destroyed(sweep, record);
        else if (!lives_elsewhere(sweep, record))
            rv = find_live(sweep, i);
        if (rv != CKR_OK)
            return rv;
        if (verify->progress)
            verify->progress(verify->ctx, sweep->member, i + 1, shelf->count);
    }
    return CKR_OK;
}

static CK_RV sweep_member(struct verify *verify, struct member *member, const struct shelf *shelf)
{
    struct sweep sweep = {.verify = verify, .member = member, .shelf = shelf};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE token = {CKA_TOKEN, &yes, sizeof(yes)};
    struct handles there = {0};
    sweep.lost = mem_new(shelf->count + 1, sizeof(*sweep.lost));
    /* Listed first: what is made from now on is nobody's stranger. */
    CK_RV rv = sweep.lost ? handles_find(remote_of(&sweep), &token, 1, &there) : CKR_HOST_MEMORY;
    if (rv == CKR_OK)
        rv = sweep_records(&sweep);
    if (sweep.known.count)
        qsort(sweep.known.item, sweep.known.count, sizeof(*sweep.known.item), by_value);
    if (rv == CKR_OK)
        rv = judge_lost(&sweep);
    if (rv == CKR_OK)
        rv = find_strangers(&sweep, &there);
    mem_free(there.item);
    mem_free(sweep.known.item);
    mem_free(sweep.lost);
    return rv;
}

CK_RV verify_run(struct verify *verify)
{
    struct managed *managed = verify->managed;
    struct shelf shelf = {.verify = verify, .rv = CKR_OK};
    verify->records = verify->proved = 0;
    int r = vault_each(managed->vault, 0, check_record, &shelf);
    CK_RV rv = shelf.rv != CKR_OK ? shelf.rv : r != 0 ? CKR_DEVICE_ERROR : CKR_OK;
    for (unsigned i = 0; rv == CKR_OK && i < managed->group->count; i++) {
        struct member *member = managed->group->member[i];
        if ((verify->only && verify->only != member) || !health_usable(member_state(member)))
            continue;
        CK_RV said = sweep_member(verify, member, &shelf);
        if (said != CKR_OK) {
            struct verify_report report = {.finding = VERIFY_UNPROVED, .member = member, .rv = said};
            verify->report(verify->ctx, &report);
        }
    }
    for (size_t i = 0; i < shelf.count; i++)
        record_end(&shelf.record[i]);
    mem_free(shelf.record);
    return rv;
}
