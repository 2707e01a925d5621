#include "replica/matrix.h"

#include "base/clock.h"
#include "call/rv.h"
#include "replica/create.h"
#include "replica/foreign.h"
#include "replica/replica.h"
#include "replica/template.h"
#include "router/verdict.h"

struct type {
    const char *name;
    CK_MECHANISM_TYPE make;
    CK_KEY_TYPE key_type;
    bool pair;
    CK_ULONG size; /* bits of RSA, bytes of secrets; 0: fixed by the type */
    const char *curve;
    const char *oid; /* DER */
    size_t oid_len;
};

static const struct type types[MATRIX_TYPES] = {
    {"RSA-2048", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, true, 2048, NULL, NULL, 0},
    {"RSA-4096", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, true, 4096, NULL, NULL, 0},
    {"EC P-256", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 0, "P-256", "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
     10},
    {"EC P-384", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 0, "P-384", "\x06\x05\x2b\x81\x04\x00\x22", 7},
    {"EC P-521", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 0, "P-521", "\x06\x05\x2b\x81\x04\x00\x23", 7},
    {"Ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, true, 0, "ED25519", "\x06\x03\x2b\x65\x70", 5},
    {"AES-128", CKM_AES_KEY_GEN, CKK_AES, false, 16, NULL, NULL, 0},
    {"AES-256", CKM_AES_KEY_GEN, CKK_AES, false, 32, NULL, NULL, 0},
    {"DES3", CKM_DES3_KEY_GEN, CKK_DES3, false, 0, NULL, NULL, 0},
    {"generic 20 bytes", CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, false, 20, NULL, NULL, 0},
    {"generic 32 bytes", CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, false, 32, NULL, NULL, 0},
    {"generic 65 bytes", CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, false, 65, NULL, NULL, 0},
};

const char *matrix_name(unsigned type)
{
    return types[type].name;
}

const char *matrix_answer_name(enum matrix_answer answer)
{
    static const char *const names[] = {
        [MATRIX_YES] = "yes", [MATRIX_IMPORTED] = "imported only", [MATRIX_NO] = "no", [MATRIX_ASIDE] = "?"};
    return names[answer];
}

static CK_RV set_usage(const struct type *type, struct attrs *secret)
{
    bool cipher = type->key_type == CKK_AES || type->key_type == CKK_DES3;
    CK_RV rv = attrs_set_bool(secret, CKA_TOKEN, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(secret, CKA_PRIVATE, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(secret, CKA_SENSITIVE, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(secret, CKA_EXTRACTABLE, false);
    if (rv == CKR_OK)
        rv = attrs_set_bool(secret, cipher ? CKA_ENCRYPT : CKA_SIGN, true);
    return rv == CKR_OK && cipher ? attrs_set_bool(secret, CKA_DECRYPT, true) : rv;
}

/* As an application would ask for it. */
static CK_RV asked_for(const struct type *type, struct attrs *public, struct attrs *secret)
{
    CK_RV rv = set_usage(type, secret);
    if (rv == CKR_OK && !type->pair && type->size)
        rv = attrs_set_ulong(secret, CKA_VALUE_LEN, type->size);
    if (!type->pair)
        return rv;
    if (rv == CKR_OK)
        rv = attrs_set_bool(public, CKA_TOKEN, false);
    if (rv == CKR_OK)
        rv = attrs_set_bool(public, CKA_VERIFY, true);
    if (rv == CKR_OK && type->size)
        rv = attrs_set_ulong(public, CKA_MODULUS_BITS, type->size);
    if (rv == CKR_OK && type->size)
        rv = attrs_set(public, CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3);
    if (rv == CKR_OK && type->oid)
        rv = attrs_set(public, CKA_EC_PARAMS, type->oid, type->oid_len);
    return rv;
}

/* Session objects: made[0] is the public half of a pair, made[1] the key. */
static CK_RV make(struct remote remote, const struct type *type, const struct attrs *public,
                  const struct attrs *secret, CK_OBJECT_HANDLE made[2])
{
    struct attrs tryout = {0};
    CK_RV rv = template_tryout(secret->item, secret->count, true, &tryout);
    CK_MECHANISM mech = {.mechanism = type->make};
    size_t room = frame_room_mech(&mech) + frame_room_templ(public->item, public->count) +
                  frame_room_templ(tryout.item, tryout.count);
    AUTO(frame_unref)
    struct frame *frame =
        rv == CKR_OK ? frame_new(type->pair ? VERB_GENERATE_PAIR : VERB_GENERATE_KEY, room, 0) : NULL;
    if (frame) {
        frame_set_mech(frame, &mech);
        if (type->pair)
            frame_set_templ(frame, 0, public->item, public->count);
        frame_set_templ(frame, type->pair, tryout.item, tryout.count);
        rv = remote_run(remote, frame, true);
        made[0] = type->pair ? frame->made[0] : CK_INVALID_HANDLE;
        made[1] = frame->made[type->pair];
    } else if (rv == CKR_OK) {
        rv = CKR_HOST_MEMORY;
    }
    attrs_free(&tryout);
    return rv;
}

static void drop(struct remote remote, CK_OBJECT_HANDLE object)
{
    if (object != CK_INVALID_HANDLE)
        (void)!remote_destroy(remote, object);
}

static struct matrix_cell no(const char *step, CK_RV rv)
{
    return (struct matrix_cell){MATRIX_NO, step, rv};
}

/* Wrapped as a new key is, and restored as on another member. */
static struct matrix_cell travel(struct managed *managed, struct remote remote, const struct attrs *public,
                                 const struct attrs *secret, const CK_OBJECT_HANDLE made[2])
{
    struct making making[2] = {
        {.asked = public->item, .count = public->count, .real = made[0]},
        {.asked = secret->item, .count = secret->count, .real = made[1], .token = true},
    };
    bool pair = made[0] != CK_INVALID_HANDLE;
    CK_RV rv = pair ? making_describe(managed, remote, &making[0], NULL) : CKR_OK;
    const char *step = rv == CKR_OK ? NULL : "make";
    if (rv == CKR_OK) {
        rv = making_describe(managed, remote, &making[1], pair ? &making[0].attrs : NULL);
        step = rv == CKR_OK ? NULL : making[1].record.wrapped ? "prove" : "wrap";
    }
    CK_OBJECT_HANDLE restored = CK_INVALID_HANDLE;
    if (rv == CKR_OK) {
        rv = replica_rehearse(managed, remote, &making[1].record, &restored);
        step = rv == CKR_OK ? NULL : "restore";
    }
    if (rv == CKR_OK)
        drop(remote, restored);
    making_end(&making[0]);
    making_end(&making[1]);
    return rv == CKR_OK ? (struct matrix_cell){MATRIX_YES, NULL, CKR_OK} : no(step, rv);
}

static struct matrix_cell try_made(struct managed *managed, struct member *member, const struct type *type)
{
    struct attrs public = {0}, secret = {0};
    CK_OBJECT_HANDLE made[2] = {CK_INVALID_HANDLE, CK_INVALID_HANDLE};
    struct remote remote = remote_to(member, clock_after(member->group->keygen_timeout));
    CK_RV rv =
        member_mechanism(member, type->make) ? asked_for(type, &public, &secret) : CKR_MECHANISM_INVALID;
    if (rv == CKR_OK)
        rv = make(remote, type, &public, &secret, made);
    struct matrix_cell cell = rv == CKR_OK ? (struct matrix_cell){MATRIX_YES, NULL, CKR_OK} : no("make", rv);
    remote.deadline = clock_after(member->group->call_timeout);
    if (rv == CKR_OK && managed)
        cell = travel(managed, remote, &public, &secret, made);
    if (rv == CKR_OK) {
        drop(remote, made[0]);
        drop(remote, made[1]);
    }
    attrs_free(&public);
    attrs_free(&secret);
    return cell;
}

/* A key made here, given to the member in clear. */
static CK_RV try_import(struct member *member, const struct type *type)
{
    struct remote remote = remote_to(member, clock_after(member->group->call_timeout));
    struct attrs attrs = {0};
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    CK_RV rv = foreign_key(type->key_type, type->size, type->curve, &attrs);
    if (rv == CKR_OK && type->oid)
        rv = attrs_set(&attrs, CKA_EC_PARAMS, type->oid, type->oid_len);
    if (rv == CKR_OK)
        rv = set_usage(type, &attrs);
    if (rv == CKR_OK)
        rv = attrs_set_bool(&attrs, CKA_TOKEN, false);
    if (rv == CKR_OK)
        rv = remote_create(remote, attrs.item, attrs.count, &made);
    if (rv == CKR_OK)
        drop(remote, made);
    attrs_free(&attrs);
    return rv;
}

/* It says nothing of keys that the member, or this host, is in trouble. */
static bool is_trouble(CK_RV rv)
{
    struct verdict_facts facts = {.logged_in = true, .fresh_session = true, .fresh_handle = true};
    enum error_class class = verdict_class(rv, &facts);
    return rv == CKR_HOST_MEMORY || class == ERROR_TRANSPORT || class == ERROR_SESSION_LOST ||
           class == ERROR_FULL;
}

struct matrix_cell matrix_try(struct managed *managed, struct member *member, unsigned type)
{
    struct matrix_cell cell = try_made(managed, member, &types[type]);
    if (cell.answer == MATRIX_YES)
        return cell;
    if (is_trouble(cell.rv)) {
        cell.answer = MATRIX_ASIDE;
        return cell;
    }
    if (try_import(member, &types[type]) == CKR_OK)
        cell.answer = MATRIX_IMPORTED;
    return cell;
}
