#include "call/rv.h"
#include "replica/keying.h"
#include "replica/managed.h"
#include "replica/store.h"

/* The objects of a call, referenced for its time. */
static void let_go(struct keying *keying)
{
    for (unsigned k = 0; k < FRAME_KEYS; k++)
        object_unref(keying->key[k]);
}

static bool is_key(const struct object *object)
{
    return object->class == CKO_PUBLIC_KEY || object->class == CKO_PRIVATE_KEY ||
           object->class == CKO_SECRET_KEY;
}

static CK_RV find_key(struct store *store, const struct store_keying *call, CK_OBJECT_HANDLE handle,
                      CK_RV invalid, struct object **ret)
{
    CK_RV rv = store_object(store, handle, call->logged_in, ret);
    if (rv != CKR_OK)
        return rv == CKR_OBJECT_HANDLE_INVALID ? invalid : rv;
    return is_key(*ret) ? CKR_OK : invalid;
}

/* What a handle that is none of a key is called. */
static CK_RV invalid_with(enum verb verb)
{
    switch (verb) {
    case VERB_WRAP:
    case VERB_WRAP_AUTH:
        return CKR_WRAPPING_KEY_HANDLE_INVALID;
    case VERB_UNWRAP:
    case VERB_UNWRAP_AUTH:
        return CKR_UNWRAPPING_KEY_HANDLE_INVALID;
    default:
        return CKR_KEY_HANDLE_INVALID;
    }
}

static CK_RV begin(struct store *store, const struct store_keying *call, struct keying *ret)
{
    *ret = (struct keying){.group = store_group(store),
                           .managed = store_managed(store),
                           .verb = call->verb,
                           .mech = call->mech,
                           .in = call->in,
                           .aad = call->aad,
                           .templ = call->templ,
                           .count = call->count,
                           .out = call->out,
                           .out_len = call->out_len,
                           .session = call->session};
    CK_OBJECT_HANDLE inner[FRAME_INNER];
    unsigned inners = 0;
    if (!group_offers(store_group(store), call->mech->mechanism, 0))
        return CKR_MECHANISM_INVALID;
    CK_RV rv = keying_inner(call->mech, inner, &inners);
    if (rv == CKR_OK)
        rv = find_key(store, call, call->with, invalid_with(call->verb), &ret->key[0]);
    for (unsigned i = 0; i < inners && rv == CKR_OK; i++)
        rv = find_key(store, call, inner[i], CKR_KEY_HANDLE_INVALID, &ret->key[2 + i]);
    return rv == CKR_OK ? call->may : rv;
}

/* What is meant only for us becomes what the standard knows. */
static CK_RV outward(CK_RV rv, CK_RV invalid)
{
    if (rv == RV_GONE)
        return invalid;
    return rv >= RV_INSIDE && rv <= (RV_INSIDE | 0xff) ? CKR_DEVICE_ERROR : rv;
}

CK_RV store_wrap(struct store *store, const struct store_keying *call)
{
    struct keying keying;
    CK_RV rv = begin(store, call, &keying);
    if (rv == CKR_OK)
        rv = find_key(store, call, call->key, CKR_KEY_HANDLE_INVALID, &keying.key[1]);
    if (rv == CKR_OK)
        rv = keying_wrap(&keying);
    let_go(&keying);
    return outward(rv, CKR_KEY_HANDLE_INVALID);
}

CK_RV store_make_key(struct store *store, const struct store_keying *call, CK_OBJECT_HANDLE *ret)
{
    struct keying keying;
    CK_RV rv = begin(store, call, &keying);
    *ret = CK_INVALID_HANDLE;
    if (rv == CKR_OK)
        rv = keying_make(&keying, ret);
    let_go(&keying);
    return outward(rv, invalid_with(call->verb));
}
