#include "replica/external.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/rv.h"
#include "catalog/identity.h"
#include "member/signon.h"
#include "replica/create.h"
#include "replica/keyring.h"
#include "replica/proof.h"
#include "replica/public.h"
#include "replica/remote.h"
#include "replica/transient.h"
#include "router/route.h"

#define CANDIDATES 64
#define FIND_ROOM  256

/* The public half of a private key: the public key object with its CKA_ID, if this application has seen it.
 */
static bool find_public(struct group *group, const struct attrs *attrs, struct attrs *ret)
{
    const CK_ATTRIBUTE *id = attrs_get(attrs, CKA_ID);
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_OBJECT_HANDLE *found = NULL;
    size_t count = 0;
    if (!id || id->ulValueLen == 0)
        return false;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)}, *id};
    bool good = false;
    if (catalog_find(group->catalog, templ, ARRAY_LEN(templ), true, &found, &count) == CKR_OK && count == 1) {
        AUTO(object_unref) struct object *object = catalog_ref(group->catalog, found[0]);
        struct attrs public_attrs = {0};
        good = object && catalog_attrs(group->catalog, object, &public_attrs) == CKR_OK &&
               public_part(&public_attrs, ret) == CKR_OK;
        attrs_free(&public_attrs);
    }
    mem_free(found);
    return good;
}

/* What the key is known by, taken from a member that has it already. */
static CK_RV reference_proof(struct group *group, struct object *object, uint64_t deadline,
                             struct record *record)
{
    CK_RV rv = catalog_attrs(group->catalog, object, &record->attrs);
    if (rv == CKR_OK && object->class == CKO_PRIVATE_KEY &&
        !find_public(group, &record->attrs, &record->public_part))
        return RV_NOT_HERE;
    CK_RV said = RV_NOT_HERE;
    for (unsigned i = 0; rv == CKR_OK && i < group->count && said != CKR_OK; i++) {
        struct remote remote = remote_to(group->member[i], deadline);
        CK_OBJECT_HANDLE handle;
        if (health_usable(member_state(remote.member)) &&
            object_replica(object, i, member_epoch(remote.member), &handle))
            said = proof_make(remote, handle, record);
    }
    return rv == CKR_OK ? said : rv;
}

static CK_RV decide(struct group *group, struct object *object, struct remote remote,
                    const CK_OBJECT_HANDLE *found, size_t count, CK_OBJECT_HANDLE *ret)
{
    struct record record = {0};
    CK_RV rv = reference_proof(group, object, remote.deadline, &record);
    CK_RV said = RV_NOT_HERE;
    for (size_t i = 0; rv == CKR_OK && i < count && said != CKR_OK; i++) {
        said = proof_check(remote, found[i], &record);
        if (said == CKR_OK)
            *ret = found[i];
    }
    record_end(&record);
    return rv == CKR_OK ? said : rv;
}

/* A store that has gone is told from an empty one: it has shown objects in this epoch, and now shows none at
 * all. */
static void check_sight(struct member *member, uint64_t deadline)
{
    uint32_t epoch = member_epoch(member);
    uint64_t generation = signon_generation(member->signon);
    CK_OBJECT_HANDLE any;
    size_t count = 0;
    /* Logged out, it rightly shows no private ones. */
    if (generation != 0 && atomic_load(&member->shown) == epoch &&
        remote_find(remote_to(member, deadline), NULL, 0, &any, 1, &count) == CKR_OK && count == 0 &&
        epoch == member_epoch(member) && generation == signon_generation(member->signon))
        member_event(member, HEALTH_TRANSPORT, RV_MISFIT);
}

static void note_shown(struct object *object, struct member *member, uint32_t epoch, CK_OBJECT_HANDLE handle)
{
    object_set_replica(object, member->index, epoch, handle);
    atomic_store(&member->shown, epoch);
}

CK_RV external_resolve(void *ctx, struct object *object, struct member *member, uint64_t deadline,
                       CK_OBJECT_HANDLE *ret)
{
    struct group *group = ctx;
    struct remote remote = remote_to(member, deadline);
    if (!object->token)
        return transient_resolve(group, NULL, object, member, deadline, ret);
    if (atomic_load(&object->gone))
        return RV_GONE;
    struct attrs attrs = {0};
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    CK_OBJECT_HANDLE found[CANDIDATES];
    size_t count = 0;
    uint32_t epoch = member_epoch(member);
    CK_RV rv = catalog_attrs(group->catalog, object, &attrs);
    if (rv == CKR_OK)
        rv = remote_find(remote, templ, identity_template(&attrs, templ), found, CANDIDATES, &count);
    attrs_free(&attrs);
    if (rv != CKR_OK)
        return rv == CKR_BUFFER_TOO_SMALL ? RV_NOT_HERE : rv;
    bool is_key = object->class == CKO_PRIVATE_KEY || object->class == CKO_SECRET_KEY;
    if (count == 0) {
        check_sight(member, deadline);
        return RV_NOT_HERE;
    }
    if (count > 1 && is_key)
        rv = decide(group, object, remote, found, count, ret);
    else
        *ret = found[0];
    if (rv == CKR_OK)
        note_shown(object, member, epoch, *ret);
    return rv;
}

static CK_RV read_object(struct remote remote, CK_OBJECT_HANDLE handle, struct attrs *ret)
{
    static const CK_ATTRIBUTE_TYPE kind[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_CERTIFICATE_TYPE};
    CK_RV rv = remote_get(remote, handle, kind, ARRAY_LEN(kind), ret);
    if (rv != CKR_OK)
        return rv;
    CK_OBJECT_CLASS class = attrs_ulong(ret, CKA_CLASS, CKO_DATA);
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *type = attrs_of_class(
        class, attrs_ulong(ret, class == CKO_CERTIFICATE ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE, 0), &count);
    rv = remote_get(remote, handle, type, count, ret);
    if (class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY)
        for (size_t i = ret->count; i-- > 0;) {
            const struct attr_info *info = attr_lookup(ret->item[i].type);
            if (ret->item[i].type == CKA_VALUE || (info && (info->flags & ATTR_SENSITIVE)))
                attrs_drop(ret, ret->item[i].type);
        }
    return rv;
}

struct same {
    const struct attrs *attrs;
    struct group *group;
    struct member *member;
    uint64_t hash;
    struct object *found;
};

/* The same identity, and not taken by another handle of this very member. */
static bool is_same(struct object *object, void *ctx)
{
    struct same *same = ctx;
    struct attrs attrs = {0};
    CK_OBJECT_HANDLE other;
    if (object->token && !object->original && !atomic_load(&object->gone) &&
        !object_replica(object, same->member->index, member_epoch(same->member), &other) &&
        catalog_attrs(same->group->catalog, object, &attrs) == CKR_OK && identity_hash(&attrs) == same->hash)
        same->found = object_ref(object);
    attrs_free(&attrs);
    return !same->found;
}

static CK_RV map_handle(struct group *group, struct remote remote, uint32_t epoch, CK_OBJECT_HANDLE handle,
                        struct object **ret)
{
    *ret = catalog_by_replica(group->catalog, remote.member->index, epoch, handle);
    if (*ret)
        return CKR_OK;
    struct attrs attrs = {0};
    CK_RV rv = read_object(remote, handle, &attrs);
    if (rv != CKR_OK) {
        attrs_free(&attrs);
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
    }
    struct same same = {&attrs, group, remote.member, identity_hash(&attrs), NULL};
    catalog_each(group->catalog, is_same, &same);
    if (!same.found) {
        struct object *object = object_new(group->count);
        rv = object ? CKR_OK : CKR_HOST_MEMORY;
        if (rv == CKR_OK) {
            object_set_attrs(object, &attrs);
            object->internal = keyring_is_hidden(&object->attrs);
            rv = catalog_add(group->catalog, &object);
        }
        same.found = object;
    }
    attrs_free(&attrs);
    if (rv == CKR_OK) {
        note_shown(same.found, remote.member, epoch, handle);
        *ret = same.found;
    } else {
        object_unref(same.found);
    }
    return rv;
}

/* All real handles on some member that is not in `avoid`. */
static CK_RV find_there(struct group *group, const CK_ATTRIBUTE *templ, CK_ULONG count, uint64_t avoid,
                        struct route *route)
{
    size_t room = FIND_ROOM;
    for (;;) {
        struct frame *frame =
            frame_new(VERB_FIND, frame_room_templ(templ, count), room * sizeof(CK_OBJECT_HANDLE));
        if (!frame)
            return CKR_HOST_MEMORY;
        frame_set_templ(frame, 0, templ, count);
        route_init(route, frame, WORK_OBJECT, clock_after(group->config->call_timeout));
        route->avoid = avoid;
        CK_RV rv = route_run(group, route);
        if (rv == CKR_OK)
            return CKR_OK;
        room = route->frame->number + FIND_ROOM;
        frame_unref(route->frame);
        if (rv != CKR_BUFFER_TOO_SMALL)
            return rv;
    }
}

static bool is_other_usable(const struct group *group, uint64_t avoid)
{
    for (unsigned i = 0; i < group->count; i++)
        if (!(avoid & (UINT64_C(1) << i)) && health_usable(member_state(group->member[i])))
            return true;
    return false;
}

/* SoftHSM without its store finds nothing and says CKR_OK: "nothing" is believed when every usable member
 * says so. */
static CK_RV find_somewhere(struct group *group, const CK_ATTRIBUTE *templ, CK_ULONG count, uint64_t avoid,
                            struct route *ret)
{
    uint64_t empty = 0;
    CK_RV rv = find_there(group, templ, count, avoid, ret);
    while (rv == CKR_OK && ret->frame->out_len == 0) {
        struct route other;
        empty |= UINT64_C(1) << ret->member->index;
        if (!is_other_usable(group, avoid | empty) ||
            find_there(group, templ, count, avoid | empty, &other) != CKR_OK)
            return CKR_OK;
        frame_unref(ret->frame);
        *ret = other;
    }
    for (unsigned i = 0; rv == CKR_OK && i < group->count; i++)
        if (empty & (UINT64_C(1) << i))
            check_sight(group->member[i], ret->deadline);
    return rv;
}

/* Session objects of ours are not on every member: they are found here. */
static CK_RV add_session_objects(struct group *group, const CK_ATTRIBUTE *templ, CK_ULONG count,
                                 bool logged_in, CK_OBJECT_HANDLE **ret, size_t *ret_count)
{
    CK_OBJECT_HANDLE *own = NULL;
    size_t own_count = 0;
    CK_RV rv = catalog_find(group->catalog, templ, count, logged_in, &own, &own_count);
    CK_OBJECT_HANDLE *all = rv == CKR_OK ? mem_resize(*ret, *ret_count + own_count + 1, sizeof(*all)) : NULL;
    if (all) {
        *ret = all;
        for (size_t i = 0; i < own_count; i++) {
            AUTO(object_unref) struct object *object = catalog_ref(group->catalog, own[i]);
            if (object && !object->token)
                all[(*ret_count)++] = own[i];
        }
    }
    mem_free(own);
    return rv == CKR_OK && !all ? CKR_HOST_MEMORY : rv;
}

/* Virtual handles of what one member found. Those whose objects it cannot show any more are left out and
 * counted. */
static CK_RV map_found(struct group *group, const struct route *route, bool logged_in,
                       CK_OBJECT_HANDLE *handle, size_t *ret_kept, size_t *ret_lost)
{
    struct remote remote = {route->member, route->deadline, route->epoch};
    const CK_OBJECT_HANDLE *real = (const CK_OBJECT_HANDLE *)(const void *)route->frame->out;
    size_t found = route->frame->out_len / sizeof(*real), kept = 0, lost = 0;
    CK_RV rv = CKR_OK;
    for (size_t i = 0; rv == CKR_OK && i < found; i++) {
        AUTO(object_unref) struct object *object = NULL;
        rv = map_handle(group, remote, route->epoch, real[i], &object);
        if (rv == CKR_OK && !object)
            lost++;
        else if (rv == CKR_OK && object->token && object_visible(object, logged_in))
            handle[kept++] = object->item.handle;
    }
    *ret_kept = kept;
    *ret_lost = lost;
    return rv;
}

CK_RV external_find(struct group *group, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                    CK_OBJECT_HANDLE **ret, size_t *ret_count)
{
    struct route route;
    uint64_t avoid = 0;
    CK_OBJECT_HANDLE *handle = NULL;
    size_t kept = 0, lost = 0;
    CK_RV rv = find_somewhere(group, templ, count, avoid, &route);
    while (rv == CKR_OK) {
        handle = mem_new(route.frame->out_len / sizeof(*handle) + 1, sizeof(*handle));
        rv = handle ? map_found(group, &route, logged_in, handle, &kept, &lost) : CKR_HOST_MEMORY;
        frame_unref(route.frame);
        avoid |= route_bit(route.member->index);
        /* Destroyed by somebody in this moment, or the store has gone: another one knows. */
        if (rv != CKR_OK || lost == 0 || !is_other_usable(group, avoid))
            break;
        check_sight(route.member, route.deadline);
        mem_free(handle);
        handle = NULL;
        rv = find_somewhere(group, templ, count, avoid, &route);
    }
    if (rv == CKR_OK)
        rv = add_session_objects(group, templ, count, logged_in, &handle, &kept);
    if (rv != CKR_OK) {
        mem_free(handle);
        return rv;
    }
    *ret = handle;
    *ret_count = kept;
    return CKR_OK;
}

/* The application is told that it has failed. */
static void take_back(struct group *group, struct remote remote, CK_OBJECT_HANDLE real,
                      CK_OBJECT_HANDLE *handle)
{
    AUTO(object_unref) struct object *object = *handle ? catalog_ref(group->catalog, *handle) : NULL;
    if (object)
        catalog_remove(group->catalog, object);
    *handle = CK_INVALID_HANDLE;
    if (remote_destroy(remote, real) != CKR_OK)
        log_event(LOG_ERROR, "object-left", "group=%s member=%s what=%s", group->config->name,
                  remote.member->config->name,
                  "an object that was reported as not made could not be removed");
}

CK_RV external_make(struct group *group, struct external_making *making, CK_OBJECT_HANDLE *ret)
{
    struct route route;
    route_init(&route, making->frame, making->work, clock_after(making->timeout));
    route.mech = making->mech;
    memcpy(route.key, making->key, sizeof(route.key));
    route.kept = true;
    route.once = making->token[0] || (making->objects > 1 && making->token[1]);
    CK_RV rv = route_run(group, &route);
    making->frame = route.frame;
    if (making->out_len)
        frame_give_out(route.frame, rv, making->out, making->out_len);
    if (rv == CKR_OK && making->given)
        frame_give_back(route.frame, making->given, NULL);
    struct remote remote = {route.member, clock_after(group->config->call_timeout), route.epoch};
    struct origin origin = {route.frame, route.member, route.epoch, making->session};
    bool made = rv == CKR_OK;
    for (unsigned i = 0; rv == CKR_OK && i < making->objects; i++) {
        struct making one = {.token = making->token[i], .real = route.frame->made[i]};
        rv = read_object(remote, one.real, &one.attrs);
        if (rv == CKR_OK)
            rv = making_keep(group, NULL, &origin, &one, &ret[i]);
        making_end(&one);
    }
    for (unsigned i = 0; made && rv != CKR_OK && i < making->objects; i++)
        take_back(group, remote, route.frame->made[i], &ret[i]);
    frame_unref(route.frame);
    return rv;
}
