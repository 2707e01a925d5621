#include "replica/proof.h"

#include <string.h>

#include "base/secret.h"
#include "replica/public.h"

/* What is encrypted, authenticated or signed. */
static const uint8_t text[32] = "p11ha replica proof, version one";
/* Signed when the public key is looked for; another one than that which then proves it. */
static const uint8_t other_text[32] = "p11ha replica point, version one";

/* Usage flags that a proof may find missing are set on a session copy for as long as it takes. */
struct borrowed {
    CK_OBJECT_HANDLE handle;
    bool copied;
};

CK_RV proof_choose(const struct attrs *attrs, enum record_proof *ret_kind, CK_MECHANISM_TYPE *ret_mech)
{
    CK_OBJECT_CLASS class = attrs_ulong(attrs, CKA_CLASS, CKO_DATA);
    CK_KEY_TYPE type = attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    CK_ULONG len = attrs_ulong(attrs, CKA_VALUE_LEN, 0);
    *ret_kind = PROOF_NONE;
    *ret_mech = CK_UNAVAILABLE_INFORMATION;
    if (class == CKO_PRIVATE_KEY) {
        *ret_kind = PROOF_PUBLIC;
        *ret_mech = type == CKK_RSA ? CKM_RSA_PKCS : type == CKK_EC ? CKM_ECDSA : CKM_DSA;
        return type == CKK_RSA || type == CKK_EC || type == CKK_DSA ? CKR_OK : CKR_KEY_TYPE_INCONSISTENT;
    }
    if (class != CKO_SECRET_KEY)
        return CKR_OK;
    if (type == CKK_AES || type == CKK_DES3 || type == CKK_DES2 || type == CKK_DES) {
        *ret_kind = PROOF_KCV;
        *ret_mech = type == CKK_AES ? CKM_AES_ECB : type == CKK_DES ? CKM_DES_ECB : CKM_DES3_ECB;
        return CKR_OK;
    }
    *ret_kind = PROOF_HMAC;
    /* SoftHSM wants a key at least as long as the hash. */
    *ret_mech = len == 0 || len >= 32 ? CKM_SHA256_HMAC : len >= 20 ? CKM_SHA_1_HMAC : CKM_MD5_HMAC;
    return len == 0 || len >= 16 ? CKR_OK : CKR_KEY_SIZE_RANGE;
}

static bool is_allowed(const struct attrs *attrs, CK_MECHANISM_TYPE mech)
{
    const CK_ATTRIBUTE *allowed = attrs_get(attrs, CKA_ALLOWED_MECHANISMS);
    if (!allowed || allowed->ulValueLen == 0)
        return true;
    const CK_MECHANISM_TYPE *type = allowed->pValue;
    for (size_t i = 0; i < allowed->ulValueLen / sizeof(*type); i++)
        if (type[i] == mech)
            return true;
    return false;
}

static CK_RV borrow(struct remote remote, CK_OBJECT_HANDLE object, const struct attrs *attrs,
                    CK_ATTRIBUTE_TYPE flag, struct borrowed *ret)
{
    *ret = (struct borrowed){.handle = object};
    if (attrs_bool(attrs, flag, true))
        return CKR_OK;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &no, sizeof(no)}, {flag, &yes, sizeof(yes)}};
    CK_RV rv = remote_copy(remote, object, templ, ARRAY_LEN(templ), &ret->handle);
    ret->copied = rv == CKR_OK;
    return rv;
}

static void give_back(struct remote remote, const struct borrowed *borrowed)
{
    if (borrowed->copied)
        (void)!remote_destroy(remote, borrowed->handle);
}

static CK_RV compute(struct remote remote, CK_OBJECT_HANDLE object, const struct record *record,
                     const uint8_t *data, uint8_t *out, size_t *len)
{
    bool encrypts = record->proof_kind == PROOF_KCV;
    struct borrowed borrowed;
    CK_RV rv = borrow(remote, object, &record->attrs, encrypts ? CKA_ENCRYPT : CKA_SIGN, &borrowed);
    if (rv != CKR_OK)
        return rv;
    CK_MECHANISM mech = {.mechanism = record->proof_mech};
    size_t data_len = encrypts && record->proof_mech != CKM_AES_ECB ? 8 : encrypts ? 16 : sizeof(text);
    bool login = attrs_bool(&record->attrs, CKA_ALWAYS_AUTHENTICATE, false);
    rv = remote_crypt(remote, encrypts ? OP_ENCRYPT : OP_SIGN, &mech, borrowed.handle, data, data_len, out,
                      len, login);
    give_back(remote, &borrowed);
    return rv;
}

/* A key whose own restrictions forbid the proof is known by its public attributes alone. */
static CK_RV compare_attributes(struct remote remote, CK_OBJECT_HANDLE object, const struct record *record)
{
    static const CK_ATTRIBUTE_TYPE type[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_MODULUS, CKA_EC_PARAMS,
                                             CKA_EC_POINT};
    struct attrs there = {0};
    CK_RV rv = remote_get(remote, object, type, ARRAY_LEN(type), &there);
    for (size_t i = 0; rv == CKR_OK && i < ARRAY_LEN(type); i++) {
        const CK_ATTRIBUTE *a = attrs_get(&record->attrs, type[i]), *b = attrs_get(&there, type[i]);
        if (a && b && (a->ulValueLen != b->ulValueLen || memcmp(a->pValue, b->pValue, a->ulValueLen) != 0))
            rv = CKR_KEY_CHANGED;
    }
    attrs_free(&there);
    return rv;
}

bool proof_tells(const struct record *record)
{
    if (record->proof_kind == PROOF_NONE)
        return false;
    return is_allowed(&record->attrs, record->proof_mech) || attrs_get(&record->attrs, CKA_MODULUS);
}

CK_RV proof_make(struct remote remote, CK_OBJECT_HANDLE object, struct record *record)
{
    CK_RV rv = proof_choose(&record->attrs, &record->proof_kind, &record->proof_mech);
    if (rv != CKR_OK || record->proof_kind == PROOF_NONE)
        return rv;
    if (!is_allowed(&record->attrs, record->proof_mech))
        return CKR_OK;
    if (record->proof_kind == PROOF_PUBLIC)
        return proof_check(remote, object, record);
    uint8_t value[64];
    size_t len = sizeof(value);
    rv = compute(remote, object, record, text, value, &len);
    /* Of a secret that was unwrapped not every token tells the length: it may be shorter than was hoped. */
    static const CK_MECHANISM_TYPE shorter[] = {CKM_SHA_1_HMAC, CKM_MD5_HMAC};
    for (size_t i = 0; i < ARRAY_LEN(shorter) && rv == CKR_KEY_SIZE_RANGE &&
                       record->proof_kind == PROOF_HMAC && attrs_ulong(&record->attrs, CKA_VALUE_LEN, 0) == 0;
         i++) {
        record->proof_mech = shorter[i];
        len = sizeof(value);
        rv = compute(remote, object, record, text, value, &len);
    }
    if (rv != CKR_OK)
        return rv;
    record->proof_len = size_min(len, PROOF_MAX);
    memcpy(record->proof, value, record->proof_len);
    return CKR_OK;
}

CK_RV proof_check(struct remote remote, CK_OBJECT_HANDLE object, const struct record *record)
{
    if (record->proof_kind == PROOF_NONE)
        return CKR_OK;
    if (!is_allowed(&record->attrs, record->proof_mech))
        return compare_attributes(remote, object, record);
    uint8_t value[1024];
    size_t len = sizeof(value);
    CK_RV rv = compute(remote, object, record, text, value, &len);
    if (rv == CKR_ACTION_PROHIBITED || rv == CKR_ATTRIBUTE_READ_ONLY)
        return compare_attributes(remote, object, record);
    if (rv != CKR_OK)
        return rv;
    bool right;
    if (record->proof_kind == PROOF_PUBLIC)
        right = public_verifies(&record->public_part, record->proof_mech, text, sizeof(text), value, len);
    else
        right = size_min(len, PROOF_MAX) == record->proof_len &&
                secret_equal(value, record->proof, record->proof_len);
    return right ? CKR_OK : CKR_KEY_CHANGED;
}

CK_RV proof_find_point(struct remote remote, CK_OBJECT_HANDLE object, struct record *record)
{
    uint8_t signature[256];
    size_t len = sizeof(signature);
    CK_RV rv = proof_choose(&record->attrs, &record->proof_kind, &record->proof_mech);
    if (rv != CKR_OK || record->proof_mech != CKM_ECDSA || !is_allowed(&record->attrs, CKM_ECDSA))
        return CKR_TEMPLATE_INCOMPLETE;
    rv = compute(remote, object, record, other_text, signature, &len);
    if (rv != CKR_OK)
        return rv == CKR_ACTION_PROHIBITED || rv == CKR_ATTRIBUTE_READ_ONLY ? CKR_TEMPLATE_INCOMPLETE : rv;
    struct attrs params = record->public_part;
    record->public_part = (struct attrs){0};
    rv = CKR_KEY_CHANGED;
    for (unsigned odd = 0; odd < 2 && rv == CKR_KEY_CHANGED; odd++) {
        attrs_free(&record->public_part);
        rv = public_of_signature(&params, other_text, sizeof(other_text), signature, len, odd != 0,
                                 &record->public_part);
        if (rv == CKR_OK)
            rv = proof_check(remote, object, record);
    }
    attrs_free(&params);
    return rv == CKR_KEY_CHANGED ? CKR_TEMPLATE_INCOMPLETE : rv;
}
