#include "replica/create.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/names.h"
#include "call/rv.h"
#include "replica/destroy.h"
#include "replica/naming.h"
#include "replica/place.h"
#include "replica/proof.h"
#include "replica/public.h"
#include "replica/rescue.h"
#include "replica/seal.h"
#include "replica/template.h"
#include "replica/transient.h"
#include "replica/wrap.h"
#include "router/route.h"

void making_end(struct making *making)
{
    attrs_free(&making->attrs);
    record_end(&making->record);
}

static bool is_secret(CK_OBJECT_CLASS class)
{
    return class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY;
}

static CK_RV read_attrs(struct remote remote, struct making *making, bool managed)
{
    static const CK_ATTRIBUTE_TYPE kind[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_CERTIFICATE_TYPE};
    struct attrs first = {0};
    CK_RV rv = remote_get(remote, making->real, kind, ARRAY_LEN(kind), &first);
    CK_OBJECT_CLASS class = attrs_ulong(&first, CKA_CLASS, CKO_DATA);
    CK_ULONG subtype = attrs_ulong(&first, class == CKO_CERTIFICATE ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE, 0);
    attrs_free(&first);
    if (rv != CKR_OK)
        return rv;
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *type = attrs_of_class(class, subtype, &count);
    rv = remote_get(remote, making->real, type, count, &making->attrs);
    return rv == CKR_OK
               ? template_logical(making->asked, making->count, making->token, managed, &making->attrs)
               : rv;
}

static CK_RV find_public_part(struct making *making, const struct attrs *public_attrs, struct attrs *ret)
{
    if (public_attrs)
        return public_part(public_attrs, ret);
    struct attrs given = {0};
    CK_RV rv = attrs_copy(&given, &making->attrs);
    if (rv == CKR_OK)
        rv = attrs_merge(&given, making->asked, making->count);
    if (rv == CKR_OK)
        rv = public_of_private(&given, ret);
    attrs_free(&given);
    return rv;
}

CK_RV making_describe(struct managed *managed, struct remote remote, struct making *making,
                      const struct attrs *public_attrs)
{
    CK_RV rv = read_attrs(remote, making, true);
    struct record *record = &making->record;
    CK_OBJECT_CLASS class = attrs_ulong(&making->attrs, CKA_CLASS, CKO_DATA);
    /* A session key without one stays usable; only its copy to a token object will be refused. */
    if (rv == CKR_OK && !making->token && class == CKO_PRIVATE_KEY &&
        find_public_part(making, public_attrs, &record->public_part) != CKR_OK)
        attrs_free(&record->public_part);
    if (rv != CKR_OK || !making->token)
        return rv;
    if (RAND_bytes(record->uuid, UUID_LEN) != 1)
        return CKR_FUNCTION_FAILED;
    record->version = 1;
    record->state = RECORD_LIVE;
    record->created = clock_wall();
    rv = attrs_copy(&record->attrs, &making->attrs);
    /* First, for a token may fail in its own way if it is told to wrap a key of a kind that it cannot wrap:
     * softokn calls a Diffie-Hellman key a DEVICE_ERROR. */
    if (rv == CKR_OK && is_secret(class))
        rv = proof_choose(&record->attrs, &record->proof_kind, &record->proof_mech);
    if (rv == CKR_OK && class == CKO_PRIVATE_KEY)
        rv = find_public_part(making, public_attrs, &record->public_part);
    if (rv == CKR_TEMPLATE_INCOMPLETE)
        rv = proof_find_point(remote, making->real, record);
    if (rv == CKR_OK && is_secret(class))
        rv = wrap_key(managed, remote, making->real, record);
    if (rv == CKR_OK)
        rv = proof_make(remote, making->real, record);
    return rv;
}

CK_RV making_place(struct managed *managed, struct making *making, unsigned flags, CK_OBJECT_HANDLE *ret)
{
    struct group *group = managed->group;
    struct record *record = &making->record;
    uint64_t deadline = clock_after(group->config->call_timeout);
    record->flags |= flags;
    managed_refresh(managed, false);
    bool told = record->wrap == WRAP_NONE || proof_tells(record);
    if (!told || catalog_id_is_taken(group->catalog, &record->attrs, NULL))
        record->flags |= RECORD_OWN_ID;
    CK_RV rv = seal_write(managed, record, deadline);
    if (rv != CKR_OK)
        return rv == RV_GONE ? CKR_FUNCTION_FAILED : rv;
    AUTO(object_unref) struct object *object = NULL;
    rv = managed_object(managed, record, &object);
    if (rv == CKR_OK) {
        atomic_store(&object->verified, true);
        rv = catalog_add(group->catalog, &object);
    }
    if (rv != CKR_OK) {
        seal_written(managed, record, 0);
        return rv;
    }
    unsigned copies = record->wrap == WRAP_PINNED ? 0 : group->config->min_copies;
    rv = place_record(managed, record, object, copies, deadline);
    if (rv != CKR_OK) {
        log_event(LOG_ERROR, "too-few-copies", "group=%s min-copies=%u what=%s", group->config->name, copies,
                  "the object was taken back");
        if (destroy_object(managed, object) != CKR_OK)
            log_event(LOG_ERROR, "object-left", "group=%s what=%s", group->config->name,
                      "an object that was reported as not made could not be taken back; see p11ha verify");
        return rv;
    }
    *ret = object->item.handle;
    return CKR_OK;
}

/* How a session object comes to other members; NULL without memory. Keys that are derived or unwrapped come
 * here only if their lineage is too long (keying.c): they are secured like generated ones. */
static struct recipe *recipe_for(const struct origin *origin, const struct making *making)
{
    if (origin->call->verb == VERB_CREATE)
        return recipe_of_call(origin->call, 0, NULL);
    return is_secret(attrs_ulong(&making->attrs, CKA_CLASS, CKO_DATA)) ? recipe_new()
                                                                       : recipe_of_attrs(&making->attrs);
}

static CK_RV keep_session_object(struct group *group, struct managed *managed, const struct origin *origin,
                                 struct making *making, CK_OBJECT_HANDLE *ret)
{
    struct recipe *recipe = recipe_for(origin, making);
    if (!recipe)
        return CKR_HOST_MEMORY;
    /* An EC private key does not say it, and the key's copy to a token object needs it. */
    recipe->public_part = making->record.public_part;
    making->record.public_part = (struct attrs){0};
    bool rescue = managed && atomic_load(&recipe->sort) == RECIPE_NONE &&
                  group->config->session_keys == SESSION_KEYS_RECOVERABLE;
    if (rescue)
        rescue_expect(recipe);
    struct made made = {origin->member, origin->epoch, making->real, origin->session, false};
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = transient_add(group, &made, &making->attrs, recipe, ret, &object);
    if (rv == CKR_OK && rescue)
        rescue_begin(managed, object, origin->member, origin->epoch);
    return rv;
}

CK_RV making_keep(struct group *group, struct managed *managed, const struct origin *origin,
                  struct making *making, CK_OBJECT_HANDLE *ret)
{
    if (!attrs_bool(&making->attrs, CKA_TOKEN, false))
        return keep_session_object(group, managed, origin, making, ret);
    AUTO(object_unref) struct object *object = object_new(group->count);
    if (!object)
        return CKR_HOST_MEMORY;
    object_set_attrs(object, &making->attrs);
    object_set_replica(object, origin->member->index, origin->epoch, making->real);
    CK_RV rv = catalog_add(group->catalog, &object);
    if (rv == CKR_OK)
        *ret = object->item.handle;
    return rv;
}

/* A key that cannot be wrapped: it stays on this member alone, if the configuration allows that. */
static CK_RV pin_here(struct managed *managed, struct remote remote, struct making *making, CK_RV why)
{
    struct name_buf buf;
    if (managed->group->config->unreplicable != UNREPLICABLE_PIN) {
        log_event(LOG_WARN, "key-refused", "group=%s answer=%s why=%s", managed->group->config->name,
                  name_rv(why, &buf), "a key of this type cannot be replicated; unreplicable-keys = refuse");
        return why;
    }
    struct template t;
    making->record.wrap = WRAP_PINNED;
    making->record.proof_kind = PROOF_NONE;
    making->record.flags = RECORD_OWN_ID;
    template_publish(&making->attrs, &t);
    t.count = naming_apply(&making->record, t.item, t.count, TEMPLATE_MAX);
    CK_RV rv = remote_copy(remote, making->real, t.item, t.count, &making->published);
    if (rv != CKR_OK)
        return rv;
    snprintf(making->record.pinned_member, sizeof(making->record.pinned_member), "%s",
             remote.member->config->name);
    log_event(LOG_WARN, "key-pinned", "group=%s member=%s why=%s", managed->group->config->name,
              remote.member->config->name, "it lives on this member alone and is lost with it");
    return CKR_OK;
}

static CK_RV describe_all(struct managed *managed, struct remote remote, struct creation *creation)
{
    const struct attrs *public_attrs = NULL;
    for (unsigned i = 0; i < creation->makings; i++) {
        struct making *making = creation->making[i];
        making_end(making);
        CK_RV rv = making_describe(managed, remote, making, public_attrs);
        if (wrap_never(rv) && making->token)
            rv = pin_here(managed, remote, making, rv);
        if (rv != CKR_OK)
            return rv;
        public_attrs = &making->attrs;
    }
    return CKR_OK;
}

/* `all`: nothing of it is to stay, a pinned key's only copy neither. */
static void drop_tryouts(struct remote remote, struct creation *creation, bool all)
{
    for (unsigned i = 0; i < creation->makings; i++) {
        if (all && creation->making[i]->published != CK_INVALID_HANDLE)
            (void)!remote_destroy(remote, creation->making[i]->published);
        creation->making[i]->published = CK_INVALID_HANDLE;
        if ((all || creation->making[i]->token) && creation->making[i]->real != CK_INVALID_HANDLE)
            (void)!remote_destroy(remote, creation->making[i]->real);
    }
}

/* Elsewhere once more? What the member could not do because it is in trouble. */
static bool elsewhere(CK_RV rv)
{
    struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    enum error_class class = verdict_class(rv, &facts);
    return class != ERROR_NONE && class != ERROR_APPLICATION;
}

/* Makes the objects as session objects on one member and describes them; on another one if that member fails
 * on the way. */
static CK_RV try_out(struct managed *managed, struct creation *creation, struct remote *ret_remote,
                     uint32_t *ret_epoch)
{
    struct route route;
    route_init(&route, creation->frame, creation->work, clock_after(creation->timeout));
    route.kept = true;
    route.mech = creation->mech;
    memcpy(route.key, creation->key, sizeof(route.key));
    for (;;) {
        CK_RV rv = route_run(managed->group, &route);
        creation->frame = route.frame;
        if (rv != CKR_OK)
            return rv;
        *ret_remote =
            (struct remote){route.member, clock_after(managed->group->config->call_timeout), route.epoch};
        *ret_epoch = route.epoch;
        for (unsigned i = 0; i < creation->makings; i++)
            creation->making[i]->real = route.frame->made[i];
        rv = describe_all(managed, *ret_remote, creation);
        if (rv == CKR_OK)
            return CKR_OK;
        drop_tryouts(*ret_remote, creation, true);
        if (!elsewhere(rv))
            return rv;
        route.avoid |= route_bit(route.member->index);
    }
}

CK_RV create_objects(struct managed *managed, struct creation *creation, CK_OBJECT_HANDLE ret[2])
{
    struct remote remote;
    uint32_t epoch;
    CK_RV rv = try_out(managed, creation, &remote, &epoch);
    if (creation->out_len)
        frame_give_out(creation->frame, rv, creation->out, creation->out_len);
    if (rv != CKR_OK) {
        frame_unref(creation->frame);
        return rv;
    }
    if (creation->given)
        frame_give_back(creation->frame, creation->given, NULL);
    struct origin origin = {creation->frame, remote.member, epoch, creation->session};
    CK_OBJECT_HANDLE made[2] = {CK_INVALID_HANDLE, CK_INVALID_HANDLE};
    for (unsigned i = 0; i < creation->makings && rv == CKR_OK; i++) {
        struct making *making = creation->making[i];
        rv = making->token ? making_place(managed, making, creation->flags, &made[i])
                           : making_keep(managed->group, managed, &origin, making, &made[i]);
    }
    frame_unref(creation->frame);
    drop_tryouts(remote, creation, rv != CKR_OK);
    for (unsigned i = 0; i < creation->makings; i++) {
        AUTO(object_unref)
        struct object *object = made[i] ? catalog_ref(managed->group->catalog, made[i]) : NULL;
        if (rv == CKR_OK)
            ret[i] = made[i];
        else if (object && object->token)
            (void)!destroy_object(managed, object);
        else if (object)
            transient_destroy(managed->group, object);
    }
    return rv;
}
