#include "replica/keying.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "call/rv.h"
#include "replica/create.h"
#include "replica/external.h"
#include "replica/rescue.h"
#include "replica/template.h"
#include "replica/transient.h"
#include "router/route.h"

#define WRAP_ROOM 4096       /* for what is wrapped, unless the application offers more */
#define OUT_MAX   (1u << 20) /* whatever is claimed: what comes out is far shorter */

CK_RV keying_inner(const CK_MECHANISM *mech, CK_OBJECT_HANDLE ret[FRAME_INNER], unsigned *ret_count)
{
    *ret_count = 0;
    CK_RV rv = frame_check_mech(mech);
    if (rv != CKR_OK || !frame_mech_handles(mech))
        return rv;
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_DERIVE, frame_room_mech(mech), 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_mech(frame, mech);
    if (frame->inners > FRAME_INNER)
        return CKR_MECHANISM_PARAM_INVALID;
    *ret_count = frame->inners;
    for (unsigned i = 0; i < frame->inners; i++)
        ret[i] = frame_inner(frame, i);
    return CKR_OK;
}

static struct frame *frame_of(const struct keying *keying, const CK_ATTRIBUTE *templ, size_t count,
                              size_t out_room)
{
    size_t room = frame_room_mech(keying->mech) + frame_room(keying->in.len) + frame_room(keying->aad.len) +
                  frame_room_templ(templ, count);
    struct frame *frame = frame_new(keying->verb, room, out_room);
    if (!frame)
        return NULL;
    frame_set_mech(frame, keying->mech);
    if (keying->in.data)
        frame_set_in(frame, 0, keying->in.data, keying->in.len);
    if (keying->aad.data)
        frame_set_in(frame, 1, keying->aad.data, keying->aad.len);
    frame_set_templ(frame, 0, templ, count);
    return frame;
}

/* What kind of work it is for the member: that of the key which does it. */
static enum work_class work_of(const struct keying *keying)
{
    static const enum op_kind like[VERBS] = {
        [VERB_WRAP] = OP_ENCRYPT,        [VERB_UNWRAP] = OP_DECRYPT,      [VERB_WRAP_AUTH] = OP_ENCRYPT,
        [VERB_UNWRAP_AUTH] = OP_DECRYPT, [VERB_ENCAPSULATE] = OP_ENCRYPT, [VERB_DECAPSULATE] = OP_DECRYPT,
        [VERB_DERIVE] = OP_SIGN};
    const struct object *key = keying->key[0];
    return keying->verb == VERB_COPY ? WORK_OBJECT : mech_work(like[keying->verb], key->subtype, key->bits);
}

static void route_of(const struct keying *keying, struct frame *frame, struct route *ret)
{
    route_init(ret, frame, work_of(keying), clock_after(keying->group->config->call_timeout));
    ret->mech = keying->mech ? keying->mech->mechanism : CK_UNAVAILABLE_INFORMATION;
    memcpy(ret->key, keying->key, sizeof(ret->key));
}

/* Members judge their own objects, and some not strictly; these are the application's. */
static CK_RV may_wrap(const struct keying *keying)
{
    struct attrs with = {0}, key = {0};
    CK_RV rv = catalog_attrs(keying->group->catalog, keying->key[0], &with);
    if (rv == CKR_OK)
        rv = catalog_attrs(keying->group->catalog, keying->key[1], &key);
    if (rv == CKR_OK && !attrs_bool(&with, CKA_WRAP, true))
        rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (rv == CKR_OK && !attrs_bool(&key, CKA_EXTRACTABLE, true))
        rv = CKR_KEY_UNEXTRACTABLE;
    if (rv == CKR_OK && attrs_bool(&key, CKA_WRAP_WITH_TRUSTED, false) &&
        !attrs_bool(&with, CKA_TRUSTED, false))
        rv = CKR_KEY_NOT_WRAPPABLE;
    attrs_free(&with);
    attrs_free(&key);
    return rv;
}

CK_RV keying_wrap(struct keying *keying)
{
    uint8_t *out = keying->out;
    CK_ULONG *out_len = keying->out_len;
    CK_RV rv = may_wrap(keying);
    size_t room = out && *out_len > WRAP_ROOM ? size_min(*out_len, OUT_MAX) : WRAP_ROOM;
    for (int tries = 0; rv == CKR_OK; tries++) {
        struct frame *frame = frame_of(keying, NULL, 0, room);
        if (!frame)
            return CKR_HOST_MEMORY;
        struct route route;
        route_of(keying, frame, &route);
        rv = route_run(keying->group, &route);
        CK_ULONG len = route.frame->out_len;
        bool fits = rv == CKR_OK && out && *out_len >= len;
        if (fits) {
            memcpy(out, route.frame->out, len);
            frame_give_back(route.frame, keying->mech, NULL);
        }
        frame_unref(route.frame);
        if (rv == CKR_BUFFER_TOO_SMALL && tries == 0 && len > room) {
            room = len;
            rv = CKR_OK;
            continue;
        }
        if (rv == CKR_OK)
            *out_len = len;
        return rv != CKR_OK || fits || !out ? rv : CKR_BUFFER_TOO_SMALL;
    }
    return rv;
}

/* What a session object's template says of it; a member tells the rest when it is asked for. */
static CK_RV told_attrs(const struct keying *keying, struct attrs *ret)
{
    static const CK_ATTRIBUTE_TYPE kept_here[] = {CKA_COPYABLE, CKA_MODIFIABLE, CKA_DESTROYABLE};
    CK_RV rv = CKR_OK;
    if (keying->verb == VERB_COPY) {
        rv = catalog_attrs(keying->group->catalog, keying->key[0], ret);
    } else {
        rv = attrs_set_ulong(ret, CKA_CLASS, CKO_SECRET_KEY);
        for (size_t i = 0; i < ARRAY_LEN(kept_here) && rv == CKR_OK; i++)
            rv = attrs_set_bool(ret, kept_here[i], true);
        if (rv == CKR_OK)
            rv = attrs_set_bool(ret, CKA_PRIVATE, true);
    }
    for (CK_ULONG i = 0; i < keying->count && rv == CKR_OK; i++) {
        const struct attr_info *info = attr_lookup(keying->templ[i].type);
        if (info && (info->shape == ATTR_TEMPLATE || (info->flags & ATTR_SENSITIVE)))
            continue;
        rv = attrs_merge(ret, &keying->templ[i], 1);
    }
    return rv == CKR_OK ? attrs_set_bool(ret, CKA_TOKEN, false) : rv;
}

/* What is written into the parameter need not be what the template says: its members' alone to tell. */
static CK_RV only_ours(struct attrs *attrs)
{
    static const CK_ATTRIBUTE_TYPE ours[] = {CKA_CLASS,    CKA_TOKEN,      CKA_PRIVATE,
                                             CKA_COPYABLE, CKA_MODIFIABLE, CKA_DESTROYABLE};
    struct attrs kept = {0};
    CK_RV rv = CKR_OK;
    for (size_t i = 0; i < ARRAY_LEN(ours) && rv == CKR_OK; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(attrs, ours[i]);
        if (attr)
            rv = attrs_set(&kept, attr->type, attr->pValue, attr->ulValueLen);
    }
    attrs_free(attrs);
    *attrs = kept;
    return rv;
}

/* A chain that is too long is not made again: its end is pinned. */
static struct recipe *recipe_for(const struct keying *keying, struct frame *frame, unsigned which)
{
    return recipe_depth(keying->key) > RECIPE_DEPTH ? recipe_new()
                                                    : recipe_of_call(frame, which, keying->key);
}

/* The session objects that a call has made; *ret and `inside` are CK_INVALID_HANDLE where it made none. */
static CK_RV add_made(const struct keying *keying, const struct route *route, const struct attrs *told,
                      CK_OBJECT_HANDLE *ret, CK_OBJECT_HANDLE inside[FRAME_MADE])
{
    struct frame *frame = route->frame;
    bool partial = keying->verb != VERB_COPY || atomic_load(&keying->key[0]->partial);
    struct made made = {route->member, route->epoch, CK_INVALID_HANDLE, keying->session, partial};
    CK_RV rv = CKR_OK;
    for (unsigned i = 0; i <= frame->mades && rv == CKR_OK; i++) {
        struct attrs attrs = {0};
        made.real = i == 0 ? frame->made[0] : frame_made_inside(frame, i - 1);
        CK_OBJECT_HANDLE *into = i == 0 ? ret : &inside[i - 1];
        *into = CK_INVALID_HANDLE;
        if (made.real == CK_INVALID_HANDLE)
            continue;
        rv = attrs_copy(&attrs, told);
        if (rv == CKR_OK && i > 0)
            rv = only_ours(&attrs);
        if (rv == CKR_OK)
            rv = transient_add(keying->group, &made, &attrs, recipe_for(keying, frame, i), into, NULL);
        attrs_free(&attrs);
    }
    return rv;
}

/* Without memory for all of them none is left behind. */
static void drop_made(const struct keying *keying, const struct route *route)
{
    struct remote remote = {route->member, clock_after(keying->group->config->call_timeout), route->epoch};
    const struct frame *frame = route->frame;
    for (unsigned i = 0; i <= frame->mades; i++) {
        CK_OBJECT_HANDLE real = i == 0 ? frame->made[0] : frame_made_inside(frame, i - 1);
        AUTO(object_unref)
        struct object *object =
            catalog_by_replica(keying->group->catalog, remote.member->index, remote.epoch, real);
        if (object)
            transient_destroy(keying->group, object);
        else if (real != CK_INVALID_HANDLE)
            (void)!remote_destroy(remote, real);
    }
}

static CK_RV session_frame(const struct keying *keying, struct frame **ret)
{
    CK_BBOOL no = CK_FALSE;
    struct template t;
    CK_RV rv = template_asked(keying->templ, keying->count, &t);
    if (rv != CKR_OK)
        return rv;
    if (keying->verb == VERB_COPY && !template_get(t.item, t.count, CKA_TOKEN) && t.count < TEMPLATE_MAX)
        t.item[t.count++] = (CK_ATTRIBUTE){CKA_TOKEN, &no, sizeof(no)};
    struct frame *frame = frame_of(keying, t.item, t.count, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    if (frame->mades > FRAME_MADE) {
        frame_unref(frame);
        return CKR_MECHANISM_PARAM_INVALID;
    }
    *ret = frame;
    return CKR_OK;
}

static CK_RV make_session_object(struct keying *keying, CK_OBJECT_HANDLE *ret)
{
    struct attrs told = {0};
    struct frame *frame = NULL;
    CK_RV rv = told_attrs(keying, &told);
    if (rv == CKR_OK)
        rv = session_frame(keying, &frame);
    if (rv != CKR_OK) {
        attrs_free(&told);
        return rv;
    }
    struct route route;
    route_of(keying, frame, &route);
    route.kept = true;
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE, inside[FRAME_MADE];
    rv = route_run(keying->group, &route);
    if (rv == CKR_OK) {
        rv = add_made(keying, &route, &told, &made, inside);
        if (rv != CKR_OK)
            drop_made(keying, &route);
    }
    if (rv == CKR_OK) {
        if (keying->mech)
            frame_give_back(route.frame, keying->mech, inside);
        *ret = made;
    }
    frame_unref(route.frame);
    attrs_free(&told);
    return rv;
}

/* The room that the application has for a ciphertext. */
static size_t out_room(const struct keying *keying)
{
    return keying->out ? size_min(*keying->out_len, OUT_MAX) : 0;
}

/* C_EncapsulateKey that only asks for a length makes nothing. */
static CK_RV ask_length(struct keying *keying)
{
    struct frame *frame = NULL;
    CK_RV rv = session_frame(keying, &frame);
    if (rv != CKR_OK)
        return rv;
    struct route route;
    route_of(keying, frame, &route);
    rv = route_run(keying->group, &route);
    if (rv == CKR_OK)
        *keying->out_len = route.frame->out_len;
    frame_unref(route.frame);
    return rv == CKR_OK && keying->out ? CKR_BUFFER_TOO_SMALL : rv;
}

static CK_RV make_by_protocol(struct keying *keying, bool token, CK_OBJECT_HANDLE *ret)
{
    struct attrs own = {0};
    CK_RV rv = template_tryout(keying->templ, keying->count, true, &own);
    struct frame *frame = rv == CKR_OK ? frame_of(keying, own.item, own.count, out_room(keying)) : NULL;
    attrs_free(&own);
    if (!frame)
        return rv == CKR_OK ? CKR_HOST_MEMORY : rv;
    struct making making = {.asked = keying->templ, .count = keying->count, .token = token};
    struct creation creation = {.frame = frame,
                                .work = work_of(keying),
                                .mech = keying->mech->mechanism,
                                .given = keying->mech,
                                .out = keying->out,
                                .out_len = keying->out_len,
                                .making = {&making},
                                .makings = 1,
                                .session = keying->session,
                                .timeout = keying->group->config->call_timeout};
    memcpy(creation.key, keying->key, sizeof(creation.key));
    CK_OBJECT_HANDLE made[2];
    rv = create_objects(keying->managed, &creation, made);
    making_end(&making);
    if (rv == CKR_OK)
        *ret = made[0];
    return rv;
}

static CK_RV make_in_external(struct keying *keying, bool token, CK_OBJECT_HANDLE *ret)
{
    struct frame *frame = frame_of(keying, keying->templ, keying->count, out_room(keying));
    if (!frame)
        return CKR_HOST_MEMORY;
    struct external_making making = {.frame = frame,
                                     .work = work_of(keying),
                                     .mech =
                                         keying->mech ? keying->mech->mechanism : CK_UNAVAILABLE_INFORMATION,
                                     .given = keying->mech,
                                     .out = keying->out,
                                     .out_len = keying->out_len,
                                     .token = {token},
                                     .objects = 1,
                                     .session = keying->session,
                                     .timeout = keying->group->config->call_timeout};
    memcpy(making.key, keying->key, sizeof(making.key));
    return external_make(keying->group, &making, ret);
}

CK_RV keying_make(struct keying *keying, CK_OBJECT_HANDLE *ret)
{
    bool token = template_bool(keying->templ, keying->count, CKA_TOKEN,
                               keying->verb == VERB_COPY && keying->key[0]->token);
    bool many = keying->mech && frame_mech_makes(keying->mech);
    /* What the call writes into its parameter are session objects: half of its keys cannot be kept. */
    if (many && (token || frame_mech_makes_token(keying->mech)))
        return CKR_TEMPLATE_INCONSISTENT;
    if (many && keying->verb == VERB_ENCAPSULATE)
        return CKR_MECHANISM_PARAM_INVALID;
    if (keying->verb == VERB_ENCAPSULATE && out_room(keying) == 0)
        return ask_length(keying);
    /* Another encapsulation gives another key: its session objects are kept like generated ones. */
    if (token || keying->verb == VERB_ENCAPSULATE)
        return keying->managed ? make_by_protocol(keying, token, ret) : make_in_external(keying, token, ret);
    /* A chain that is too long to be made again starts anew with a key that can be wrapped. */
    if (keying->managed && keying->group->config->session_keys == SESSION_KEYS_RECOVERABLE &&
        keying->verb != VERB_COPY && recipe_depth(keying->key) > RECIPE_DEPTH && !many)
        return make_by_protocol(keying, false, ret);
    return make_session_object(keying, ret);
}
