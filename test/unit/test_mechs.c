#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "call/mechs.h"

static const CK_MECHANISM_TYPE types[] = {
#define MECH(name, shape, flags)               CKM_##name,
#define SPLIT(name, shape, digest, raw, flags) CKM_##name,
#define OTHER(value, name, shape, flags)       value,
#include "call/mechs.def"
};

static void table_rises(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (i > 0)
            assert_true(types[i - 1] < types[i]);
        assert_non_null(mech_lookup(types[i]));
        assert_int_equal(mech_lookup(types[i])->type, types[i]);
    }
    assert_null(mech_lookup(0x7777));
    assert_null(mech_lookup(~0UL));
    assert_string_equal(mech_lookup(CKM_AES_GCM)->name, "CKM_AES_GCM");
}

static void counted_nonces(void **state)
{
    (void)state;
    CK_GCM_MESSAGE_PARAMS gcm = {0};
    CK_CCM_MESSAGE_PARAMS ccm = {0};
    CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS poly = {0};
    for (CK_GENERATOR_FUNCTION how = CKG_NO_GENERATE; how <= CKG_GENERATE_COUNTER_XOR; how++) {
        bool counts = how != CKG_NO_GENERATE && how != CKG_GENERATE_RANDOM;
        gcm.ivGenerator = ccm.nonceGenerator = how;
        assert_int_equal(mech_message_counts(CKM_AES_GCM, &gcm, sizeof(gcm)), counts);
        assert_int_equal(mech_message_counts(CKM_AES_CCM, &ccm, sizeof(ccm)), counts);
        assert_false(mech_message_counts(CKM_AES_CBC, &gcm, sizeof(gcm)));
    }
    assert_false(mech_message_counts(CKM_CHACHA20_POLY1305, &poly, sizeof(poly)));
    assert_false(mech_message_counts(CKM_AES_GCM, NULL, sizeof(gcm)));
}

/* Inner pointers lie inside the structure, at places of their own, and each is told by a length inside it. */
static void check_shape(const struct param_shape *shape, size_t outer_size)
{
    for (size_t i = 0; i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_OPAQUE)
            continue;
        assert_true(field->offset + sizeof(void *) <= shape->size);
        /* A handle behind a pointer stands behind that pointer. */
        if (field->kind == PARAM_HANDLE_AT)
            assert_true(i > 0 && field->offset == field[-1].offset && field[-1].kind == PARAM_POINTER);
        for (size_t j = 0; j < i && field->kind != PARAM_HANDLE_AT; j++)
            assert_int_not_equal(field->offset, shape->field[j].offset);
        if (field->kind == PARAM_POINTER || field->kind == PARAM_OUT) {
            size_t where = field->length == PARAM_OUTER_BITS ? outer_size : shape->size;
            assert_true(field->len_offset + sizeof(CK_ULONG) <= where);
            assert_int_equal(field->unit, 1);
            if (field->length != PARAM_TEXT && field->length != PARAM_OUTER_BITS)
                assert_int_not_equal(field->len_offset, field->offset);
        }
        if (field->kind == PARAM_FIXED || field->kind == PARAM_OUT_FIXED)
            assert_true(field->unit > 0);
        if (field->kind == PARAM_ARRAY || field->kind == PARAM_TEMPLATE)
            assert_true(field->len_offset + sizeof(CK_ULONG) <= shape->size);
        if (field->kind == PARAM_STRUCT || field->kind == PARAM_ARRAY)
            check_shape(field->inner, shape->size);
        else
            assert_null(field->inner);
    }
}

static void shapes_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct mech_info *info = mech_lookup(types[i]);
        assert_non_null(info->shape);
        for (const struct param_shape *shape = info->shape; shape; shape = shape->also) {
            check_shape(shape, 0);
            for (const struct param_shape *other = shape->also; other; other = other->also)
                assert_int_not_equal(shape->size, other->size);
        }
    }
}

static const struct param_shape *shape_for(CK_MECHANISM_TYPE type, size_t len)
{
    return mech_shape(mech_lookup(type), len);
}

static void shapes_by_size(void **state)
{
    (void)state;
    assert_string_equal(shape_for(CKM_AES_GCM, sizeof(CK_GCM_PARAMS))->name, "CK_GCM_PARAMS");
    assert_string_equal(shape_for(CKM_AES_GCM, sizeof(CK_GCM_WRAP_PARAMS))->name, "CK_GCM_WRAP_PARAMS");
    assert_int_equal(shape_for(CKM_AES_GCM, 40)->fields, 2);
    assert_int_equal(shape_for(CKM_AES_GCM, 40)->field[1].offset, 16);
    assert_string_equal(shape_for(CKM_AES_CCM, sizeof(CK_CCM_WRAP_PARAMS))->name, "CK_CCM_WRAP_PARAMS");
    assert_null(shape_for(CKM_AES_GCM, 12));
    assert_null(shape_for(CKM_AES_GCM, 0));
    assert_null(shape_for(CKM_AES_CBC, 16));
    assert_null(shape_for(CKM_AES_CTR, sizeof(CK_AES_CTR_PARAMS)));
    assert_null(shape_for(CKM_RSA_PKCS_PSS, sizeof(CK_RSA_PKCS_PSS_PARAMS)));
    assert_null(mech_shape(NULL, 16));
    assert_int_equal(shape_for(CKM_X3DH_RESPOND, 8)->field[0].kind, PARAM_OPAQUE);
    const struct param_shape *key = shape_for(CKM_CONCATENATE_BASE_AND_KEY, sizeof(CK_OBJECT_HANDLE));
    assert_int_equal(key->fields, 1);
    assert_int_equal(key->field[0].kind, PARAM_HANDLE);
    const struct param_shape *hkdf = shape_for(CKM_HKDF_DERIVE, sizeof(CK_HKDF_PARAMS));
    assert_int_equal(hkdf->field[1].kind, PARAM_HANDLE);
    assert_int_equal(hkdf->field[1].offset, offsetof(CK_HKDF_PARAMS, hSaltKey));
    const struct param_shape *wrap = shape_for(CKM_RSA_AES_KEY_WRAP, sizeof(CK_RSA_AES_KEY_WRAP_PARAMS));
    assert_int_equal(wrap->field[0].kind, PARAM_STRUCT);
    assert_ptr_equal(wrap->field[0].inner, shape_for(CKM_RSA_PKCS_OAEP, sizeof(CK_RSA_PKCS_OAEP_PARAMS)));
    assert_int_equal(shape_for(CKM_ECDH1_DERIVE, sizeof(CK_ECDH1_DERIVE_PARAMS))->fields, 2);
    assert_int_equal(
        shape_for(CKM_TLS12_MASTER_KEY_DERIVE, sizeof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS))->fields, 3);
}

static size_t len_of(const struct param_shape *shape, size_t field, const void *param, const void *outer)
{
    size_t len = 12345;
    assert_true(mech_field_len(&shape->field[field], param, outer, &len));
    return len;
}

static void lengths(void **state)
{
    (void)state;
    uint8_t some[64] = {0};
    size_t len = 99;

    CK_GCM_PARAMS gcm = {.pIv = some, .ulIvLen = 12, .ulIvBits = 96, .pAAD = NULL, .ulAADLen = 7};
    const struct param_shape *shape = shape_for(CKM_AES_GCM, sizeof(gcm));
    assert_int_equal(len_of(shape, 0, &gcm, NULL), 12);
    assert_int_equal(len_of(shape, 1, &gcm, NULL), 0);
    gcm.ulIvLen = ~0UL;
    assert_false(mech_field_len(&shape->field[0], &gcm, NULL, &len));
    gcm.ulIvLen = SIZE_MAX / 2;
    assert_false(mech_field_len(&shape->field[0], &gcm, NULL, &len));
    assert_int_equal(len, 99);

    CK_CHACHA20_PARAMS chacha = {
        .pBlockCounter = some, .blockCounterBits = 32, .pNonce = some, .ulNonceBits = 97};
    shape = shape_for(CKM_CHACHA20, sizeof(chacha));
    assert_int_equal(len_of(shape, 0, &chacha, NULL), 4);
    assert_int_equal(len_of(shape, 1, &chacha, NULL), 13);

    CK_SSL3_KEY_MAT_OUT out = {.pIVClient = some, .pIVServer = some};
    CK_TLS12_KEY_MAT_PARAMS keys = {.ulIVSizeInBits = 128, .pReturnedKeyMaterial = &out};
    shape = shape_for(CKM_TLS12_KEY_AND_MAC_DERIVE, sizeof(keys));
    assert_int_equal(shape->fields, 3);
    assert_int_equal(shape->field[2].kind, PARAM_STRUCT);
    assert_int_equal(shape->field[2].inner->field[0].kind, PARAM_HANDLE_OUT);
    assert_int_equal(len_of(shape->field[2].inner, 4, &out, &keys), 16);
    assert_false(mech_field_len(&shape->field[2].inner->field[4], &out, NULL, &len));

    CK_ULONG room = 48;
    CK_TLS_PRF_PARAMS prf = {.pSeed = some, .ulSeedLen = 3, .pOutput = some, .pulOutputLen = &room};
    shape = shape_for(CKM_TLS_PRF, sizeof(prf));
    assert_int_equal(len_of(shape, 0, &prf, NULL), 3);
    assert_int_equal(len_of(shape, 2, &prf, NULL), sizeof(CK_ULONG));
    assert_int_equal(len_of(shape, 3, &prf, NULL), 48);
    prf.pulOutputLen = NULL;
    assert_false(mech_field_len(&shape->field[3], &prf, NULL, &len));

    CK_CMS_SIG_PARAMS cms = {.pContentType = (CK_UTF8CHAR_PTR) "text/plain"};
    shape = shape_for(CKM_CMS_SIG, sizeof(cms));
    assert_int_equal(shape->field[1].kind, PARAM_MECHANISM);
    assert_int_equal(len_of(shape, 3, &cms, NULL), sizeof("text/plain"));

    CK_PBE_PARAMS pbe = {.pInitVector = some, .pSalt = some, .ulSaltLen = 8};
    shape = shape_for(CKM_PBE_SHA1_DES3_EDE_CBC, sizeof(pbe));
    assert_int_equal(shape->field[0].kind, PARAM_OUT_FIXED);
    assert_int_equal(len_of(shape, 0, &pbe, NULL), 8);
}

static void splits(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct mech_info *info = mech_lookup(types[i]);
        assert_int_equal(info->digest == CK_UNAVAILABLE_INFORMATION, info->raw == CK_UNAVAILABLE_INFORMATION);
        if (info->raw == CK_UNAVAILABLE_INFORMATION)
            continue;
        count++;
        assert_non_null(mech_digest_name(info->digest));
        assert_true(info->flags & MECH_MULTI);
        const struct mech_info *raw = mech_lookup(info->raw);
        assert_false(raw->flags & MECH_MULTI);
        assert_ptr_equal(raw->shape, info->shape);
        assert_int_equal(mech_random(raw, OP_SIGN), mech_random(info, OP_SIGN));
        size_t len;
        if (info->raw == CKM_RSA_PKCS)
            assert_non_null(mech_digest_info(info->digest, &len));
    }
    assert_int_equal(count, 28);
    assert_int_equal(mech_lookup(CKM_SHA256_RSA_PKCS)->digest, CKM_SHA256);
    assert_int_equal(mech_lookup(CKM_SHA256_RSA_PKCS)->raw, CKM_RSA_PKCS);
    assert_int_equal(mech_lookup(CKM_SHA3_384_RSA_PKCS_PSS)->digest, CKM_SHA3_384);
    assert_int_equal(mech_lookup(CKM_SHA3_384_RSA_PKCS_PSS)->raw, CKM_RSA_PKCS_PSS);
    assert_int_equal(mech_lookup(CKM_ECDSA_SHA1)->digest, CKM_SHA_1);
    assert_int_equal(mech_lookup(CKM_ECDSA_SHA1)->raw, CKM_ECDSA);
}

/* By OpenSSL: the digest of that name has that size, and that DigestInfo. */
static void digests(void **state)
{
    (void)state;
    static const CK_MECHANISM_TYPE all[] = {CKM_MD5,      CKM_SHA_1,    CKM_SHA224,     CKM_SHA256,
                                            CKM_SHA384,   CKM_SHA512,   CKM_SHA512_224, CKM_SHA512_256,
                                            CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384,   CKM_SHA3_512};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const EVP_MD *md = EVP_get_digestbyname(mech_digest_name(all[i]));
        assert_non_null(md);
        size_t size = mech_digest_size(all[i]), len = 0;
        assert_int_equal(size, EVP_MD_get_size(md));
        const uint8_t *prefix = mech_digest_info(all[i], &len), zeros[64] = {0};
        assert_non_null(prefix);

        X509_SIG *sig = X509_SIG_new();
        X509_ALGOR *alg;
        ASN1_OCTET_STRING *octets;
        X509_SIG_getm(sig, &alg, &octets);
        assert_true(X509_ALGOR_set0(alg, OBJ_nid2obj(EVP_MD_get_type(md)), V_ASN1_NULL, NULL));
        assert_true(ASN1_OCTET_STRING_set(octets, zeros, (int)size));
        unsigned char *der = NULL;
        assert_int_equal(i2d_X509_SIG(sig, &der), len + size);
        assert_memory_equal(der, prefix, len);
        OPENSSL_free(der);
        X509_SIG_free(sig);
    }
    assert_string_equal(mech_digest_name(CKM_BLAKE2B_512), "BLAKE2B-512");
    size_t len = 5;
    assert_null(mech_digest_info(CKM_BLAKE2B_512, &len));
    assert_null(mech_digest_info(CKM_AES_CBC, &len));
    assert_int_equal(len, 5);
    assert_null(mech_digest_name(CKM_AES_CBC));
    assert_int_equal(mech_digest_size(CKM_AES_CBC), 0);
}

static void flags(void **state)
{
    (void)state;
    assert_true(mech_lookup(CKM_HSS)->flags & MECH_STATEFUL);
    assert_true(mech_lookup(CKM_XMSS)->flags & MECH_STATEFUL);
    assert_true(mech_lookup(CKM_XMSSMT)->flags & MECH_STATEFUL);
    assert_false(mech_lookup(CKM_ECDSA)->flags & MECH_STATEFUL);
    assert_true(mech_random(mech_lookup(CKM_RSA_PKCS), OP_ENCRYPT));
    assert_false(mech_random(mech_lookup(CKM_RSA_PKCS), OP_SIGN));
    assert_false(mech_random(mech_lookup(CKM_RSA_PKCS), OP_DECRYPT));
    assert_true(mech_random(mech_lookup(CKM_RSA_PKCS_PSS), OP_SIGN));
    assert_false(mech_random(mech_lookup(CKM_RSA_PKCS_PSS), OP_VERIFY));
    assert_true(mech_random(mech_lookup(CKM_ECDSA_SHA256), OP_SIGN));
    assert_false(mech_random(mech_lookup(CKM_EDDSA), OP_SIGN));
    assert_false(mech_random(mech_lookup(CKM_AES_GCM), OP_ENCRYPT));
    assert_true(mech_random(NULL, OP_ENCRYPT));
    assert_true(mech_lookup(CKM_AES_CBC_PAD)->flags & MECH_MULTI);
    assert_true(mech_lookup(CKM_SHA256_HMAC)->flags & MECH_MULTI);
    assert_false(mech_lookup(CKM_RSA_PKCS)->flags & MECH_MULTI);
    assert_false(mech_lookup(CKM_AES_KEY_GEN)->flags & MECH_MULTI);
}

static void work(void **state)
{
    (void)state;
    assert_int_equal(mech_work(OP_SIGN, CKK_RSA, 1024), WORK_RSA_2048);
    assert_int_equal(mech_work(OP_SIGN, CKK_RSA, 0), WORK_RSA_2048);
    assert_int_equal(mech_work(OP_DECRYPT, CKK_RSA, 2049), WORK_RSA_3072);
    assert_int_equal(mech_work(OP_SIGN, CKK_RSA, 4096), WORK_RSA_4096);
    assert_int_equal(mech_work(OP_VERIFY, CKK_RSA, 4096), WORK_PUBLIC);
    assert_int_equal(mech_work(OP_ENCRYPT, CKK_RSA, 4096), WORK_PUBLIC);
    assert_int_equal(mech_work(OP_SIGN, CKK_EC, 256), WORK_EC);
    assert_int_equal(mech_work(OP_SIGN, CKK_EC_EDWARDS, 0), WORK_EC);
    assert_int_equal(mech_work(OP_SIGN, CKK_GENERIC_SECRET, 256), WORK_SYMMETRIC);
    assert_int_equal(mech_work(OP_VERIFY, CKK_SHA256_HMAC, 256), WORK_SYMMETRIC);
    assert_int_equal(mech_work(OP_ENCRYPT, CKK_AES, 256), WORK_SYMMETRIC);
    assert_int_equal(mech_work(OP_DIGEST, CKK_RSA, 0), WORK_SYMMETRIC);
    assert_int_equal(mech_work(OP_FIND, CKK_RSA, 0), WORK_OBJECT);
    for (int i = 0; i < WORK_CLASSES; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(work_name((enum work_class)i), work_name((enum work_class)j));
    assert_string_equal(work_name(WORK_CLASSES), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_nonces), cmocka_unit_test(table_rises), cmocka_unit_test(shapes_are_sound),
        cmocka_unit_test(shapes_by_size), cmocka_unit_test(lengths),     cmocka_unit_test(splits),
        cmocka_unit_test(digests),        cmocka_unit_test(flags),       cmocka_unit_test(work),
    };
    return cmocka_run_group_tests_name("mechs", tests, NULL, NULL);
}
