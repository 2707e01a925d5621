#include "replica/transient.h"

#include "base/clock.h"
#include "base/log.h"
#include "call/rv.h"
#include "router/route.h"

static bool is_usable(const struct member *member)
{
    return health_usable(member_state(member));
}

/* Nobody has it, and nobody can have it again: told once. */
static void tell_lost(struct group *group, struct object *object)
{
    struct recipe *recipe = recipe_of(object);
    CK_OBJECT_HANDLE real;
    for (unsigned i = 0; i < group->count; i++)
        if (is_usable(group->member[i]) && object_replica(object, i, member_epoch(group->member[i]), &real))
            return;
    if (!recipe || atomic_exchange(&recipe->told, true))
        return;
    int home = atomic_load(&object->pinned);
    log_event(LOG_WARN, "session-key-lost", "group=%s member=%s what=%s", group->config->name,
              home >= 0 ? group->member[home]->config->name : "-",
              "a session key went with the member that it was on, and cannot be made again elsewhere");
}

CK_RV transient_resolve(struct group *group, struct managed *managed, struct object *object,
                        struct member *member, uint64_t deadline, CK_OBJECT_HANDLE *ret)
{
    if (atomic_load(&object->gone))
        return RV_GONE;
    while (!catalog_make_begin(group->catalog, object, member->index, deadline)) {
        if (object_replica(object, member->index, member_epoch(member), ret))
            return CKR_OK;
        if (clock_now() >= deadline)
            return RV_NO_TIME;
    }
    CK_RV rv = CKR_OK;
    struct remote remote = remote_to(member, deadline);
    if (!object_replica(object, member->index, remote.epoch, ret)) {
        rv = recipe_make(group, managed, object, remote, ret);
        if (rv == CKR_OK && member_epoch(member) != remote.epoch) {
            /* A base object had to be looked for anew: it was made in the epoch that began with that. */
            (void)!remote_destroy(remote_to(member, deadline), *ret);
            rv = CKR_SESSION_HANDLE_INVALID;
        }
        if (rv == CKR_OK)
            object_set_replica(object, member->index, remote.epoch, *ret);
    }
    catalog_make_end(group->catalog, object, member->index);
    if (rv == RV_NOT_HERE)
        tell_lost(group, object);
    if (rv != CKR_OK || !atomic_load(&object->gone))
        return rv;
    /* Whoever destroyed it may have passed this member by. */
    transient_remove(object, member, deadline);
    return RV_GONE;
}

CK_RV transient_add(struct group *group, const struct made *made, struct attrs *attrs, struct recipe *recipe,
                    CK_OBJECT_HANDLE *ret, struct object **ret_object)
{
    AUTO(recipe_free) struct recipe *own = recipe;
    AUTO(object_unref) struct object *object = own ? object_new(group->count) : NULL;
    if (!object)
        return CKR_HOST_MEMORY;
    object_set_attrs(object, attrs);
    object->session = made->session;
    object->partial = made->partial;
    if (atomic_load(&own->sort) == RECIPE_NONE)
        object->pinned = (int)made->member->index;
    recipe_give(object, TAKE(own));
    object_set_replica(object, made->member->index, made->epoch, made->real);
    CK_RV rv = catalog_add(group->catalog, &object);
    if (rv != CKR_OK)
        return rv;
    *ret = object->item.handle;
    if (ret_object)
        *ret_object = TAKE(object);
    return CKR_OK;
}

void transient_remove(struct object *object, struct member *member, uint64_t deadline)
{
    struct remote remote = remote_to(member, deadline);
    CK_OBJECT_HANDLE real;
    if (object_take_replica(object, member->index, remote.epoch, &real) && is_usable(member))
        (void)!remote_destroy(remote, real);
}

void transient_destroy(struct group *group, struct object *object)
{
    catalog_remove(group->catalog, object);
    /* It is being wrapped: who does that removes it. */
    struct recipe *recipe = recipe_of(object);
    if (object->original || (recipe && atomic_load(&recipe->rescuing)))
        return;
    uint64_t deadline = clock_after(group->config->call_timeout);
    for (unsigned i = 0; i < group->count; i++)
        transient_remove(object, group->member[i], deadline);
}

static struct frame *set_frame(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    struct frame *frame = frame_new(VERB_SET_ATTRIBUTES, frame_room_templ(templ, count), 0);
    if (frame)
        frame_set_templ(frame, 0, templ, count);
    return frame;
}

/* The true answer is one member's; a replica elsewhere that does not follow is made anew when it is needed.
 */
static CK_RV set_everywhere(struct group *group, struct object *object, const CK_ATTRIBUTE *templ,
                            CK_ULONG count)
{
    struct route route;
    struct frame *frame = set_frame(templ, count);
    if (!frame)
        return CKR_HOST_MEMORY;
    route_init(&route, frame, WORK_OBJECT, clock_after(group->config->call_timeout));
    route.key[0] = object;
    CK_RV rv = route_run(group, &route);
    frame_unref(route.frame);
    for (unsigned i = 0; rv == CKR_OK && i < group->count; i++) {
        struct remote remote = remote_to(group->member[i], route.deadline);
        CK_OBJECT_HANDLE real;
        if (group->member[i] != route.member && is_usable(remote.member) &&
            object_replica(object, i, remote.epoch, &real) &&
            remote_set(remote, real, templ, count) != CKR_OK)
            transient_remove(object, remote.member, route.deadline);
    }
    return rv;
}

CK_RV transient_set(struct group *group, struct object *object, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    struct object *base = object_base(object);
    CK_RV rv = set_everywhere(group, object, templ, count);
    return rv == CKR_OK ? recipe_note_change(recipe_of(base), templ, count) : rv;
}

static CK_RV read_all(struct remote remote, CK_OBJECT_HANDLE real, struct attrs *ret)
{
    static const CK_ATTRIBUTE_TYPE kind[] = {CKA_CLASS, CKA_KEY_TYPE};
    CK_RV rv = remote_get(remote, real, kind, ARRAY_LEN(kind), ret);
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *type = attrs_of_class(attrs_ulong(ret, CKA_CLASS, CKO_SECRET_KEY),
                                                   attrs_ulong(ret, CKA_KEY_TYPE, 0), &count);
    if (rv == CKR_OK)
        rv = remote_get(remote, real, type, count, ret);
    for (size_t i = ret->count; i-- > 0;) {
        const struct attr_info *info = attr_lookup(ret->item[i].type);
        if (info && (info->flags & ATTR_SENSITIVE))
            attrs_drop(ret, ret->item[i].type);
    }
    return rv;
}

void transient_complete(struct group *group, struct object *object)
{
    uint64_t deadline = clock_after(group->config->call_timeout);
    for (unsigned i = 0; atomic_load(&object->partial) && i < group->count; i++) {
        struct remote remote = remote_to(group->member[i], deadline);
        struct attrs all = {0}, own = {0};
        CK_OBJECT_HANDLE real;
        if (is_usable(remote.member) && object_replica(object, i, remote.epoch, &real) &&
            read_all(remote, real, &all) == CKR_OK && catalog_attrs(group->catalog, object, &own) == CKR_OK &&
            attrs_copy(&all, &own) == CKR_OK) {
            catalog_learn(group->catalog, object, &all);
            atomic_store(&object->partial, false);
        }
        attrs_free(&all);
        attrs_free(&own);
    }
}

struct spread {
    struct group *group;
    struct object *base;
    uint64_t deadline;
};

static bool needs(const struct recipe *recipe, const struct object *base)
{
    for (unsigned k = 0; recipe && k < FRAME_KEYS; k++)
        if (recipe->key[k] == base)
            return true;
    return false;
}

static bool spread_one(struct object *object, void *ctx)
{
    struct spread *spread = ctx;
    struct group *group = spread->group;
    for (unsigned i = 0; needs(recipe_of(object), spread->base) && i < group->count; i++) {
        struct member *member = group->member[i];
        CK_OBJECT_HANDLE real;
        if (is_usable(member) && !object_replica(object, i, member_epoch(member), &real) &&
            clock_now() < spread->deadline)
            (void)!group->hooks.resolve(group->hooks.ctx, object, member, spread->deadline, &real);
    }
    return true;
}

void transient_spread(struct group *group, struct object *base)
{
    struct spread spread = {group, base, clock_after(group->config->call_timeout)};
    if (atomic_load(&base->descendants) > 0)
        catalog_each(group->catalog, spread_one, &spread);
}

static bool carry_one(struct object *object, void *ctx)
{
    struct group *group = ctx;
    CK_OBJECT_HANDLE real;
    for (unsigned i = 0; !object->token && !object->private && i < group->count; i++) {
        uint32_t epoch = member_epoch(group->member[i]);
        if (epoch > 1 && atomic_load(&group->member[i]->carried) == epoch &&
            object_take_replica(object, i, epoch - 1, &real))
            object_set_replica(object, i, epoch, real);
    }
    return true;
}

void transient_carry(struct group *group)
{
    if (catalog_session_objects(group->catalog) > 0)
        catalog_each(group->catalog, carry_one, group);
}
