/*
 * Handles inside a mechanism's parameter, in and out: keys made of two keys, and four keys made at once. On
 * NSS softokn's token without a store, which has such mechanisms.
 */
#include "test/lib/keys_world.h"

#include <string.h>

static const CK_BYTE left[32] = "the left half of a longer secret",
                     right[32] = "and the right half, just as long";

static CK_OBJECT_HANDLE secret(const CK_BYTE *value, CK_ULONG len)
{
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            BYTES(CKA_VALUE, value, len),      TRUTH(CKA_DERIVE, CK_TRUE),
                            TRUTH(CKA_SIGN, CK_TRUE),          TRUTH(CKA_PRIVATE, CK_FALSE)};
    CK_OBJECT_HANDLE key;
    NEED(ha.f->C_CreateObject(ha.session, templ, COUNT(templ), &key));
    return key;
}

static void mac(CK_OBJECT_HANDLE key, CK_BYTE ret[32])
{
    CK_MECHANISM mech = {CKM_SHA256_HMAC, NULL, 0};
    CK_ULONG len = 32;
    NEED(ha.f->C_SignInit(ha.session, &mech, key));
    NEED(ha.f->C_Sign(ha.session, (CK_BYTE *)"data", 4, ret, &len));
    assert_int_equal(len, 32);
}

static CK_RV derive(CK_MECHANISM *mech, CK_OBJECT_HANDLE base, CK_ULONG len, CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            NUMBER(CKA_VALUE_LEN, len), TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_FALSE)};
    return ha.f->C_DeriveKey(ha.session, mech, base, templ, COUNT(templ), ret);
}

/* On each member when the other one is gone. */
static void everywhere(CK_OBJECT_HANDLE key, const CK_BYTE expected[32])
{
    CK_BYTE now[32];
    for (unsigned gone = 1; gone <= 2; gone++) {
        keys_world_fault(gone, "gone");
        mac(key, now);
        assert_memory_equal(now, expected, 32);
        keys_world_fault(gone, "ok");
    }
}

static void two_keys_become_one(void **state)
{
    (void)state;
    CK_BYTE both[64], expected[32], now[32];
    memcpy(both, left, 32);
    memcpy(both + 32, right, 32);
    mac(secret(both, 64), expected);
    CK_OBJECT_HANDLE base = secret(left, 32), other = secret(right, 32), made;
    CK_MECHANISM mech = {CKM_CONCATENATE_BASE_AND_KEY, &other, sizeof(other)};
    NEED(derive(&mech, base, 64, &made));
    mac(made, now);
    assert_memory_equal(now, expected, 32);
    /* Both that it came of may go. */
    NEED(ha.f->C_DestroyObject(ha.session, base));
    NEED(ha.f->C_DestroyObject(ha.session, other));
    everywhere(made, expected);
}

static void a_key_as_salt(void **state)
{
    (void)state;
    CK_BYTE expected[32], now[32];
    CK_OBJECT_HANDLE base = secret(left, 32), salt = secret(right, 32), made;
    CK_HKDF_PARAMS hkdf = {.bExtract = CK_TRUE,
                           .bExpand = CK_TRUE,
                           .prfHashMechanism = CKM_SHA256,
                           .ulSaltType = CKF_HKDF_SALT_DATA,
                           .pSalt = (CK_BYTE *)(uintptr_t)right,
                           .ulSaltLen = 32,
                           .hSaltKey = 424242, /* does not count */
                           .pInfo = (CK_BYTE *)"info",
                           .ulInfoLen = 4};
    CK_MECHANISM mech = {CKM_HKDF_DERIVE, &hkdf, sizeof(hkdf)};
    NEED(derive(&mech, base, 48, &made));
    mac(made, expected);
    hkdf.ulSaltType = CKF_HKDF_SALT_KEY;
    hkdf.hSaltKey = salt;
    hkdf.pSalt = NULL;
    hkdf.ulSaltLen = 0;
    NEED(derive(&mech, base, 48, &made));
    mac(made, now);
    assert_memory_equal(now, expected, 32);
    everywhere(made, expected);
}

/* What is no object of the application must not become one of the member's: the group's own keys lie there.
 */
static void nobodys_number(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE base = secret(left, 32), made;
    for (CK_OBJECT_HANDLE number = 1; number < 100; number++) {
        CK_MECHANISM mech = {CKM_CONCATENATE_BASE_AND_KEY, &number, sizeof(number)};
        assert_int_equal(derive(&mech, base, 64, &made), CKR_KEY_HANDLE_INVALID);
    }
}

static CK_BYTE client_random[32] = {1}, server_random[32] = {2};

static CK_OBJECT_HANDLE master_secret(void)
{
    CK_BYTE value[48] = {3, 3};
    CK_VERSION version = {0, 0};
    CK_OBJECT_HANDLE made, pre = secret(value, sizeof(value));
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS params = {.RandomInfo = {client_random, 32, server_random, 32},
                                                .pVersion = &version,
                                                .prfHashMechanism = CKM_SHA256};
    CK_MECHANISM mech = {CKM_TLS12_MASTER_KEY_DERIVE, &params, sizeof(params)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                            TRUTH(CKA_DERIVE, CK_TRUE), TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_FALSE)};
    NEED(ha.f->C_DeriveKey(ha.session, &mech, pre, templ, COUNT(templ), &made));
    assert_int_equal(version.major, 3);
    return made;
}

static void cipher(CK_OBJECT_HANDLE key, CK_BYTE ret[16])
{
    keys_world_ecb(&ha, key, ret);
}

static CK_ULONG number(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE templ = {type, &value, sizeof(value)};
    NEED(ha.f->C_GetAttributeValue(ha.session, key, &templ, 1));
    return value;
}

/* Two keys to encrypt with and two to authenticate with, by one call. */
static void four_at_once(void **state)
{
    (void)state;
    CK_SSL3_KEY_MAT_OUT out = {0};
    CK_SSL3_KEY_MAT_PARAMS params = {.ulMacSizeInBits = 160,
                                     .ulKeySizeInBits = 256,
                                     .RandomInfo = {client_random, 32, server_random, 32},
                                     .pReturnedKeyMaterial = &out};
    CK_MECHANISM mech = {CKM_TLS_KEY_AND_MAC_DERIVE, &params, sizeof(params)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_ENCRYPT, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_FALSE)};
    CK_BYTE keys[2][16], macs[2][32], now[32];
    NEED(ha.f->C_DeriveKey(ha.session, &mech, master_secret(), templ, COUNT(templ), NULL));
    CK_OBJECT_HANDLE key[2] = {out.hClientKey, out.hServerKey},
                     auth[2] = {out.hClientMacSecret, out.hServerMacSecret};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(number(key[i], CKA_KEY_TYPE), CKK_AES);
        assert_int_equal(number(auth[i], CKA_KEY_TYPE), CKK_GENERIC_SECRET);
        assert_int_equal(number(auth[i], CKA_VALUE_LEN), 20);
        cipher(key[i], keys[i]);
        mac(auth[i], macs[i]);
    }
    assert_memory_not_equal(keys[0], keys[1], 16);
    assert_memory_not_equal(macs[0], macs[1], 32);
    NEED(ha.f->C_DestroyObject(ha.session, key[1]));
    for (unsigned gone = 1; gone <= 2; gone++) {
        keys_world_fault(gone, "gone");
        cipher(key[0], now);
        assert_memory_equal(now, keys[0], 16);
        for (int i = 0; i < 2; i++) {
            mac(auth[i], now);
            assert_memory_equal(now, macs[i], 32);
        }
        keys_world_fault(gone, "ok");
    }
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    assert_int_equal(ha.f->C_EncryptInit(ha.session, &ecb, key[1]), CKR_KEY_HANDLE_INVALID);
    /* They are session objects, all four. */
    CK_ATTRIBUTE token[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            TRUTH(CKA_TOKEN, CK_TRUE), TRUTH(CKA_PRIVATE, CK_FALSE)};
    CK_OBJECT_HANDLE made;
    assert_int_equal(ha.f->C_DeriveKey(ha.session, &mech, master_secret(), token, COUNT(token), &made),
                     CKR_TEMPLATE_INCONSISTENT);
}

static int begin(void **state)
{
    (void)state;
    keys_world_up_softokn(true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    keys_world_down();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_keys_become_one),
        cmocka_unit_test(a_key_as_salt),
        cmocka_unit_test(nobodys_number),
        cmocka_unit_test(four_at_once),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
