#include "replica/public.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <string.h>

#define RSA_BYTES_MAX 2048

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

/* By its length, compressed or not: a bare point that looks like an octet string is two bytes too short. */
static bool is_point(const ASN1_OCTET_STRING *octets, const EC_GROUP *group)
{
    int coordinate = (EC_GROUP_get_degree(group) + 7) / 8, len = ASN1_STRING_length(octets);
    return len == 1 + coordinate || len == 1 + 2 * coordinate;
}

/* EC_POINT is a DER octet string by the standard; some tokens give the bare point. */
static EC_POINT *ec_point(const struct attrs *part, const EC_GROUP *group, BN_CTX *ctx)
{
    const CK_ATTRIBUTE *attr = attrs_get(part, CKA_EC_POINT);
    if (!attr)
        return NULL;
    /* A bare point begins like an octet string: it is one only if it is one to its end and holds a point. */
    const unsigned char *at = attr->pValue, *end = at + attr->ulValueLen;
    ASN1_OCTET_STRING *wrapped = d2i_ASN1_OCTET_STRING(NULL, &at, (long)attr->ulValueLen);
    if (wrapped && (at != end || !is_point(wrapped, group))) {
        ASN1_OCTET_STRING_free(wrapped);
        wrapped = NULL;
    }
    const unsigned char *raw = wrapped ? ASN1_STRING_get0_data(wrapped) : attr->pValue;
    size_t len = wrapped ? (size_t)ASN1_STRING_length(wrapped) : attr->ulValueLen;
    EC_POINT *point = EC_POINT_new(group);
    if (point &&
        (EC_POINT_oct2point(group, point, raw, len, ctx) != 1 || EC_POINT_is_at_infinity(group, point))) {
        EC_POINT_free(point);
        point = NULL;
    }
    ASN1_OCTET_STRING_free(wrapped);
    return point;
}

/*
 * Signatures are checked by arithmetic on public numbers. EVP_PKEY will not do: an application may have made
 * an engine the default for all keys of the process, and with libp11's that would lead back to here.
 */
struct signed_text {
    const uint8_t *data, *signature;
    size_t len, signature_len;
};

/* As CKM_RSA_PKCS pads: 00 01 FF .. FF 00 data. */
static bool is_padded(const uint8_t *block, size_t size, const struct signed_text *text)
{
    if (size < text->len + 11 || block[0] != 0 || block[1] != 1)
        return false;
    size_t zero = size - text->len - 1;
    for (size_t i = 2; i < zero; i++)
        if (block[i] != 0xff)
            return false;
    return block[zero] == 0 && memcmp(block + zero + 1, text->data, text->len) == 0;
}

static bool rsa_verifies(const struct attrs *part, const struct signed_text *text, BN_CTX *ctx)
{
    BIGNUM *n = number(part, CKA_MODULUS), *e = number(part, CKA_PUBLIC_EXPONENT);
    BIGNUM *s = BN_bin2bn(text->signature, (int)text->signature_len, NULL), *m = BN_new();
    uint8_t block[RSA_BYTES_MAX];
    size_t size = n ? (size_t)BN_num_bytes(n) : 0;
    bool right = n && e && s && m && size <= sizeof(block) && text->signature_len == size &&
                 BN_cmp(s, n) < 0 && BN_mod_exp(m, s, e, n, ctx) == 1 &&
                 BN_bn2binpad(m, block, (int)size) == (int)size && is_padded(block, size, text);
    BN_free(m);
    BN_free(s);
    BN_free(e);
    BN_free(n);
    return right;
}

static bool is_between(const BIGNUM *number, const BIGNUM *order)
{
    return !BN_is_zero(number) && !BN_is_negative(number) && BN_cmp(number, order) < 0;
}

/* What DSA and ECDSA have in common: r, and the factors of the base and of the public key. */
struct factors {
    BIGNUM *r, *base, *key;
};

static bool factors_find(struct factors *factors, const BIGNUM *order, const struct signed_text *text,
                         BN_CTX *ctx)
{
    size_t half = text->signature_len / 2;
    int bits = BN_num_bits(order);
    size_t used = size_min(text->len, (size_t)(bits + 7) / 8);
    BIGNUM *s = BN_CTX_get(ctx), *digest = BN_CTX_get(ctx);
    factors->r = BN_CTX_get(ctx);
    factors->base = BN_CTX_get(ctx);
    factors->key = BN_CTX_get(ctx);
    /* The last is NULL if any is. */
    if (!factors->key || half == 0 || text->signature_len % 2 != 0 ||
        !BN_bin2bn(text->signature, (int)half, factors->r) ||
        !BN_bin2bn(text->signature + half, (int)half, s) || !is_between(factors->r, order) ||
        !is_between(s, order) || !BN_bin2bn(text->data, (int)used, digest))
        return false;
    if ((int)used * 8 > bits && BN_rshift(digest, digest, (int)used * 8 - bits) != 1)
        return false;
    return BN_mod_inverse(s, s, order, ctx) && BN_mod_mul(factors->base, digest, s, order, ctx) == 1 &&
           BN_mod_mul(factors->key, factors->r, s, order, ctx) == 1;
}

static bool dsa_verifies(const struct attrs *part, const struct signed_text *text, BN_CTX *ctx)
{
    BIGNUM *p = number(part, CKA_PRIME), *q = number(part, CKA_SUBPRIME);
    BIGNUM *g = number(part, CKA_BASE), *y = number(part, CKA_VALUE);
    struct factors factors;
    bool right = p && q && g && y && BN_is_odd(p) && factors_find(&factors, q, text, ctx) &&
                 BN_mod_exp(g, g, factors.base, p, ctx) == 1 && BN_mod_exp(y, y, factors.key, p, ctx) == 1 &&
                 BN_mod_mul(g, g, y, p, ctx) == 1 && BN_nnmod(g, g, q, ctx) == 1 && BN_cmp(g, factors.r) == 0;
    BN_free(y);
    BN_free(g);
    BN_free(q);
    BN_free(p);
    return right;
}

static bool ec_verifies(const struct attrs *part, const struct signed_text *text, BN_CTX *ctx)
{
    const char *curve = curve_name(part);
    EC_GROUP *group = curve ? EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve)) : NULL;
    EC_POINT *key = group ? ec_point(part, group, ctx) : NULL, *sum = group ? EC_POINT_new(group) : NULL;
    BIGNUM *x = BN_CTX_get(ctx);
    struct factors factors;
    bool right = key && sum && x && factors_find(&factors, EC_GROUP_get0_order(group), text, ctx) &&
                 EC_POINT_mul(group, sum, factors.base, key, factors.key, ctx) == 1 &&
                 EC_POINT_is_at_infinity(group, sum) == 0 &&
                 EC_POINT_get_affine_coordinates(group, sum, x, NULL, ctx) == 1 &&
                 BN_nnmod(x, x, EC_GROUP_get0_order(group), ctx) == 1 && BN_cmp(x, factors.r) == 0;
    EC_POINT_free(sum);
    EC_POINT_free(key);
    EC_GROUP_free(group);
    return right;
}

bool public_verifies(const struct attrs *part, CK_MECHANISM_TYPE mech, const uint8_t *data, size_t len,
                     const uint8_t *signature, size_t signature_len)
{
    const struct signed_text text = {
        .data = data, .signature = signature, .len = len, .signature_len = signature_len};
    BN_CTX *ctx = BN_CTX_new();
    if (!ctx)
        return false;
    BN_CTX_start(ctx);
    bool right = mech == CKM_RSA_PKCS ? rsa_verifies(part, &text, ctx)
                 : mech == CKM_DSA    ? dsa_verifies(part, &text, ctx)
                                      : ec_verifies(part, &text, ctx);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    return right;
}

static CK_RV set_point(const EC_GROUP *group, const EC_POINT *point, struct attrs *ret)
{
    unsigned char raw[256], *der = NULL;
    size_t len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, raw, sizeof(raw), NULL);
    ASN1_OCTET_STRING *octets = len ? ASN1_OCTET_STRING_new() : NULL;
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    if (octets && ASN1_OCTET_STRING_set(octets, raw, (int)len) == 1) {
        int der_len = i2d_ASN1_OCTET_STRING(octets, &der);
        if (der_len > 0)
            rv = attrs_set(ret, CKA_EC_POINT, der, (size_t)der_len);
    }
    OPENSSL_free(der);
    ASN1_OCTET_STRING_free(octets);
    return rv;
}

static CK_RV ec_point_of(const struct attrs *private_key, struct attrs *ret)
{
    const char *curve = curve_name(private_key);
    const CK_ATTRIBUTE *value = attrs_get(private_key, CKA_VALUE);
    EC_GROUP *group = curve ? EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve)) : NULL;
    BIGNUM *d = value ? BN_bin2bn(value->pValue, (int)value->ulValueLen, BN_secure_new()) : NULL;
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    if (d && point && EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1)
        rv = set_point(group, point, ret);
    EC_POINT_free(point);
    BN_clear_free(d);
    EC_GROUP_free(group);
    return rv;
}

/* With e the data and R the point whose abscissa is r: (s R - e G) / r, in the terms of factors_find
 * (base = e/s, key = r/s): R / key - (base / key) G. That r was reduced by the order happens once in 2^100.
 */
static bool ec_recover(const EC_GROUP *group, const struct signed_text *text, bool odd, EC_POINT *key,
                       BN_CTX *ctx)
{
    const BIGNUM *order = EC_GROUP_get0_order(group);
    struct factors factors;
    EC_POINT *made = EC_POINT_new(group);
    bool right = made && factors_find(&factors, order, text, ctx) &&
                 EC_POINT_set_compressed_coordinates(group, made, factors.r, odd, ctx) == 1 &&
                 BN_mod_inverse(factors.key, factors.key, order, ctx) &&
                 BN_mod_mul(factors.base, factors.base, factors.key, order, ctx) == 1 &&
                 BN_sub(factors.base, order, factors.base) == 1 &&
                 EC_POINT_mul(group, key, factors.base, made, factors.key, ctx) == 1 &&
                 EC_POINT_is_at_infinity(group, key) == 0;
    EC_POINT_free(made);
    return right;
}

CK_RV public_of_signature(const struct attrs *part, const uint8_t *data, size_t len, const uint8_t *signature,
                          size_t signature_len, bool odd, struct attrs *ret)
{
    const struct signed_text text = {
        .data = data, .signature = signature, .len = len, .signature_len = signature_len};
    const char *curve = curve_name(part);
    EC_GROUP *group = curve ? EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve)) : NULL;
    EC_POINT *key = group ? EC_POINT_new(group) : NULL;
    BN_CTX *ctx = BN_CTX_new();
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    if (ctx)
        BN_CTX_start(ctx);
    if (ctx && key && ec_recover(group, &text, odd, key, ctx))
        rv = attrs_copy(ret, part);
    if (rv == CKR_OK)
        rv = set_point(group, key, ret);
    if (ctx)
        BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    EC_POINT_free(key);
    EC_GROUP_free(group);
    return rv;
}

static CK_RV dsa_value_of(const struct attrs *private_key, struct attrs *ret)
{
    BIGNUM *p = number(private_key, CKA_PRIME), *g = number(private_key, CKA_BASE),
           *x = number(private_key, CKA_VALUE);
    BIGNUM *y = BN_new();
    BN_CTX *ctx = BN_CTX_secure_new();
    CK_RV rv = CKR_TEMPLATE_INCOMPLETE;
    unsigned char raw[1024];
    if (p && g && x && y && ctx && BN_num_bytes(p) <= (int)sizeof(raw) &&
        BN_mod_exp_mont_consttime(y, g, x, p, ctx, NULL) == 1) {
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
        return attrs_get(ret, CKA_MODULUS) && attrs_get(ret, CKA_PUBLIC_EXPONENT) ? CKR_OK
                                                                                  : CKR_TEMPLATE_INCOMPLETE;
    case CKK_EC:
        return attrs_get(ret, CKA_EC_POINT) ? CKR_OK : ec_point_of(private_key, ret);
    case CKK_DSA:
        return dsa_value_of(private_key, ret);
    default:
        return CKR_OK;
    }
}
