/* Keys wrapped, unwrapped and derived in a group of another vendor's tokens: NSS softokn. */
#include "test/lib/keys_world.h"

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
                                       cmocka_unit_test(what_cannot_be_replicated),
                                       cmocka_unit_test(what_members_refuse)};
    return cmocka_run_group_tests(tests, begin, end);
}
