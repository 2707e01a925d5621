#include "replica/change.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/clock.h"
#include "call/rv.h"
#include "replica/create.h"
#include "replica/place.h"
#include "replica/recipe.h"
#include "replica/seal.h"
#include "replica/template.h"
#include "router/route.h"

static CK_RV set_on_one(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ,
                        CK_ULONG count, uint64_t deadline, struct remote *ret_remote,
                        CK_OBJECT_HANDLE *ret_handle)
{
    struct frame *frame = frame_new(VERB_SET_ATTRIBUTES, frame_room_templ(templ, count), 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_templ(frame, 0, templ, count);
    struct route route;
    route_init(&route, frame, WORK_OBJECT, deadline);
    route.key[0] = object;
    CK_RV rv = route_run(managed->group, &route);
    if (rv == CKR_OK) {
        *ret_remote = (struct remote){route.member, deadline, route.epoch};
        *ret_handle = route.frame->key[0];
    }
    frame_unref(route.frame);
    return rv;
}

/* What is there now is what was asked for. */
static CK_RV read_back(struct remote remote, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *templ,
                       CK_ULONG count)
{
    struct attrs there = {0};
    CK_RV rv = CKR_OK;
    for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
        rv = remote_get(remote, handle, &templ[i].type, 1, &there);
        if (rv == CKR_OK && attrs_get(&there, templ[i].type) && !attrs_match(&there, &templ[i], 1))
            rv = CKR_DEVICE_ERROR;
    }
    attrs_free(&there);
    return rv;
}

CK_RV change_may(const struct attrs *now, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    static const CK_ATTRIBUTE_TYPE fixed_here[] = {CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE, CKA_TOKEN,
                                                   CKA_PRIVATE};
    if (!attrs_bool(now, CKA_MODIFIABLE, true))
        return CKR_ACTION_PROHIBITED;
    if (template_nests(templ, count))
        return CKR_ATTRIBUTE_TYPE_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(fixed_here); i++)
        if (template_get(templ, count, fixed_here[i]))
            return CKR_ATTRIBUTE_READ_ONLY;
    if (template_bool(templ, count, CKA_EXTRACTABLE, false) && !attrs_bool(now, CKA_EXTRACTABLE, true))
        return CKR_ATTRIBUTE_READ_ONLY;
    return CKR_OK;
}

/* The change is not in the vault: the one member that has it must not differ. What goes one way only leaves
 * it stricter than the others, which harms nobody. */
static void put_back(struct remote remote, CK_OBJECT_HANDLE handle, const struct attrs *own,
                     const struct attrs *now)
{
    struct attrs old = {0};
    bool complete = true;
    for (size_t i = 0; i < own->count; i++) {
        const CK_ATTRIBUTE *was = attrs_get(now, own->item[i].type);
        complete = complete && was && attrs_merge(&old, was, 1) == CKR_OK;
    }
    if (complete)
        (void)!remote_set(remote, handle, old.item, old.count);
    attrs_free(&old);
}

/* What the first member is told of it. Of a CKA_ID that another key has each hears for itself (naming.h). */
static CK_RV own_part(struct managed *managed, struct object *object, const struct attrs *now,
                      const CK_ATTRIBUTE *templ, CK_ULONG count, struct attrs *ret, bool *ret_own_id)
{
    struct attrs then = {0};
    CK_RV rv = attrs_merge(ret, templ, count);
    *ret_own_id = atomic_load(&object->own_id);
    if (rv != CKR_OK || !attrs_get(ret, CKA_ID))
        return rv;
    managed_refresh(managed, false);
    rv = attrs_copy(&then, now);
    if (rv == CKR_OK)
        rv = attrs_merge(&then, templ, count);
    if (rv == CKR_OK && catalog_id_is_taken(managed->group->catalog, &then, object))
        *ret_own_id = true;
    if (*ret_own_id)
        attrs_drop(ret, CKA_ID);
    attrs_free(&then);
    return rv;
}

CK_RV change_object(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    uint64_t deadline = clock_after(managed->group->config->call_timeout);
    struct attrs own = {0}, now = {0};
    struct remote remote;
    CK_OBJECT_HANDLE handle;
    bool own_id = false;
    CK_RV rv = catalog_attrs(managed->group->catalog, object, &now);
    if (rv == CKR_OK)
        rv = change_may(&now, templ, count);
    if (rv == CKR_OK)
        rv = own_part(managed, object, &now, templ, count, &own, &own_id);
    if (rv == CKR_OK && own.count > 0)
        rv = set_on_one(managed, object, own.item, own.count, deadline, &remote, &handle);
    bool set = rv == CKR_OK && own.count > 0;
    if (set)
        rv = read_back(remote, handle, own.item, own.count);
    while (rv == CKR_OK) {
        struct record record = {0};
        struct attrs attrs = {0};
        rv = managed_record(managed, NULL, object, deadline, &record);
        if (rv == CKR_OK)
            rv = attrs_merge(&record.attrs, templ, count);
        if (rv == CKR_OK)
            rv = attrs_copy(&attrs, &record.attrs);
        record.version++;
        if (own_id)
            record.flags |= RECORD_OWN_ID;
        if (rv == CKR_OK)
            rv = seal_write(managed, &record, deadline);
        if (rv == CKR_OK) {
            catalog_set_attrs(managed->group->catalog, object, &attrs, record.seq, record.version);
            atomic_store(&object->own_id, own_id);
            /* Durable, so it is true even if too few members can be told in time: the others follow. */
            (void)!place_record(managed, &record, object, managed->group->config->min_copies, deadline);
            break;
        }
        attrs_free(&attrs);
        record_end(&record);
        if (rv == RV_GONE && clock_now() < deadline && !atomic_load(&object->gone))
            rv = CKR_OK; /* changed by another process meanwhile: once more on top of that */
    }
    if (set && rv != CKR_OK && rv != RV_GONE)
        put_back(
            (struct remote){remote.member, clock_after(managed->group->config->call_timeout), remote.epoch},
            handle, &own, &now);
    attrs_free(&own);
    attrs_free(&now);
    return rv;
}

/* Another object of the same key: the record of that becomes its own. */
static CK_RV new_record(struct making *making)
{
    if (RAND_bytes(making->record.uuid, UUID_LEN) != 1)
        return CKR_FUNCTION_FAILED;
    making->record.version = 1;
    making->record.created = clock_wall();
    attrs_free(&making->record.attrs);
    return attrs_copy(&making->record.attrs, &making->attrs);
}

static CK_RV copy_record(struct managed *managed, struct object *object, struct making *making,
                         uint64_t deadline)
{
    struct record source = {0};
    CK_RV rv = managed_record(managed, NULL, object, deadline, &source);
    if (rv == CKR_OK && record_copy(&making->record, &source) != 0)
        rv = CKR_HOST_MEMORY;
    record_end(&source);
    return rv == CKR_OK ? new_record(making) : rv;
}

/* The new object's attributes: the source's, with what was asked. */
static CK_RV copy_attrs(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ,
                        CK_ULONG count, struct attrs *ret)
{
    CK_RV rv = catalog_attrs(managed->group->catalog, object, ret);
    if (rv == CKR_OK)
        rv = attrs_merge(ret, templ, count);
    return rv == CKR_OK ? attrs_set_bool(ret, CKA_TOKEN, true) : rv;
}

static CK_RV inherit(struct managed *managed, struct object *object, struct attrs *into)
{
    static const CK_ATTRIBUTE_TYPE inherited[] = {CKA_EXTRACTABLE, CKA_NEVER_EXTRACTABLE, CKA_COPYABLE,
                                                  CKA_DESTROYABLE, CKA_MODIFIABLE,        CKA_VALUE_LEN,
                                                  CKA_PRIVATE};
    struct attrs from = {0};
    CK_RV rv = catalog_attrs(managed->group->catalog, object, &from);
    for (size_t i = 0; i < ARRAY_LEN(inherited) && rv == CKR_OK; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(&from, inherited[i]);
        if (attr && !attrs_get(into, inherited[i]))
            rv = attrs_set(into, attr->type, attr->pValue, attr->ulValueLen);
    }
    attrs_free(&from);
    return rv;
}

/* Copies of session copies: what it all began with. */
static struct object *root_of(struct object *object)
{
    struct object *root = object_base(object);
    struct recipe *recipe = recipe_of(root);
    while (recipe && atomic_load(&recipe->sort) == RECIPE_CALL && recipe->call->verb == VERB_COPY) {
        root = recipe->key[0];
        recipe = recipe_of(root);
    }
    return root;
}

/* The record of a copy of a session object: its key as it was wrapped once, or wrapped now. `real` is a
 * session copy of it on the member, extractable or not. */
static CK_RV describe_copy(struct managed *managed, struct remote remote, struct object *object,
                           struct object *root, struct making *making)
{
    struct recipe *recipe = recipe_of(root);
    struct attrs attrs = {0};
    if (recipe && atomic_load(&recipe->sort) == RECIPE_RECORD) {
        CK_RV rv = copy_attrs(managed, object, making->asked, making->count, &making->attrs);
        if (rv == CKR_OK && record_copy(&making->record, &recipe->record) != 0)
            rv = CKR_HOST_MEMORY;
        return rv == CKR_OK ? new_record(making) : rv;
    }
    /* Of a private key that was unwrapped or derived it is not known yet. */
    const struct attrs *public_attrs = recipe && recipe->public_part.count ? &recipe->public_part : NULL;
    CK_RV rv = making_describe(managed, remote, making, public_attrs);
    CK_OBJECT_HANDLE real;
    if (rv != CKR_KEY_UNEXTRACTABLE || recipe_make_extractable(managed, root, remote, &real) != CKR_OK)
        return rv;
    (void)!remote_destroy(remote, making->real);
    making->real = real;
    making_end(making);
    rv = making_describe(managed, remote, making, public_attrs);
    /* As the application sees it the key stays what it was. */
    if (rv == CKR_OK)
        rv = copy_attrs(managed, object, making->asked, making->count, &attrs);
    if (rv == CKR_OK)
        rv = attrs_copy(&making->attrs, &attrs);
    attrs_free(&attrs);
    attrs_free(&making->record.attrs);
    return rv == CKR_OK ? attrs_copy(&making->record.attrs, &making->attrs) : rv;
}

/* The same, with what is kept here of the source unless the template says it. */
static CK_RV describe_session_copy(struct managed *managed, struct remote remote, struct object *object,
                                   struct making *making)
{
    struct attrs wanted = {0};
    CK_RV rv = attrs_merge(&wanted, making->asked, making->count);
    if (rv == CKR_OK)
        rv = inherit(managed, object, &wanted);
    making->asked = wanted.item;
    making->count = wanted.count;
    if (rv == CKR_OK)
        rv = describe_copy(managed, remote, object, root_of(object), making);
    making->asked = NULL;
    making->count = 0;
    attrs_free(&wanted);
    return rv;
}

CK_RV change_copy(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ, CK_ULONG count,
                  CK_OBJECT_HANDLE *ret)
{
    uint64_t deadline = clock_after(managed->group->config->call_timeout);
    struct attrs asked = {0};
    CK_RV rv = template_tryout(templ, count, false, &asked);
    struct frame *frame = rv == CKR_OK ? frame_new(VERB_COPY, frame_room_attrs(&asked), 0) : NULL;
    if (!frame) {
        attrs_free(&asked);
        return rv == CKR_OK ? CKR_HOST_MEMORY : rv;
    }
    frame_set_attrs(frame, 0, &asked);
    attrs_free(&asked);
    struct route route;
    route_init(&route, frame, WORK_OBJECT, deadline);
    route.key[0] = object;
    route.kept = true;
    rv = route_run(managed->group, &route);
    struct making making = {.asked = templ, .count = count, .token = true, .real = route.frame->made[0]};
    frame_unref(route.frame);
    if (rv != CKR_OK)
        return rv;
    struct remote remote = {route.member, deadline, route.epoch};
    struct object *root = root_of(object);
    if (root->token) {
        rv = copy_attrs(managed, object, templ, count, &making.attrs);
        if (rv == CKR_OK)
            rv = copy_record(managed, root, &making, deadline);
    } else {
        rv = describe_session_copy(managed, remote, object, &making);
    }
    (void)!remote_destroy(remote, making.real);
    if (rv == CKR_OK)
        rv = making_place(managed, &making, 0, ret);
    making_end(&making);
    return rv;
}
