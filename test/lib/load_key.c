#include "test/lib/load_key.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BYTE f4[] = {0x01, 0x00, 0x01};

struct maker {
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
    const char *label, **call;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static CK_RV said(const struct maker *maker, const char *call, CK_RV rv)
{
    *maker->call = call;
    return rv;
}

static CK_ATTRIBUTE label_of(const struct maker *maker)
{
    return (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)maker->label, strlen(maker->label)};
}

/* CK_INVALID_HANDLE in *ret if there is none. */
static CK_RV find(const struct maker *maker, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)}, label_of(maker)};
    CK_ULONG count = 0;
    CK_RV rv =
        said(maker, "C_FindObjectsInit", maker->p11->C_FindObjectsInit(maker->session, templ, COUNT(templ)));
    if (rv != CKR_OK)
        return rv;
    rv = said(maker, "C_FindObjects", maker->p11->C_FindObjects(maker->session, ret, 1, &count));
    maker->p11->C_FindObjectsFinal(maker->session);
    if (rv == CKR_OK && count == 0)
        *ret = CK_INVALID_HANDLE;
    return rv;
}

static CK_RV make_pair(const struct maker *maker, bool rsa, CK_OBJECT_HANDLE *ret)
{
    CK_MECHANISM mech = {rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, &yes, sizeof(yes)},
        label_of(maker),
        {CKA_VERIFY, &yes, sizeof(yes)},
        {rsa ? CKA_MODULUS_BITS : CKA_EC_PARAMS, rsa ? (void *)&bits : p256,
         rsa ? sizeof(bits) : sizeof(p256)},
        {CKA_PUBLIC_EXPONENT, f4, sizeof(f4)},
    };
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, sizeof(yes)},     label_of(maker),
        {CKA_SIGN, &yes, sizeof(yes)},      {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
    };
    CK_OBJECT_HANDLE ignored;
    return said(maker, "C_GenerateKeyPair",
                maker->p11->C_GenerateKeyPair(maker->session, &mech, public, COUNT(public) - !rsa, private,
                                              COUNT(private), &ignored, ret));
}

static CK_RV make_secret(const struct maker *maker, bool aes, uint8_t *value, CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = aes ? CKK_AES : CKK_GENERIC_SECRET;
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &yes, sizeof(yes)},
        label_of(maker),
        {CKA_VALUE, value, LOAD_VALUE_LEN},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},
        {aes ? CKA_ENCRYPT : CKA_SIGN, &yes, sizeof(yes)},
        {aes ? CKA_DECRYPT : CKA_VERIFY, &yes, sizeof(yes)},
    };
    return said(maker, "C_CreateObject",
                maker->p11->C_CreateObject(maker->session, templ, COUNT(templ), ret));
}

static CK_RV get(const struct maker *maker, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attrs, CK_ULONG count)
{
    return said(maker, "C_GetAttributeValue",
                maker->p11->C_GetAttributeValue(maker->session, object, attrs, count));
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static CK_RV read_ec(const struct maker *maker, CK_OBJECT_HANDLE object, EVP_PKEY **ret)
{
    CK_BYTE point[80];
    CK_ATTRIBUTE attr = {CKA_EC_POINT, point, sizeof(point)};
    CK_RV rv = get(maker, object, &attr, 1);
    if (rv != CKR_OK)
        return rv;
    /* A DER octet string around it. */
    bool wrapped = attr.ulValueLen == 67 && point[0] == 0x04 && point[1] == 65;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point + (wrapped ? 2 : 0),
                                     attr.ulValueLen - (wrapped ? 2 : 0));
    *ret = from_params("EC", build);
    return *ret ? CKR_OK : said(maker, "the public key", CKR_PUBLIC_KEY_INVALID);
}

static CK_RV read_rsa(const struct maker *maker, CK_OBJECT_HANDLE object, EVP_PKEY **ret)
{
    CK_BYTE modulus[512], exponent[16];
    CK_ATTRIBUTE attrs[] = {{CKA_MODULUS, modulus, sizeof(modulus)},
                            {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}};
    CK_RV rv = get(maker, object, attrs, COUNT(attrs));
    if (rv != CKR_OK)
        return rv;
    BIGNUM *n = BN_bin2bn(modulus, (int)attrs[0].ulValueLen, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)attrs[1].ulValueLen, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
    *ret = from_params("RSA", build);
    BN_free(n);
    BN_free(e);
    return *ret ? CKR_OK : said(maker, "the public key", CKR_PUBLIC_KEY_INVALID);
}

static CK_RV get_pair(const struct maker *maker, bool rsa, struct load_key *ret)
{
    CK_OBJECT_HANDLE public = CK_INVALID_HANDLE;
    CK_RV rv = find(maker, CKO_PRIVATE_KEY, &ret->handle);
    if (rv == CKR_OK && ret->handle == CK_INVALID_HANDLE)
        rv = make_pair(maker, rsa, &ret->handle);
    if (rv == CKR_OK)
        rv = find(maker, CKO_PUBLIC_KEY, &public);
    if (rv == CKR_OK && public == CK_INVALID_HANDLE)
        rv = said(maker, "the public key's search", CKR_OBJECT_HANDLE_INVALID);
    if (rv != CKR_OK)
        return rv;
    return rsa ? read_rsa(maker, public, &ret->public) : read_ec(maker, public, &ret->public);
}

static CK_RV get_secret(const struct maker *maker, bool aes, struct load_key *ret)
{
    char text[200];
    snprintf(text, sizeof(text), "load test key %s", maker->label);
    SHA256((const uint8_t *)text, strlen(text), ret->value);
    CK_RV rv = find(maker, CKO_SECRET_KEY, &ret->handle);
    if (rv == CKR_OK && ret->handle == CK_INVALID_HANDLE)
        rv = make_secret(maker, aes, ret->value, &ret->handle);
    return rv;
}

CK_RV load_key_get(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, const struct load_op *op,
                   const char *label, struct load_key *ret, const char **ret_call)
{
    struct maker maker = {p11, session, label, ret_call};
    memset(ret, 0, sizeof(*ret));
    ret->handle = CK_INVALID_HANDLE;
    if (op->maker == LOAD_MAKE_EC || op->maker == LOAD_MAKE_RSA)
        return get_pair(&maker, op->maker == LOAD_MAKE_RSA, ret);
    return get_secret(&maker, op->maker == LOAD_MAKE_AES, ret);
}
