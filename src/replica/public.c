#include "replica/public.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

static const CK_ATTRIBUTE_TYPE parts[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT,
                                          CKA_PRIME,   CKA_SUBPRIME,        CKA_BASE};

CK_RV public_part(const struct attrs *public_key, struct attrs *ret)
{
    CK_RV rv = CKR_OK;
    for (size_t i = 0; i < ARRAY_LEN(parts) && rv == CKR_OK; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(public_key, parts[i]);
        if (attr)
            rv = attrs_set(ret, attr->type, attr->pValue, attr->ulValueLen);
    }
    const CK_ATTRIBUTE *value = attrs_get(public_key, CKA_VALUE);
    if (rv == CKR_OK && value && attrs_get(public_key, CKA_PRIME))
        rv = attrs_set(ret, CKA_VALUE, value->pValue, value->ulValueLen);
    return rv;
}

static BIGNUM *number(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = attrs_get(attrs, type);
    return attr ? BN_bin2bn(attr->pValue, (int)attr->ulValueLen, NULL) : NULL;
}

/* The curve's name, of an ECParameters that names it. */
static const char *curve_name(const struct attrs *attrs)
{
    const CK_ATTRIBUTE *params = attrs_get(attrs, CKA_EC_PARAMS);
    const unsigned char *at = params ? params->pValue : NULL;
    ASN1_OBJECT *oid = at ? d2i_ASN1_OBJECT(NULL, &at, (long)params->ulValueLen) : NULL;
    int nid = oid ? OBJ_obj2nid(oid) : NID_undef;
    ASN1_OBJECT_free(oid);
    return nid == NID_undef ? NULL : OBJ_nid2sn(nid);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *numbers_key(const struct attrs *part, const char *type, const char *const *name,
                             const CK_ATTRIBUTE_TYPE *attr, size_t count)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *bn[4] = {NULL};
    bool good = build != NULL;
    for (size_t i = 0; good && i < count; i++) {
        bn[i] = number(part, attr[i]);
        good = bn[i] && OSSL_PARAM_BLD_push_BN(build, name[i], bn[i]) == 1;
    }
    EVP_PKEY *key = good ? from_params(type, build) : NULL;
    for (size_t i = 0; i < count; i++)
        BN_free(bn[i]);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static bool is_point(const ASN1_OCTET_STRING *octets)
{
    const unsigned char *data = ASN1_STRING_get0_data(octets);
    return ASN1_STRING_length(octets) > 1 && ASN1_STRING_length(octets) % 2 == 1 && data[0] >= 2 && data[0] <= 4;
}

/* EC_POINT is a DER octet string by the standard; some tokens give the bare point. */
static EVP_PKEY *ec_key(const struct attrs *part)
{
    const CK_ATTRIBUTE *attr = attrs_get(part, CKA_EC_POINT);
    const char *curve = curve_name(part);
    if (!attr || !curve)
        return NULL;
    /* A bare point begins like an octet string: it is one only if it is one to its end and holds a point. */
    const unsigned char *at = attr->pValue, *end = at + attr->ulValueLen;
    ASN1_OCTET_STRING *wrapped = d2i_ASN1_OCTET_STRING(NULL, &at, (long)attr->ulValueLen);
    if (wrapped && (at != end || !is_point(wrapped))) {
        ASN1_OCTET_STRING_free(wrapped);
        wrapped = NULL;
    }
    const unsigned char *point = wrapped ? ASN1_STRING_get0_data(wrapped) : attr->pValue;
    size_t len = wrapped ? (size_t)ASN1_STRING_length(wrapped) : attr->ulValueLen;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, len) == 1)
        key = from_params("EC", build);
    OSSL_PARAM_BLD_free(build);
    ASN1_OCTET_STRING_free(wrapped);
    return key;
}

static EVP_PKEY *key_of(const struct attrs *part, CK_MECHANISM_TYPE mech)
{
    static const char *const rsa[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E};
    static const CK_ATTRIBUTE_TYPE rsa_attr[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT};
    static const char *const dsa[] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_G,
                                      OSSL_PKEY_PARAM_PUB_KEY};
    static const CK_ATTRIBUTE_TYPE dsa_attr[] = {CKA_PRIME, CKA_SUBPRIME, CKA_BASE, CKA_VALUE};
    if (mech == CKM_RSA_PKCS)
        return numbers_key(part, "RSA", rsa, rsa_attr, 2);
    if (mech == CKM_DSA)
        return numbers_key(part, "DSA", dsa, dsa_attr, 4);
    return ec_key(part);
}

/* PKCS#11 gives r and s side by side, OpenSSL wants them in DER. */
static unsigned char *der_signature(const uint8_t *raw, size_t len, int *ret_len)
{
    if (len == 0 || len % 2 != 0)
        return NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)(len / 2), NULL), *s = BN_bin2bn(raw + len / 2, (int)(len / 2), NULL);
    unsigned char *der = NULL;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        *ret_len = i2d_ECDSA_SIG(sig, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return der;
}

bool public_verifies(const struct attrs *part, CK_MECHANISM_TYPE mech, const uint8_t *data, size_t len,
                     const uint8_t *signature, size_t signature_len)
{
    EVP_PKEY *key = key_of(part, mech);
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool right = false;
    if (ctx && EVP_PKEY_verify_init(ctx) == 1) {
        if (mech == CKM_RSA_PKCS) {
            right = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                    EVP_PKEY_verify(ctx, signature, signature_len, data, len) == 1;
        } else {
            int der_len = 0;
            unsigned char *der = der_signature(signature, signature_len, &der_len);
            right = der && EVP_PKEY_verify(ctx, der, (size_t)der_len, data, len) == 1;
            OPENSSL_free(der);
        }
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return right;
}

static CK_RV ec_point_of(const struct attrs *private_key, struct attrs *ret)
{
    const char *curve = curve_name(private_key);
    const CK_ATTRIBUTE *value = attrs_get(private_key, CKA_VALUE);
    EC_GROUP *group = curve ? EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve)) : NULL;
    BIGNUM *d = value ? BN_bin2bn(value->pValue, (int)value->ulValueLen, BN_secure_new()) : NULL;
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    unsigned char raw[256];
    size_t len = 0;
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    if (d && point && EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1)
        len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, raw, sizeof(raw), NULL);
    ASN1_OCTET_STRING *octets = len ? ASN1_OCTET_STRING_new() : NULL;
    unsigned char *der = NULL;
    if (octets && ASN1_OCTET_STRING_set(octets, raw, (int)len) == 1) {
        int der_len = i2d_ASN1_OCTET_STRING(octets, &der);
        if (der_len > 0)
            rv = attrs_set(ret, CKA_EC_POINT, der, (size_t)der_len);
    }
    OPENSSL_free(der);
    ASN1_OCTET_STRING_free(octets);
    EC_POINT_free(point);
    BN_clear_free(d);
    EC_GROUP_free(group);
    return rv;
}

static CK_RV dsa_value_of(const struct attrs *private_key, struct attrs *ret)
{
    BIGNUM *p = number(private_key, CKA_PRIME), *g = number(private_key, CKA_BASE), *x = number(private_key, CKA_VALUE);
    BIGNUM *y = BN_new();
    BN_CTX *ctx = BN_CTX_secure_new();
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    unsigned char raw[1024];
    if (p && g && x && y && ctx && BN_num_bytes(p) <= (int)sizeof(raw) && BN_mod_exp_mont_consttime(y, g, x, p, ctx, NULL) == 1) {
        int len = BN_bn2bin(y, raw);
        rv = attrs_set(ret, CKA_VALUE, raw, (size_t)len);
    }
    BN_CTX_free(ctx);
    BN_free(y);
    BN_clear_free(x);
    BN_free(g);
    BN_free(p);
    return rv;
}

CK_RV public_of_private(const struct attrs *private_key, struct attrs *ret)
{
    CK_RV rv = CKR_OK;
    for (size_t i = 0; i < ARRAY_LEN(parts) && rv == CKR_OK; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(private_key, parts[i]);
        if (attr)
            rv = attrs_set(ret, attr->type, attr->pValue, attr->ulValueLen);
    }
    if (rv != CKR_OK)
        return rv;
    switch (attrs_ulong(private_key, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION)) {
    case CKK_RSA:
        return attrs_get(ret, CKA_MODULUS) && attrs_get(ret, CKA_PUBLIC_EXPONENT) ? CKR_OK : CKR_TEMPLATE_INCOMPLETE;
    case CKK_EC:
        return attrs_get(ret, CKA_EC_POINT) ? CKR_OK : ec_point_of(private_key, ret);
    case CKK_DSA:
        return dsa_value_of(private_key, ret);
    default:
        return CKR_OK;
    }
}
