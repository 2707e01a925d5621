#include "replica/wrap.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "call/rv.h"

static CK_RSA_PKCS_OAEP_PARAMS oaep = {
    .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};

static CK_MECHANISM oaep_mech(void)
{
    return (CK_MECHANISM){CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
}

bool wrap_never(CK_RV rv)
{
    return rv == CKR_KEY_NOT_WRAPPABLE || rv == CKR_KEY_SIZE_RANGE || rv == CKR_KEY_TYPE_INCONSISTENT ||
           rv == CKR_KEY_UNEXTRACTABLE || rv == CKR_MECHANISM_INVALID;
}

/* Ciphers' keys are all multiples of 8. Of a secret that was unwrapped not every token tells the length. */
static bool keeps_length(const struct attrs *attrs)
{
    CK_KEY_TYPE type = attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    CK_ULONG len = attrs_ulong(attrs, CKA_VALUE_LEN, 0);
    if (attrs_ulong(attrs, CKA_CLASS, CKO_DATA) != CKO_SECRET_KEY)
        return true;
    if (type == CKK_AES || type == CKK_DES || type == CKK_DES2 || type == CKK_DES3)
        return true;
    return len != 0 && len % 8 == 0;
}

/* The transport key's halves are records of their own: the public one has the private one's CKA_ID. */
static CK_RV transport_handle(struct managed *managed, struct remote remote, bool private,
                              CK_OBJECT_HANDLE *ret)
{
    struct object *object = catalog_by_uuid(managed->group->catalog, managed->transport);
    if (!object)
        return CKR_KEY_NOT_WRAPPABLE;
    CK_RV rv;
    if (private) {
        rv = object_replica(object, remote.member->index, member_epoch(remote.member), ret)
                 ? CKR_OK
                 : managed->group->hooks.resolve(managed->group->hooks.ctx, object, remote.member,
                                                 remote.deadline, ret);
        object_unref(object);
        return rv;
    }
    struct attrs attrs = {0};
    rv = catalog_attrs(managed->group->catalog, object, &attrs);
    object_unref(object);
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const CK_ATTRIBUTE *modulus = attrs_get(&attrs, CKA_MODULUS),
                       *exponent = attrs_get(&attrs, CKA_PUBLIC_EXPONENT);
    if (rv == CKR_OK && modulus && exponent) {
        CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
                                {CKA_KEY_TYPE, &type, sizeof(type)},
                                {CKA_TOKEN, &no, sizeof(no)},
                                {CKA_PRIVATE, &no, sizeof(no)},
                                {CKA_WRAP, &yes, sizeof(yes)},
                                {CKA_ENCRYPT, &yes, sizeof(yes)},
                                *modulus,
                                *exponent};
        rv = remote_create(remote, templ, ARRAY_LEN(templ), ret);
    } else if (rv == CKR_OK) {
        rv = CKR_KEY_NOT_WRAPPABLE;
    }
    attrs_free(&attrs);
    return rv;
}

static CK_RV wrap_for_transport(struct managed *managed, struct remote remote, CK_OBJECT_HANDLE key,
                                struct buf *blob)
{
    CK_OBJECT_HANDLE with;
    CK_RV rv = transport_handle(managed, remote, false, &with);
    if (rv != CKR_OK)
        return rv;
    CK_MECHANISM mech = oaep_mech();
    rv = remote_wrap(remote, &mech, with, key, blob);
    (void)!remote_destroy(remote, with);
    return rv;
}

static CK_RV group_mech(struct managed *managed, struct remote remote, CK_MECHANISM *ret_mech,
                        CK_OBJECT_HANDLE *ret_kek)
{
    CK_RV rv = keyring_find(&managed->keyring, managed->keyring.kek, remote, ret_kek);
    if (rv == CKR_OK && atomic_load(&managed->keyring.wrap_mech[remote.member->index]) == 0)
        rv = keyring_prove(&managed->keyring, remote);
    *ret_mech = (CK_MECHANISM){.mechanism = atomic_load(&managed->keyring.wrap_mech[remote.member->index])};
    return rv;
}

CK_RV wrap_key(struct managed *managed, struct remote remote, CK_OBJECT_HANDLE key, struct record *record)
{
    struct buf blob = {0};
    CK_RV rv;
    record->kek = managed->keyring.meta->kek;
    if (keeps_length(&record->attrs)) {
        CK_MECHANISM mech;
        CK_OBJECT_HANDLE kek;
        record->wrap = WRAP_KWP;
        rv = group_mech(managed, remote, &mech, &kek);
        if (rv == CKR_OK)
            rv = remote_wrap(remote, &mech, kek, key, &blob);
    } else {
        record->wrap = WRAP_TRANSPORT;
        rv = wrap_for_transport(managed, remote, key, &blob);
    }
    if (rv == CKR_OK) {
        mem_free(record->wrapped);
        record->wrapped = mem_dup(blob.data, blob.len);
        record->wrapped_len = blob.len;
        rv = record->wrapped ? CKR_OK : CKR_HOST_MEMORY;
    }
    buf_free(&blob);
    return rv;
}

CK_RV wrap_restore(struct managed *managed, struct remote remote, const struct record *record,
                   const CK_ATTRIBUTE *templ, size_t count, CK_OBJECT_HANDLE *ret)
{
    CK_MECHANISM mech = oaep_mech();
    CK_OBJECT_HANDLE with;
    CK_RV rv = record->wrap == WRAP_KWP ? group_mech(managed, remote, &mech, &with)
                                        : transport_handle(managed, remote, true, &with);
    if (rv != CKR_OK)
        return rv;
    return remote_unwrap(remote, &mech, with, record->wrapped, record->wrapped_len, templ, count, ret);
}
