#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "replica/public.h"

/* Keys are OpenSSL's, so that its signatures and ours are judged by two different pieces of code. */
static EVP_PKEY *rsa, *dsa, *ec[3];
static const char *const curve[] = {"P-256", "P-384", "P-521"};
static const int order_bytes[] = {32, 48, 66};
static const uint8_t oid[][11] = {{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
                                  {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},
                                  {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}};
static const size_t oid_len[] = {10, 7, 7};
static const uint8_t text[32] = "thirty-two bytes to be signed..";

static int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    for (int i = 0; i < 3; i++)
        ec[i] = EVP_EC_gen(curve[i]);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, NULL);
    EVP_PKEY *params = NULL;
    if (EVP_PKEY_paramgen_init(ctx) != 1 || EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 1024) != 1 ||
        EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, 160) != 1 || EVP_PKEY_paramgen(ctx, &params) != 1)
        return -1;
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(params, NULL);
    if (EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_keygen(ctx, &dsa) != 1)
        return -1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(params);
    return rsa && ec[0] && ec[1] && ec[2] ? 0 : -1;
}

static int drop_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(dsa);
    for (int i = 0; i < 3; i++)
        EVP_PKEY_free(ec[i]);
    return 0;
}

static void set_number(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, EVP_PKEY *key, const char *name,
                       int bytes)
{
    uint8_t raw[1024];
    BIGNUM *bn = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &bn), 1);
    int len = bytes ? bytes : BN_num_bytes(bn);
    assert_int_equal(BN_bn2binpad(bn, raw, len), len);
    assert_int_equal(attrs_set(attrs, type, raw, (size_t)len), CKR_OK);
    BN_clear_free(bn);
}

static struct attrs rsa_public(void)
{
    struct attrs attrs = {0};
    set_number(&attrs, CKA_MODULUS, rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    set_number(&attrs, CKA_PUBLIC_EXPONENT, rsa, OSSL_PKEY_PARAM_RSA_E, 0);
    return attrs;
}

static struct attrs dsa_public(void)
{
    struct attrs attrs = {0};
    set_number(&attrs, CKA_PRIME, dsa, OSSL_PKEY_PARAM_FFC_P, 0);
    set_number(&attrs, CKA_SUBPRIME, dsa, OSSL_PKEY_PARAM_FFC_Q, 0);
    set_number(&attrs, CKA_BASE, dsa, OSSL_PKEY_PARAM_FFC_G, 0);
    set_number(&attrs, CKA_VALUE, dsa, OSSL_PKEY_PARAM_PUB_KEY, 0);
    return attrs;
}

static size_t bare_point(EVP_PKEY *key, uint8_t point[256])
{
    size_t len = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, 256, &len), 1);
    return len;
}

/* As the standard wants it: a DER octet string around the point. */
static size_t der_point(EVP_PKEY *key, uint8_t der[256])
{
    uint8_t point[256];
    size_t len = bare_point(key, point), at = 0;
    der[at++] = 0x04;
    if (len >= 128)
        der[at++] = 0x81;
    der[at++] = (uint8_t)len;
    memcpy(der + at, point, len);
    return at + len;
}

static struct attrs ec_public(int which, bool bare)
{
    struct attrs attrs = {0};
    uint8_t point[256];
    size_t len = bare ? bare_point(ec[which], point) : der_point(ec[which], point);
    assert_int_equal(attrs_set(&attrs, CKA_EC_PARAMS, oid[which], oid_len[which]), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_EC_POINT, point, len), CKR_OK);
    return attrs;
}

/* r and s side by side, each of that many bytes, of a signature in DER; 0: as OpenSSL made it. */
static size_t sign(EVP_PKEY *key, int bytes, uint8_t out[1024])
{
    size_t len = 1024;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    if (bytes == 0)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, out, &len, text, sizeof(text)), 1);
    EVP_PKEY_CTX_free(ctx);
    if (bytes == 0)
        return len;
    const unsigned char *at = out;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(sig);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, bytes);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + bytes, bytes);
    ECDSA_SIG_free(sig);
    return 2 * (size_t)bytes;
}

/* Right as it is; wrong with any change of text, signature or key. */
static void judge(const struct attrs *part, const struct attrs *other, CK_MECHANISM_TYPE mech,
                  uint8_t *signature, size_t len)
{
    assert_true(public_verifies(part, mech, text, sizeof(text), signature, len));
    for (size_t i = 0; i < sizeof(text); i++) {
        uint8_t changed[sizeof(text)];
        memcpy(changed, text, sizeof(text));
        changed[i] ^= 0x10;
        /* DSA and ECDSA look at as many bytes as the order has. */
        if (mech != CKM_DSA || i < 20)
            assert_false(public_verifies(part, mech, changed, sizeof(text), signature, len));
    }
    assert_false(public_verifies(part, mech, text, sizeof(text) / 2, signature, len));
    for (size_t i = 0; i < len; i += len / 16) {
        signature[i] ^= 1;
        assert_false(public_verifies(part, mech, text, sizeof(text), signature, len));
        signature[i] ^= 1;
    }
    assert_false(public_verifies(part, mech, text, sizeof(text), signature, len - 1));
    assert_false(public_verifies(part, mech, text, sizeof(text), signature, len + 1));
    assert_false(public_verifies(part, mech, text, sizeof(text), signature, 0));
    if (other)
        assert_false(public_verifies(other, mech, text, sizeof(text), signature, len));
    struct attrs none = {0};
    assert_false(public_verifies(&none, mech, text, sizeof(text), signature, len));
    static const uint8_t zero[1024];
    assert_false(public_verifies(part, mech, text, sizeof(text), zero, len));
    uint8_t ones[1024];
    memset(ones, 0xff, sizeof(ones));
    assert_false(public_verifies(part, mech, text, sizeof(text), ones, len));
    assert_true(public_verifies(part, mech, text, sizeof(text), signature, len));
}

static void rsa_signatures(void **state)
{
    (void)state;
    struct attrs part = rsa_public(), other = rsa_public();
    uint8_t signature[1024] = {0};
    size_t len = sign(rsa, 0, signature);
    ((uint8_t *)attrs_get(&other, CKA_MODULUS)->pValue)[17] ^= 1;
    judge(&part, &other, CKM_RSA_PKCS, signature, len);
    attrs_drop(&other, CKA_PUBLIC_EXPONENT);
    assert_false(public_verifies(&other, CKM_RSA_PKCS, text, sizeof(text), signature, len));
    attrs_free(&part);
    attrs_free(&other);
}

/* The same number plus the modulus is the same to a careless eye; padding must be what the standard says. */
static void rsa_is_not_careless(void **state)
{
    (void)state;
    struct attrs part = rsa_public();
    const CK_ATTRIBUTE *modulus = attrs_get(&part, CKA_MODULUS);
    uint8_t signature[1024] = {0}, more[257], block[256];
    size_t len = sign(rsa, 0, signature);
    BIGNUM *n = BN_bin2bn(modulus->pValue, (int)modulus->ulValueLen, NULL), *d = NULL;
    BIGNUM *s = BN_bin2bn(signature, (int)len, NULL);
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_add(s, s, n), 1);
    int bytes = BN_num_bytes(s);
    BN_bn2bin(s, more);
    assert_false(public_verifies(&part, CKM_RSA_PKCS, text, sizeof(text), more, (size_t)bytes));
    assert_int_equal(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_D, &d), 1);
    const struct {
        size_t at;
        uint8_t value;
        bool good;
    } changed[] = {{0, 0, true}, {1, 2, false}, {2, 0xfe, false}, {100, 0, false}, {223, 1, false}};
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        memset(block, 0xff, sizeof(block));
        block[0] = 0;
        block[1] = 1;
        block[223] = 0;
        memcpy(block + 224, text, 32);
        block[changed[i].at] = changed[i].value;
        BN_bin2bn(block, 256, s);
        assert_int_equal(BN_mod_exp(s, s, d, n, ctx), 1);
        BN_bn2binpad(s, signature, 256);
        assert_int_equal(public_verifies(&part, CKM_RSA_PKCS, text, sizeof(text), signature, 256),
                         changed[i].good);
    }
    BN_CTX_free(ctx);
    BN_clear_free(d);
    BN_free(n);
    BN_free(s);
    attrs_free(&part);
}

static void ec_signatures(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int bare = 0; bare < 2; bare++) {
            struct attrs part = ec_public(i, bare), other = ec_public((i + 1) % 3, bare);
            uint8_t signature[1024] = {0};
            size_t len = sign(ec[i], order_bytes[i], signature);
            judge(&part, &other, CKM_ECDSA, signature, len);
            attrs_free(&part);
            attrs_free(&other);
        }
}

static void dsa_signatures(void **state)
{
    (void)state;
    struct attrs part = dsa_public(), other = dsa_public();
    uint8_t signature[1024] = {0};
    size_t len = sign(dsa, 20, signature);
    ((uint8_t *)attrs_get(&other, CKA_VALUE)->pValue)[17] ^= 1;
    judge(&part, &other, CKM_DSA, signature, len);
    const CK_ATTRIBUTE_TYPE needed[] = {CKA_PRIME, CKA_SUBPRIME, CKA_BASE, CKA_VALUE};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        struct attrs less = {0};
        assert_int_equal(attrs_copy(&less, &part), CKR_OK);
        attrs_drop(&less, needed[i]);
        assert_false(public_verifies(&less, CKM_DSA, text, sizeof(text), signature, len));
        attrs_free(&less);
    }
    attrs_free(&part);
    attrs_free(&other);
}

/* The same number once more around the modulus, where that fits into as many bytes. */
static void rsa_numbers_are_below_the_modulus(void **state)
{
    (void)state;
    struct attrs part = rsa_public();
    const CK_ATTRIBUTE *modulus = attrs_get(&part, CKA_MODULUS);
    BIGNUM *n = BN_bin2bn(modulus->pValue, (int)modulus->ulValueLen, NULL), *s = BN_new(), *d = NULL;
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_D, &d), 1);
    unsigned fits = 0;
    for (uint8_t i = 0; i < 200 && fits == 0; i++) {
        uint8_t block[256], signature[256];
        memset(block, 0xff, sizeof(block));
        block[0] = 0;
        block[1] = 1;
        block[254] = 0;
        block[255] = i;
        BN_bin2bn(block, 256, s);
        assert_int_equal(BN_mod_exp(s, s, d, n, ctx), 1);
        BN_bn2binpad(s, signature, 256);
        assert_true(public_verifies(&part, CKM_RSA_PKCS, &i, 1, signature, 256));
        BN_add(s, s, n);
        if (BN_bn2binpad(s, signature, 256) != 256)
            continue;
        assert_false(public_verifies(&part, CKM_RSA_PKCS, &i, 1, signature, 256));
        fits++;
    }
    assert_int_equal(fits, 1);
    BN_CTX_free(ctx);
    BN_clear_free(d);
    BN_free(s);
    BN_free(n);
    attrs_free(&part);
}

/* The first multiple of the base point whose bare form, 04 3f 04 .., is an octet string to its end. */
static EVP_PKEY *mistakable_key(void)
{
    uint8_t point[65];
    BIGNUM *d = BN_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *public = EC_POINT_new(group);
    assert_int_equal(BN_set_word(d, 20220), 1);
    assert_int_equal(EC_POINT_mul(group, public, d, NULL, NULL, NULL), 1);
    assert_int_equal(EC_POINT_point2oct(group, public, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL), 65);
    assert_memory_equal(point, "\x04\x3f\x04", 3);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 65), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EC_POINT_free(public);
    EC_GROUP_free(group);
    BN_free(d);
    return key;
}

static void the_most_mistakable_point(void **state)
{
    (void)state;
    EVP_PKEY *kept = ec[0];
    uint8_t signature[1024] = {0};
    ec[0] = mistakable_key();
    size_t len = sign(ec[0], 32, signature);
    for (int bare = 0; bare < 2; bare++) {
        struct attrs part = ec_public(0, bare);
        assert_true(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, len));
        attrs_free(&part);
    }
    EVP_PKEY_free(ec[0]);
    ec[0] = kept;
}

/* A bare point begins with 04, as an octet string does: whatever its first coordinate, it is taken as a
 * point. */
static void bare_points_are_not_mistaken(void **state)
{
    (void)state;
    unsigned like_a_length = 0;
    for (int i = 0; i < 60; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256"), *kept = ec[0];
        ec[0] = key;
        struct attrs part = ec_public(0, true);
        uint8_t signature[1024] = {0};
        size_t len = sign(key, 32, signature);
        like_a_length += ((uint8_t *)attrs_get(&part, CKA_EC_POINT)->pValue)[1] <= 63;
        assert_true(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, len));
        attrs_free(&part);
        EVP_PKEY_free(key);
        ec[0] = kept;
    }
    assert_true(like_a_length > 0);
}

static void broken_public_parts(void **state)
{
    (void)state;
    uint8_t signature[1024] = {0};
    size_t len = sign(ec[0], 32, signature);
    static const uint8_t no_oid[] = {0x06, 0x03, 0x55, 0x04, 0x03}, garbage[] = {0x30, 0x80, 1},
                         infinity[] = {0x00}, wrapped_infinity[] = {0x04, 0x01, 0x00};
    const struct {
        CK_ATTRIBUTE_TYPE type;
        const uint8_t *value;
        size_t len;
    } broken[] = {
        {CKA_EC_PARAMS, no_oid, sizeof(no_oid)},
        {CKA_EC_PARAMS, garbage, sizeof(garbage)},
        {CKA_EC_PARAMS, oid[1], oid_len[1]},
        {CKA_EC_PARAMS, garbage, 0},
        {CKA_EC_POINT, garbage, sizeof(garbage)},
        {CKA_EC_POINT, garbage, 0},
        {CKA_EC_POINT, infinity, sizeof(infinity)},
        {CKA_EC_POINT, wrapped_infinity, sizeof(wrapped_infinity)},
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct attrs part = ec_public(0, false);
        assert_int_equal(attrs_set(&part, broken[i].type, broken[i].value, broken[i].len), CKR_OK);
        assert_false(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, len));
        attrs_free(&part);
    }
    /* A point that is not on the curve. */
    struct attrs part = ec_public(0, false);
    ((uint8_t *)attrs_get(&part, CKA_EC_POINT)->pValue)[40] ^= 1;
    assert_false(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, len));
    attrs_free(&part);
}

/* With infinity for a key anybody could make a signature: r = x(e/s G) for any s. */
static void no_key_at_infinity(void **state)
{
    (void)state;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *e = BN_bin2bn(text, 32, NULL), *x = BN_new();
    uint8_t signature[64] = {0};
    assert_int_equal(EC_POINT_mul(group, point, e, NULL, NULL, NULL), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, NULL, NULL), 1);
    assert_int_equal(BN_nnmod(x, x, EC_GROUP_get0_order(group), ctx), 1);
    BN_bn2binpad(x, signature, 32);
    signature[63] = 1;
    struct attrs part = ec_public(0, false);
    assert_int_equal(attrs_set(&part, CKA_EC_POINT, "\0", 1), CKR_OK);
    assert_false(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, sizeof(signature)));
    attrs_free(&part);
    BN_free(x);
    BN_free(e);
    BN_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
}

static void parts_of_public_keys(void **state)
{
    (void)state;
    struct attrs wanted[] = {rsa_public(), dsa_public(), ec_public(0, false)};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct attrs key = {0}, part = {0};
        assert_int_equal(attrs_copy(&key, &wanted[i]), CKR_OK);
        assert_int_equal(attrs_set_ulong(&key, CKA_CLASS, CKO_PUBLIC_KEY), CKR_OK);
        assert_int_equal(attrs_set(&key, CKA_LABEL, "label", 5), CKR_OK);
        assert_int_equal(attrs_set_bool(&key, CKA_VERIFY, true), CKR_OK);
        if (i != 1) /* something that is not the public value of a DSA key */
            assert_int_equal(attrs_set(&key, CKA_VALUE, "value", 5), CKR_OK);
        assert_int_equal(public_part(&key, &part), CKR_OK);
        assert_true(attrs_equal(&part, &wanted[i]));
        attrs_free(&part);
        attrs_free(&key);
        attrs_free(&wanted[i]);
    }
}

static void of_private_rsa(void **state)
{
    (void)state;
    struct attrs key = rsa_public(), wanted = rsa_public(), part = {0};
    assert_int_equal(attrs_set_ulong(&key, CKA_KEY_TYPE, CKK_RSA), CKR_OK);
    set_number(&key, CKA_PRIVATE_EXPONENT, rsa, OSSL_PKEY_PARAM_RSA_D, 0);
    assert_int_equal(public_of_private(&key, &part), CKR_OK);
    assert_true(attrs_equal(&part, &wanted)); /* nothing of the secret */
    attrs_free(&part);
    attrs_drop(&key, CKA_PUBLIC_EXPONENT);
    assert_int_equal(public_of_private(&key, &part), CKR_TEMPLATE_INCOMPLETE);
    attrs_free(&part);
    attrs_free(&key);
    attrs_free(&wanted);
}

static void of_private_ec(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct attrs key = {0}, wanted = ec_public(i, false), part = {0};
        assert_int_equal(attrs_set_ulong(&key, CKA_KEY_TYPE, CKK_EC), CKR_OK);
        assert_int_equal(attrs_set(&key, CKA_EC_PARAMS, oid[i], oid_len[i]), CKR_OK);
        assert_int_equal(public_of_private(&key, &part), CKR_TEMPLATE_INCOMPLETE);
        attrs_free(&part);
        set_number(&key, CKA_VALUE, ec[i], OSSL_PKEY_PARAM_PRIV_KEY, order_bytes[i]);
        assert_int_equal(public_of_private(&key, &part), CKR_OK);
        assert_true(attrs_equal(&part, &wanted));
        uint8_t signature[1024] = {0};
        size_t len = sign(ec[i], order_bytes[i], signature);
        assert_true(public_verifies(&part, CKM_ECDSA, text, sizeof(text), signature, len));
        attrs_free(&part);
        /* Given with it: believed, the proof will tell. */
        const CK_ATTRIBUTE *point = attrs_get(&wanted, CKA_EC_POINT);
        assert_int_equal(attrs_set(&key, CKA_EC_POINT, point->pValue, point->ulValueLen), CKR_OK);
        attrs_drop(&key, CKA_VALUE);
        assert_int_equal(public_of_private(&key, &part), CKR_OK);
        assert_true(attrs_equal(&part, &wanted));
        attrs_free(&part);
        attrs_drop(&key, CKA_EC_POINT);
        attrs_drop(&key, CKA_EC_PARAMS);
        assert_int_equal(public_of_private(&key, &part), CKR_TEMPLATE_INCOMPLETE);
        attrs_free(&part);
        attrs_free(&key);
        attrs_free(&wanted);
    }
}

/* One of the two keys that a signature fits is the one that made it; the other one is not. */
static void of_ec_signature(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int tries = 0; tries < 8; tries++) {
            struct attrs part = {0}, found[2] = {{0}, {0}}, wanted = ec_public(i, false);
            uint8_t signature[1024] = {0};
            size_t len = sign(ec[i], order_bytes[i], signature);
            assert_int_equal(attrs_set(&part, CKA_EC_PARAMS, oid[i], oid_len[i]), CKR_OK);
            for (int odd = 0; odd < 2; odd++) {
                assert_int_equal(
                    public_of_signature(&part, text, sizeof(text), signature, len, odd, &found[odd]), CKR_OK);
                assert_true(public_verifies(&found[odd], CKM_ECDSA, text, sizeof(text), signature, len));
            }
            assert_int_equal(attrs_equal(&found[0], &wanted) + attrs_equal(&found[1], &wanted), 1);
            attrs_free(&found[0]);
            attrs_free(&found[1]);
            attrs_free(&wanted);
            assert_int_equal(
                public_of_signature(&part, text, sizeof(text), signature, len - 1, false, &found[0]),
                CKR_TEMPLATE_INCOMPLETE);
            attrs_drop(&part, CKA_EC_PARAMS);
            assert_int_equal(public_of_signature(&part, text, sizeof(text), signature, len, false, &found[0]),
                             CKR_TEMPLATE_INCOMPLETE);
            assert_int_equal(found[0].count, 0);
            attrs_free(&part);
        }
}

static void of_private_dsa(void **state)
{
    (void)state;
    struct attrs key = dsa_public(), wanted = dsa_public(), part = {0};
    assert_int_equal(attrs_set_ulong(&key, CKA_KEY_TYPE, CKK_DSA), CKR_OK);
    set_number(&key, CKA_VALUE, dsa, OSSL_PKEY_PARAM_PRIV_KEY, 0);
    assert_int_equal(public_of_private(&key, &part), CKR_OK);
    assert_true(attrs_equal(&part, &wanted));
    attrs_free(&part);
    attrs_drop(&key, CKA_VALUE);
    assert_int_equal(public_of_private(&key, &part), CKR_TEMPLATE_INCOMPLETE);
    attrs_free(&part);
    attrs_free(&key);
    attrs_free(&wanted);
}

static void of_other_keys(void **state)
{
    (void)state;
    struct attrs key = {0}, part = {0};
    assert_int_equal(attrs_set_ulong(&key, CKA_KEY_TYPE, CKK_EC_EDWARDS), CKR_OK);
    assert_int_equal(attrs_set(&key, CKA_VALUE, "secret", 6), CKR_OK);
    assert_int_equal(public_of_private(&key, &part), CKR_OK);
    assert_int_equal(part.count, 0);
    attrs_free(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_signatures),
        cmocka_unit_test(rsa_is_not_careless),
        cmocka_unit_test(rsa_numbers_are_below_the_modulus),
        cmocka_unit_test(the_most_mistakable_point),
        cmocka_unit_test(ec_signatures),
        cmocka_unit_test(dsa_signatures),
        cmocka_unit_test(bare_points_are_not_mistaken),
        cmocka_unit_test(broken_public_parts),
        cmocka_unit_test(no_key_at_infinity),
        cmocka_unit_test(parts_of_public_keys),
        cmocka_unit_test(of_private_rsa),
        cmocka_unit_test(of_private_ec),
        cmocka_unit_test(of_ec_signature),
        cmocka_unit_test(of_private_dsa),
        cmocka_unit_test(of_other_keys),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
