#include "replica/store.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/rv.h"
#include "replica/change.h"
#include "replica/create.h"
#include "replica/destroy.h"
#include "replica/external.h"
#include "replica/keying.h"
#include "replica/managed.h"
#include "replica/place.h"
#include "replica/read.h"
#include "replica/template.h"
#include "replica/transient.h"
#include "router/route.h"

struct store {
    struct group *group;
    struct managed *managed; /* NULL with sync = external */
};

/* What is meant only for us becomes what the standard knows. */
static CK_RV outward(CK_RV rv)
{
    if (rv == RV_GONE)
        return CKR_OBJECT_HANDLE_INVALID;
    return rv >= RV_INSIDE && rv <= (RV_INSIDE | 0xff) ? CKR_DEVICE_ERROR : rv;
}

static uint64_t call_deadline(const struct store *store)
{
    return clock_after(store->group->config->call_timeout);
}

CK_RV store_new(const struct config_group *config, struct instances *instances, struct store **ret,
                char **ret_why)
{
    struct store *store = mem_new(1, sizeof(*store));
    if (!store)
        return CKR_HOST_MEMORY;
    CK_RV rv = group_new(config, instances, &store->group);
    struct group_hooks hooks = {.ctx = store->group, .resolve = external_resolve};
    if (rv == CKR_OK && config->sync == SYNC_MANAGED) {
        rv = managed_new(store->group, &store->managed, ret_why);
        hooks = managed_hooks(store->managed);
    }
    if (rv == CKR_OK)
        rv = group_start(store->group, &hooks);
    if (rv == CKR_OK && store->managed)
        rv = managed_start(store->managed);
    if (rv == CKR_OK) {
        *ret = store;
        return CKR_OK;
    }
    if (!store->group || store_stop(store, clock_after(config->call_timeout)))
        store_free(store);
    return rv;
}

bool store_stop(struct store *store, uint64_t deadline)
{
    bool tender = !store->managed || managed_stop(store->managed, deadline);
    return group_stop(store->group, deadline) && tender;
}

void store_settle(struct store *store, uint64_t deadline)
{
    if (store->managed)
        place_settle(store->managed, deadline);
}

void store_free(struct store *store)
{
    if (!store)
        return;
    managed_free(store->managed);
    if (store->group)
        group_free(store->group);
    mem_free(store);
}

struct group *store_group(struct store *store)
{
    return store->group;
}

struct managed *store_managed(struct store *store)
{
    return store->managed;
}

static struct frame *generate_frame(enum verb verb, const CK_MECHANISM *mech, const struct attrs *first,
                                    const struct attrs *second)
{
    size_t room = frame_room_mech(mech) + frame_room_attrs(first) + (second ? frame_room_attrs(second) : 0);
    struct frame *frame = frame_new(verb, room, 0);
    if (!frame)
        return NULL;
    frame_set_mech(frame, mech);
    frame_set_attrs(frame, 0, first);
    if (second)
        frame_set_attrs(frame, 1, second);
    return frame;
}

/* Templates as they go to a member: in a managed group of a session object that can be wrapped, else as they
 * came. */
static CK_RV member_template(const struct store *store, const CK_ATTRIBUTE *templ, CK_ULONG count, bool key,
                             struct attrs *ret)
{
    return store->managed ? template_tryout(templ, count, key, ret) : attrs_merge(ret, templ, count);
}

static CK_RV make(struct store *store, uint32_t session, struct frame *frame, enum work_class work,
                  CK_MECHANISM_TYPE mech, struct making *making, unsigned makings, uint64_t timeout,
                  CK_OBJECT_HANDLE *ret)
{
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv;
    if (store->managed) {
        struct creation creation = {.frame = frame,
                                    .work = work,
                                    .mech = mech,
                                    .making = {&making[0], makings > 1 ? &making[1] : NULL},
                                    .makings = makings,
                                    .session = session,
                                    .timeout = timeout};
        rv = create_objects(store->managed, &creation, ret);
    } else {
        struct external_making external = {.frame = frame,
                                           .work = work,
                                           .mech = mech,
                                           .token = {making[0].token, makings > 1 && making[1].token},
                                           .objects = makings,
                                           .session = session,
                                           .timeout = timeout};
        rv = external_make(store->group, &external, ret);
    }
    for (unsigned i = 0; i < makings; i++)
        making_end(&making[i]);
    return outward(rv);
}

static struct making making_of(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return (struct making){
        .asked = templ, .count = count, .token = template_bool(templ, count, CKA_TOKEN, false)};
}

CK_RV store_generate(struct store *store, uint32_t session, const CK_MECHANISM *mech,
                     const CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
    CK_RV rv = store_may_generate(store, mech->mechanism);
    struct attrs own = {0};
    if (rv == CKR_OK)
        rv = member_template(store, templ, count, true, &own);
    if (rv == CKR_OK) {
        struct making making = making_of(templ, count);
        struct frame *frame = generate_frame(VERB_GENERATE_KEY, mech, &own, NULL);
        CK_OBJECT_HANDLE made[2];
        rv = make(store, session, frame, WORK_KEYGEN, mech->mechanism, &making, 1,
                  store->group->config->keygen_timeout, made);
        if (rv == CKR_OK)
            *ret = made[0];
    }
    attrs_free(&own);
    return rv;
}

CK_RV store_generate_pair(struct store *store, uint32_t session, const CK_MECHANISM *mech,
                          const CK_ATTRIBUTE *public_templ, CK_ULONG public_count,
                          const CK_ATTRIBUTE *private_templ, CK_ULONG private_count,
                          CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    CK_RV rv = store_may_generate(store, mech->mechanism);
    struct attrs public = {0}, private = {0};
    if (rv == CKR_OK)
        rv = member_template(store, public_templ, public_count, false, &public);
    if (rv == CKR_OK)
        rv = member_template(store, private_templ, private_count, true, &private);
    if (rv == CKR_OK) {
        struct making making[2] = {making_of(public_templ, public_count),
                                   making_of(private_templ, private_count)};
        struct frame *frame = generate_frame(VERB_GENERATE_PAIR, mech, &public, &private);
        CK_OBJECT_HANDLE made[2];
        rv = make(store, session, frame, WORK_KEYGEN, mech->mechanism, making, 2,
                  store->group->config->keygen_timeout, made);
        if (rv == CKR_OK) {
            *ret_public = made[0];
            *ret_private = made[1];
        }
    }
    attrs_free(&public);
    attrs_free(&private);
    return rv;
}

CK_RV store_create(struct store *store, uint32_t session, const CK_ATTRIBUTE *templ, CK_ULONG count,
                   CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_CLASS class = template_ulong(templ, count, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
    bool key = class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY;
    struct attrs own = {0};
    CK_RV rv = member_template(store, templ, count, key, &own);
    if (rv == CKR_OK) {
        struct making making = making_of(templ, count);
        struct frame *frame = frame_new(VERB_CREATE, frame_room_attrs(&own), 0);
        CK_OBJECT_HANDLE made[2];
        if (frame)
            frame_set_attrs(frame, 0, &own);
        rv = make(store, session, frame, WORK_OBJECT, CK_UNAVAILABLE_INFORMATION, &making, 1,
                  store->group->config->call_timeout, made);
        if (rv == CKR_OK)
            *ret = made[0];
    }
    attrs_free(&own);
    return rv;
}

/* Nothing is asked but a session object: it shares the original's replicas, and no member is called. */
static bool is_plain(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (templ[i].type != CKA_TOKEN || template_bool(&templ[i], 1, CKA_TOKEN, true))
            return false;
    return true;
}

static CK_RV copy_plain(struct store *store, uint32_t session, struct object *object, CK_OBJECT_HANDLE *ret)
{
    AUTO(object_unref) struct object *copy = object_new(store->group->count);
    struct attrs attrs = {0};
    CK_RV rv = copy ? catalog_attrs(store->group->catalog, object, &attrs) : CKR_HOST_MEMORY;
    if (rv == CKR_OK)
        rv = attrs_set_bool(&attrs, CKA_TOKEN, false);
    if (rv == CKR_OK) {
        object_set_attrs(copy, &attrs);
        copy->session = session;
        copy->original = object_ref(object_base(object));
        copy->pinned = object->pinned;
        rv = catalog_add(store->group->catalog, &copy);
    }
    attrs_free(&attrs);
    if (rv == CKR_OK)
        *ret = copy->item.handle;
    return rv;
}

CK_RV store_copy(struct store *store, uint32_t session, struct object *object, const CK_ATTRIBUTE *templ,
                 CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
    bool token = template_bool(templ, count, CKA_TOKEN, object->token);
    struct attrs now = {0};
    CK_RV rv = catalog_attrs(store->group->catalog, object, &now);
    bool copyable = attrs_bool(&now, CKA_COPYABLE, true), fixed = !attrs_bool(&now, CKA_EXTRACTABLE, true);
    attrs_free(&now);
    if (rv != CKR_OK)
        return rv;
    if (!copyable)
        return CKR_ACTION_PROHIBITED;
    if (fixed && template_bool(templ, count, CKA_EXTRACTABLE, false))
        return CKR_ATTRIBUTE_READ_ONLY;
    if (object->token && !token && is_plain(templ, count))
        return copy_plain(store, session, object, ret);
    if (store->managed && token)
        return outward(change_copy(store->managed, object, templ, count, ret));
    struct keying keying = {.group = store->group,
                            .managed = store->managed,
                            .verb = VERB_COPY,
                            .key = {object},
                            .templ = templ,
                            .count = count,
                            .session = session};
    return outward(keying_make(&keying, ret));
}

/* One call on the object where it is; the answer is the member's. */
static CK_RV call_on(struct store *store, struct object *object, struct frame *frame, CK_ULONG *ret_number)
{
    if (!frame)
        return CKR_HOST_MEMORY;
    struct route route;
    route_init(&route, frame, WORK_OBJECT, call_deadline(store));
    route.key[0] = object;
    CK_RV rv = route_run(store->group, &route);
    if (rv == CKR_OK && ret_number)
        *ret_number = route.frame->number;
    frame_unref(route.frame);
    return rv;
}

/* A plain copy has no replica of its own: what only names it is kept here, what a member would have to obey
 * cannot change. */
static CK_RV may_set_plain(const struct attrs *now, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    static const CK_ATTRIBUTE_TYPE names[] = {CKA_LABEL, CKA_ID, CKA_SUBJECT};
    for (CK_ULONG i = 0; i < count; i++) {
        bool name = false;
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            name = name || templ[i].type == names[k];
        if (!name || !attrs_get(now, templ[i].type))
            return CKR_ATTRIBUTE_READ_ONLY;
    }
    return CKR_OK;
}

static CK_RV set_on_member(struct store *store, struct object *object, const CK_ATTRIBUTE *templ,
                           CK_ULONG count)
{
    struct frame *frame = frame_new(VERB_SET_ATTRIBUTES, frame_room_templ(templ, count), 0);
    if (frame)
        frame_set_templ(frame, 0, templ, count);
    return call_on(store, object, frame, NULL);
}

/* Its copies to the token, and its rescue, still want a session key extractable where it is. */
static CK_RV set_session_object(struct store *store, struct object *object, const struct attrs *now,
                                const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    struct attrs own = {0};
    CK_RV rv = attrs_merge(&own, templ, count);
    if (store->managed && attrs_get(now, CKA_EXTRACTABLE))
        attrs_drop(&own, CKA_EXTRACTABLE);
    if (rv == CKR_OK && own.count > 0)
        rv = transient_set(store->group, object, own.item, own.count);
    attrs_free(&own);
    return rv;
}

CK_RV store_set(struct store *store, struct object *object, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    if (store->managed && object->token)
        return outward(change_object(store->managed, object, templ, count));
    struct attrs attrs = {0};
    CK_RV rv = catalog_attrs(store->group->catalog, object, &attrs);
    /* A member's replica may be more open than the object is. */
    if (rv == CKR_OK && store->managed)
        rv = change_may(&attrs, templ, count);
    if (rv == CKR_OK && object->original)
        rv = may_set_plain(&attrs, templ, count);
    else if (rv == CKR_OK)
        rv = object->token ? set_on_member(store, object, templ, count)
                           : set_session_object(store, object, &attrs, templ, count);
    if (rv == CKR_OK)
        rv = attrs_merge(&attrs, templ, count);
    if (rv == CKR_OK)
        catalog_set_attrs(store->group->catalog, object, &attrs, object->seq, object->version);
    attrs_free(&attrs);
    return outward(rv);
}

CK_RV store_destroy(struct store *store, struct object *object)
{
    struct attrs attrs = {0};
    CK_RV rv = catalog_attrs(store->group->catalog, object, &attrs);
    bool destroyable = attrs_bool(&attrs, CKA_DESTROYABLE, true);
    attrs_free(&attrs);
    if (rv != CKR_OK)
        return rv;
    if (!destroyable)
        return CKR_ACTION_PROHIBITED;
    if (!object->token) {
        transient_destroy(store->group, object);
        return CKR_OK;
    }
    transient_spread(store->group, object);
    if (store->managed)
        return outward(destroy_object(store->managed, object));
    rv = call_on(store, object, frame_new(VERB_DESTROY, 0, 0), NULL);
    if (rv == CKR_OK)
        catalog_remove(store->group->catalog, object);
    return outward(rv);
}

CK_RV store_get(struct store *store, struct object *object, CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return outward(read_attributes(store->group, object, templ, count));
}

CK_RV store_size(struct store *store, struct object *object, CK_ULONG *ret)
{
    return outward(call_on(store, object, frame_new(VERB_OBJECT_SIZE, 0, 0), ret));
}

static bool complete_object(struct object *object, void *ctx)
{
    if (!object->token && atomic_load(&object->partial))
        transient_complete(ctx, object);
    return true;
}

CK_RV store_find(struct store *store, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                 CK_OBJECT_HANDLE **ret, size_t *ret_count)
{
    if (catalog_session_objects(store->group->catalog) > 0)
        catalog_each(store->group->catalog, complete_object, store->group);
    if (!store->managed)
        return outward(external_find(store->group, templ, count, logged_in, ret, ret_count));
    managed_refresh(store->managed, false);
    CK_OBJECT_HANDLE *found = NULL;
    size_t count_found = 0, kept = 0;
    CK_RV rv = catalog_find(store->group->catalog, templ, count, logged_in, &found, &count_found);
    if (rv != CKR_OK)
        return rv;
    uint64_t deadline = call_deadline(store);
    for (size_t i = 0; i < count_found; i++) {
        AUTO(object_unref) struct object *object = catalog_ref(store->group->catalog, found[i]);
        if (object && managed_verify(store->managed, object, deadline) == CKR_OK)
            found[kept++] = found[i];
    }
    *ret = found;
    *ret_count = kept;
    return CKR_OK;
}

CK_RV store_object(struct store *store, CK_OBJECT_HANDLE handle, bool logged_in, struct object **ret)
{
    AUTO(object_unref) struct object *object = catalog_ref(store->group->catalog, handle);
    if (!object || !object_visible(object, logged_in))
        return CKR_OBJECT_HANDLE_INVALID;
    if (store->managed) {
        CK_RV rv = managed_verify(store->managed, object, call_deadline(store));
        if (rv != CKR_OK)
            return outward(rv);
    }
    *ret = TAKE(object);
    return CKR_OK;
}

static bool forget_object(struct object *object, void *ctx)
{
    struct store *store = ctx;
    catalog_remove(store->group->catalog, object);
    return true;
}

CK_RV store_init_token(struct store *store, struct pin so_pin)
{
    if (store->managed) {
        log_event(
            LOG_ERROR, "token-not-initialised", "group=%s hint=%s", store->group->config->name,
            "its members carry the keys of the vault; to begin anew move the vault away, initialise the "
            "members by their own tools, and run p11ha init");
        return CKR_FUNCTION_REJECTED;
    }
    CK_RV rv = pins_init_token(store->group, so_pin);
    if (rv == CKR_OK)
        catalog_each(store->group->catalog, forget_object, store);
    return rv;
}

struct ending {
    struct store *store;
    uint32_t session; /* 0 = all */
    bool private_only;
};

/* With its session also that goes which C_DestroyObject may not touch. */
static bool end_if_of(struct object *object, void *ctx)
{
    struct ending *ending = ctx;
    bool ends = !object->token && (ending->session == 0 || object->session == ending->session) &&
                (!ending->private_only || object->private);
    if (ends)
        transient_destroy(ending->store->group, object);
    return true;
}

void store_end_session(struct store *store, uint32_t session, bool private_only)
{
    struct ending ending = {store, session, private_only};
    if (catalog_session_objects(store->group->catalog) > 0)
        catalog_each(store->group->catalog, end_if_of, &ending);
}

void store_login_changed(struct store *store, bool logged_in)
{
    if (logged_in)
        return;
    struct ending ending = {store, 0, true};
    catalog_each(store->group->catalog, end_if_of, &ending);
    transient_carry(store->group);
}
