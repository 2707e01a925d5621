/* Keys wrapped, unwrapped and derived in a group of another vendor's tokens: NSS softokn. */
#include "test/lib/keys_world.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static CK_ULONG export_secret(CK_OBJECT_HANDLE key, CK_BYTE *out, CK_ULONG room)
{
    CK_ATTRIBUTE templ = {CKA_VALUE, out, room};
    NEED(ha.f->C_GetAttributeValue(ha.session, key, &templ, 1));
    return templ.ulValueLen;
}

/* The same on this vendor as on the other (keys_token.c): wrapped, unwrapped, to the session and the token.
 */
static void wrapped_and_back(void **state)
{
    (void)state;
    CK_MECHANISM mech = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
    CK_OBJECT_HANDLE kek = keys_world_aes(&ha, "kek-nss", true, false),
                     free = keys_world_aes(&ha, "free-nss", false, true),
                     fixed = keys_world_aes(&ha, "fixed-nss", false, false);
    CK_BYTE blob[64], expected[16], now[16], value[64];
    CK_ULONG len = sizeof(blob);
    keys_world_ecb(&ha, free, expected);
    NEED(ha.f->C_WrapKey(ha.session, &mech, kek, free, blob, &len));
    assert_int_equal(len, 40);
    /* softokn itself would wrap it. */
    CK_ULONG none = sizeof(value);
    assert_int_equal(ha.f->C_WrapKey(ha.session, &mech, kek, fixed, value, &none), CKR_KEY_UNEXTRACTABLE);
    for (int token = 0; token < 2; token++) {
        CK_OBJECT_HANDLE made;
        CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY),
                                NUMBER(CKA_KEY_TYPE, CKK_AES),
                                NUMBER(CKA_VALUE_LEN, 32),
                                TRUTH(CKA_ENCRYPT, CK_TRUE),
                                TRUTH(CKA_TOKEN, token ? CK_TRUE : CK_FALSE),
                                TRUTH(CKA_SENSITIVE, CK_FALSE),
                                TRUTH(CKA_EXTRACTABLE, CK_TRUE),
                                TRUTH(CKA_PRIVATE, CK_TRUE)};
        NEED(ha.f->C_UnwrapKey(ha.session, &mech, kek, blob, len, templ, COUNT(templ), &made));
        /* Of a token object softokn tells no value. */
        if (!token)
            assert_int_equal(export_secret(made, value, sizeof(value)), 32);
        for (unsigned gone = 1; gone <= 2; gone++) {
            keys_world_fault(gone, "gone");
            keys_world_ecb(&ha, made, now);
            assert_memory_equal(now, expected, 16);
            keys_world_fault(gone, "ok");
        }
    }
}

static void mac(CK_OBJECT_HANDLE key, CK_BYTE ret[32])
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_ULONG len = 32;
    NEED(ha.f->C_SignInit(ha.session, &mech, key));
    NEED(ha.f->C_Sign(ha.session, (CK_BYTE *)"data", 4, ret, &len));
}

static CK_RV try_hkdf(CK_OBJECT_HANDLE base, CK_OBJECT_HANDLE salt, bool token, CK_OBJECT_HANDLE *ret)
{
    CK_HKDF_PARAMS params = {.bExtract = CK_TRUE,
                             .bExpand = CK_TRUE,
                             .prfHashMechanism = CKM_SHA256,
                             .ulSaltType = salt ? CKF_HKDF_SALT_KEY : CKF_HKDF_SALT_NULL,
                             .hSaltKey = salt,
                             .pInfo = (CK_BYTE *)"info",
                             .ulInfoLen = 4};
    CK_MECHANISM mech = {CKM_HKDF_DERIVE, &params, sizeof(params)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            NUMBER(CKA_VALUE_LEN, 48),         TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_DERIVE, CK_TRUE),        TRUTH(CKA_TOKEN, token ? CK_TRUE : CK_FALSE),
                            TRUTH(CKA_PRIVATE, CK_TRUE)};
    return ha.f->C_DeriveKey(ha.session, &mech, base, templ, COUNT(templ), ret);
}

static CK_OBJECT_HANDLE hkdf(CK_OBJECT_HANDLE base, CK_OBJECT_HANDLE salt, bool token)
{
    CK_OBJECT_HANDLE made;
    NEED(try_hkdf(base, salt, token, &made));
    return made;
}

static CK_OBJECT_HANDLE generic(bool token, bool extractable)
{
    CK_MECHANISM mech = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_DERIVE, CK_TRUE),
                            TRUTH(CKA_EXTRACTABLE, extractable ? CK_TRUE : CK_FALSE),
                            TRUTH(CKA_TOKEN, token ? CK_TRUE : CK_FALSE), TRUTH(CKA_PRIVATE, CK_TRUE)};
    CK_OBJECT_HANDLE key;
    NEED(ha.f->C_GenerateKey(ha.session, &mech, templ, COUNT(templ), &key));
    return key;
}

/* A salt that is a key, on the token and in the session, to the session and to the token. */
static void a_key_as_salt(void **state)
{
    (void)state;
    CK_BYTE expected[2][32], now[32];
    for (int kind = 0; kind < 2; kind++) {
        CK_OBJECT_HANDLE base = generic(kind == 0, true), salt = generic(kind == 1, false), made[2];
        usleep(300000); /* the generated session key is being wrapped */
        for (int token = 0; token < 2; token++) {
            made[token] = hkdf(base, salt, token == 1);
            mac(made[token], expected[token]);
        }
        assert_memory_equal(expected[0], expected[1], 32);
        mac(hkdf(base, 0, false), now);
        assert_memory_not_equal(now, expected[0], 32);
        for (unsigned gone = 1; gone <= 2; gone++) {
            keys_world_fault(gone, "gone");
            for (int token = 0; token < 2; token++) {
                mac(made[token], now);
                assert_memory_equal(now, expected[token], 32);
            }
            mac(hkdf(base, salt, false), now);
            assert_memory_equal(now, expected[0], 32);
            keys_world_fault(gone, "ok");
        }
    }
}

/* SP800-108 in counter mode: `text`, and the counter as 32 bits before it. */
static CK_RV try_counter(CK_OBJECT_HANDLE base, char *text, CK_DERIVED_KEY *more, CK_ULONG count, bool token,
                         CK_OBJECT_HANDLE *ret)
{
    CK_SP800_108_COUNTER_FORMAT counter = {CK_FALSE, 32};
    CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)},
                                {CK_SP800_108_BYTE_ARRAY, text, strlen(text)}};
    CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, COUNT(data), data, count, more};
    CK_MECHANISM mech = {CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            NUMBER(CKA_VALUE_LEN, 48),         TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_SENSITIVE, CK_FALSE),    TRUTH(CKA_EXTRACTABLE, CK_TRUE),
                            TRUTH(CKA_TOKEN, (CK_BBOOL)token), TRUTH(CKA_PRIVATE, CK_TRUE)};
    return ha.f->C_DeriveKey(ha.session, &mech, base, templ, COUNT(templ), ret);
}

/* By OpenSSL: the text is label and context at once, without the zero and the length between and behind them.
 */
static void counter_by_openssl(CK_BYTE *key, size_t key_len, char *text, CK_BYTE *out, size_t out_len)
{
    int no = 0;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "KBKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, "HMAC", 0),
                           OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
                           OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, key_len),
                           OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, text, strlen(text)),
                           OSSL_PARAM_construct_int(OSSL_KDF_PARAM_KBKDF_USE_L, &no),
                           OSSL_PARAM_construct_int(OSSL_KDF_PARAM_KBKDF_USE_SEPARATOR, &no),
                           OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(ctx, out, out_len, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* Several keys at once, each the same on every member, and what OpenSSL says they are. */
static void several_keys_of_one(void **state)
{
    (void)state;
    CK_BYTE secret[32] = "known to both", expected[48], value[64], first[3][32], now[32];
    CK_OBJECT_HANDLE base, made[3], none;
    CK_ATTRIBUTE known[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            BYTES(CKA_VALUE, secret, sizeof(secret)), TRUTH(CKA_DERIVE, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_TRUE)};
    char text[] = "terminal 4711";
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            NUMBER(CKA_VALUE_LEN, 32),         TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_SENSITIVE, CK_FALSE),    TRUTH(CKA_EXTRACTABLE, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_TRUE),       TRUTH(CKA_TOKEN, CK_FALSE)};
    CK_DERIVED_KEY more = {templ, COUNT(templ), &made[1]};
    NEED(ha.f->C_CreateObject(ha.session, known, COUNT(known), &base));
    NEED(try_counter(base, text, &more, 1, false, &made[0]));
    NEED(try_counter(base, text, NULL, 0, true, &made[2]));
    counter_by_openssl(secret, sizeof(secret), text, expected, sizeof(expected));
    assert_int_equal(export_secret(made[0], value, sizeof(value)), 48);
    assert_memory_equal(value, expected, 48);
    assert_int_equal(export_secret(made[1], value, sizeof(value)), 32);
    for (int i = 0; i < 3; i++)
        mac(made[i], first[i]);
    assert_memory_equal(first[0], first[2], 32);
    assert_memory_not_equal(first[0], first[1], 32);
    for (unsigned gone = 1; gone <= 2; gone++) {
        keys_world_fault(gone, "gone");
        for (int i = 0; i < 3; i++) {
            mac(made[i], now);
            assert_memory_equal(now, first[i], 32);
        }
        keys_world_fault(gone, "ok");
    }
    /* What a parameter makes cannot be kept by the protocol. */
    templ[COUNT(templ) - 1] = (CK_ATTRIBUTE)TRUTH(CKA_TOKEN, CK_TRUE);
    assert_int_equal(try_counter(base, text, &more, 1, false, &none), CKR_TEMPLATE_INCONSISTENT);
    templ[COUNT(templ) - 1] = (CK_ATTRIBUTE)TRUTH(CKA_TOKEN, CK_FALSE);
    assert_int_equal(try_counter(base, text, &more, 1, true, &none), CKR_TEMPLATE_INCONSISTENT);
}

/* softokn makes nothing extractable of a key that is not: it could not be wrapped for the others. */
static void what_cannot_be_replicated(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE base = generic(true, false), made;
    assert_int_equal(try_hkdf(base, 0, true, &made), CKR_KEY_FUNCTION_NOT_PERMITTED);
    NEED(try_hkdf(base, 0, false, &made));
}

static int begin(void **state)
{
    (void)state;
    keys_world_up_softokn(false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    keys_world_down();
    return 0;
}

/* What members refuse as such is refused at once, with their answer, and does not take them out. */
static void what_members_refuse(void **state)
{
    (void)state;
    time_t begun = time(NULL);
    CK_OBJECT_HANDLE made;
    CK_BYTE number[64];
    memset(number, 0xd5, sizeof(number));
    CK_ATTRIBUTE data[] = {
        NUMBER(CKA_CLASS, CKO_DATA), TRUTH(CKA_TOKEN, CK_TRUE), {CKA_VALUE, number, sizeof(number)}};
    /* As a session object it is made. */
    assert_int_equal(ha.f->C_CreateObject(ha.session, data, COUNT(data), &made), CKR_ATTRIBUTE_VALUE_INVALID);
    CK_ATTRIBUTE dh[] = {NUMBER(CKA_CLASS, CKO_PRIVATE_KEY),
                         NUMBER(CKA_KEY_TYPE, CKK_DH),
                         TRUTH(CKA_TOKEN, CK_TRUE),
                         TRUTH(CKA_EXTRACTABLE, CK_TRUE),
                         TRUTH(CKA_SENSITIVE, CK_FALSE),
                         {CKA_PRIME, number, sizeof(number)},
                         {CKA_BASE, "\2", 1},
                         {CKA_VALUE, number, 32}};
    for (int i = 0; i < 4; i++)
        assert_int_equal(ha.f->C_CreateObject(ha.session, dh, COUNT(dh), &made), CKR_KEY_TYPE_INCONSISTENT);
    assert_true(time(NULL) - begun < 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrapped_and_back), cmocka_unit_test(a_key_as_salt),
                                       cmocka_unit_test(several_keys_of_one),
                                       cmocka_unit_test(what_cannot_be_replicated),
                                       cmocka_unit_test(what_members_refuse)};
    return cmocka_run_group_tests(tests, begin, end);
}
