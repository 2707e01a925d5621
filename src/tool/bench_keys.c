#include "tool/bench_keys.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

static const CK_BBOOL YES = CK_TRUE;
static const CK_BBOOL NO = CK_FALSE;

/* A template's value pointers are not const in the standard, though nobody writes there. */
static CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    return (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}
#define VALUE(type, variable)  attribute((type), &(variable), sizeof(variable))
#define TRUTH(type, condition) attribute((type), (condition) ? &YES : &NO, sizeof(CK_BBOOL))

static bool remember(struct bench_target *target, CK_OBJECT_HANDLE object)
{
    if (target->made_count == target->made_cap) {
        size_t cap = target->made_cap ? 2 * target->made_cap : 16;
        CK_OBJECT_HANDLE *made = mem_resize(target->made, cap, sizeof *made);
        if (!made) {
            (void)target->module->calls->C_DestroyObject(target->module->keeper, object);
            return false;
        }
        target->made = made;
        target->made_cap = cap;
    }
    target->made[target->made_count++] = object;
    return true;
}

static CK_RV remember_pair(struct bench_target *target)
{
    bool public = remember(target, target->public);
    bool private = remember(target, target->key);
    return public && private ? CKR_OK : CKR_HOST_MEMORY;
}

static void key_id(uint8_t id[8])
{
    /* Only a name: without randomness all bench keys have the same one, which hurts nobody. */
    if (RAND_bytes(id, 8) != 1)
        memset(id, 0, 8);
}

static CK_RV ec_pair(const struct bench_target *target, CK_SESSION_HANDLE session, bool on_token,
                     CK_OBJECT_HANDLE *ret_private, CK_OBJECT_HANDLE *ret_public)
{
    uint8_t id[8];
    key_id(id);
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public[] = {TRUTH(CKA_TOKEN, on_token), TRUTH(CKA_VERIFY, true),
                             attribute(CKA_EC_PARAMS, target->op->oid, target->op->oid_len),
                             attribute(CKA_LABEL, target->label, strlen(target->label)), VALUE(CKA_ID, id)};
    CK_ATTRIBUTE private[] = {
        TRUTH(CKA_TOKEN, on_token), TRUTH(CKA_PRIVATE, true),
        TRUTH(CKA_SENSITIVE, true), TRUTH(CKA_EXTRACTABLE, false),
        TRUTH(CKA_SIGN, true),      attribute(CKA_LABEL, target->label, strlen(target->label)),
        VALUE(CKA_ID, id)};
    return target->module->calls->C_GenerateKeyPair(session, &mechanism, public, ARRAY_LEN(public), private,
                                                    ARRAY_LEN(private), ret_public, ret_private);
}

/* The uncompressed point is there bare or in a DER OCTET STRING, by vendor. */
CK_RV bench_keys_ec_peer(const struct bench_target *target, CK_SESSION_HANDLE session,
                         CK_OBJECT_HANDLE public, EVP_PKEY **ret)
{
    uint8_t value[256];
    CK_ATTRIBUTE point = VALUE(CKA_EC_POINT, value);
    CK_RV rv = target->module->calls->C_GetAttributeValue(session, public, &point, 1);
    if (rv != CKR_OK)
        return rv;
    size_t want = target->op->point_len;
    if (point.ulValueLen < want || point.ulValueLen > want + 3)
        return CKR_GENERAL_ERROR;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)target->op->group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, value + point.ulValueLen - want, want),
        OSSL_PARAM_construct_end()};
    EVP_PKEY *peer = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    bool good = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &peer, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!good)
        return CKR_GENERAL_ERROR;
    *ret = peer;
    return CKR_OK;
}

CK_RV bench_keys_ec(struct bench_target *target)
{
    CK_SESSION_HANDLE session = target->module->keeper;
    CK_RV rv = ec_pair(target, session, !target->session_keys, &target->key, &target->public);
    if (rv == CKR_OK)
        rv = remember_pair(target);
    if (rv == CKR_OK)
        rv = bench_keys_ec_peer(target, session, target->public, &target->peer);
    return rv;
}

CK_RV bench_keys_session_ec(const struct bench_target *target, CK_SESSION_HANDLE session,
                            CK_OBJECT_HANDLE *ret_private, CK_OBJECT_HANDLE *ret_public)
{
    return ec_pair(target, session, false, ret_private, ret_public);
}

static CK_RV rsa_peer(struct bench_target *target)
{
    uint8_t n[1024];
    uint8_t e[64];
    CK_ATTRIBUTE parts[] = {VALUE(CKA_MODULUS, n), VALUE(CKA_PUBLIC_EXPONENT, e)};
    CK_RV rv = target->module->calls->C_GetAttributeValue(target->module->keeper, target->public, parts, 2);
    if (rv != CKR_OK)
        return rv;
    if (parts[0].ulValueLen > sizeof n || parts[1].ulValueLen > sizeof e)
        return CKR_GENERAL_ERROR;
    BIGNUM *modulus = BN_bin2bn(n, (int)parts[0].ulValueLen, NULL);
    BIGNUM *exponent = BN_bin2bn(e, (int)parts[1].ulValueLen, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (modulus && exponent && build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool good = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &target->peer, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(exponent);
    BN_free(modulus);
    return good ? CKR_OK : CKR_GENERAL_ERROR;
}

CK_RV bench_keys_rsa(struct bench_target *target, bool sign)
{
    static const uint8_t F4[] = {1, 0, 1};
    uint8_t id[8];
    key_id(id);
    bool on_token = !target->session_keys;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public[] = {TRUTH(CKA_TOKEN, on_token),
                             TRUTH(CKA_VERIFY, sign),
                             TRUTH(CKA_ENCRYPT, !sign),
                             VALUE(CKA_MODULUS_BITS, target->op->bits),
                             VALUE(CKA_PUBLIC_EXPONENT, F4),
                             attribute(CKA_LABEL, target->label, strlen(target->label)),
                             VALUE(CKA_ID, id)};
    CK_ATTRIBUTE private[] = {TRUTH(CKA_TOKEN, on_token),
                              TRUTH(CKA_PRIVATE, true),
                              TRUTH(CKA_SENSITIVE, true),
                              TRUTH(CKA_EXTRACTABLE, false),
                              TRUTH(CKA_SIGN, sign),
                              TRUTH(CKA_DECRYPT, !sign),
                              attribute(CKA_LABEL, target->label, strlen(target->label)),
                              VALUE(CKA_ID, id)};
    CK_RV rv = target->module->calls->C_GenerateKeyPair(target->module->keeper, &mechanism, public,
                                                        ARRAY_LEN(public), private, ARRAY_LEN(private),
                                                        &target->public, &target->key);
    if (rv == CKR_OK)
        rv = remember_pair(target);
    return rv == CKR_OK ? rsa_peer(target) : rv;
}

/* A secret key for encrypt and decrypt, or (HMAC) for sign and verify. */
static CK_RV secret(struct bench_target *target, CK_KEY_TYPE type, CK_MECHANISM_TYPE generate)
{
    const CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    const CK_ULONG len = BENCH_SECRET_LEN;
    const CK_FUNCTION_LIST *calls = target->module->calls;
    bool mac = type == CKK_GENERIC_SECRET;
    target->secret = secret_alloc(BENCH_SECRET_LEN);
    if (!target->secret)
        return CKR_HOST_MEMORY;
    CK_ATTRIBUTE template[] = {TRUTH(CKA_TOKEN, !target->session_keys),
                               TRUTH(CKA_PRIVATE, true),
                               TRUTH(CKA_SENSITIVE, true),
                               TRUTH(CKA_EXTRACTABLE, false),
                               TRUTH(mac ? CKA_SIGN : CKA_ENCRYPT, true),
                               TRUTH(mac ? CKA_VERIFY : CKA_DECRYPT, true),
                               attribute(CKA_LABEL, target->label, strlen(target->label)),
                               VALUE(CKA_CLASS, class),
                               VALUE(CKA_KEY_TYPE, type),
                               attribute(CKA_VALUE, target->secret, BENCH_SECRET_LEN)};
    CK_RV rv = CKR_HOST_MEMORY;
    if (RAND_priv_bytes(target->secret, BENCH_SECRET_LEN) == 1)
        rv = calls->C_CreateObject(target->module->keeper, template, ARRAY_LEN(template), &target->key);
    target->secret_known = rv == CKR_OK;
    if (rv != CKR_OK) {
        CK_MECHANISM mechanism = {generate, NULL, 0};
        template[ARRAY_LEN(template) - 1] = VALUE(CKA_VALUE_LEN, len);
        rv = calls->C_GenerateKey(target->module->keeper, &mechanism, template, ARRAY_LEN(template),
                                  &target->key);
    }
    if (rv != CKR_OK)
        return rv;
    return remember(target, target->key) ? CKR_OK : CKR_HOST_MEMORY;
}

CK_RV bench_keys_aes(struct bench_target *target)
{
    return secret(target, CKK_AES, CKM_AES_KEY_GEN);
}

CK_RV bench_keys_hmac(struct bench_target *target)
{
    return secret(target, CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN);
}

static CK_RV aes(const struct bench_target *target, CK_SESSION_HANDLE session, bool on_token,
                 const char *label, CK_OBJECT_HANDLE *ret)
{
    const CK_ULONG len = BENCH_SECRET_LEN;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE template[] = {TRUTH(CKA_TOKEN, on_token),
                               TRUTH(CKA_PRIVATE, true),
                               TRUTH(CKA_SENSITIVE, true),
                               TRUTH(CKA_EXTRACTABLE, false),
                               TRUTH(CKA_ENCRYPT, true),
                               TRUTH(CKA_DECRYPT, true),
                               attribute(CKA_LABEL, label, strlen(label)),
                               VALUE(CKA_VALUE_LEN, len)};
    return target->module->calls->C_GenerateKey(session, &mechanism, template, ARRAY_LEN(template), ret);
}

CK_RV bench_keys_session_aes(const struct bench_target *target, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE *ret)
{
    return aes(target, session, false, target->label, ret);
}

void bench_keys_label(const struct bench_target *target, unsigned long number, char text[BENCH_LABEL_MAX])
{
    (void)snprintf(text, BENCH_LABEL_MAX, "%s-%07lu", target->label, number);
}

/* A data object, or where there are none (NSS) a key. */
static CK_RV crowd_member(const struct bench_target *target, unsigned long number, bool *as_key,
                          CK_OBJECT_HANDLE *ret)
{
    const CK_OBJECT_CLASS class = CKO_DATA;
    char label[BENCH_LABEL_MAX];
    bench_keys_label(target, number, label);
    CK_ATTRIBUTE template[] = {VALUE(CKA_CLASS, class), TRUTH(CKA_TOKEN, !target->session_keys),
                               TRUTH(CKA_PRIVATE, false), attribute(CKA_LABEL, label, strlen(label)),
                               attribute(CKA_VALUE, label, strlen(label))};
    if (!*as_key) {
        CK_RV rv =
            target->module->calls->C_CreateObject(target->module->keeper, template, ARRAY_LEN(template), ret);
        if (rv == CKR_OK || number)
            return rv;
        *as_key = true;
    }
    return aes(target, target->module->keeper, !target->session_keys, label, ret);
}

CK_RV bench_keys_crowd(struct bench_target *target)
{
    bool as_key = false;
    for (unsigned long i = 0; i < target->objects; i++) {
        CK_OBJECT_HANDLE object;
        CK_RV rv = crowd_member(target, i, &as_key, &object);
        if (rv != CKR_OK)
            return rv;
        if (!remember(target, object))
            return CKR_HOST_MEMORY;
    }
    return CKR_OK;
}
