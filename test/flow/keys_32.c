/*
 * The functions for keys that PKCS#11 3.2 added, in a group whose members have them: keys that are
 * encapsulated and wrapped with associated data are the same on every member, and outlive the one that made
 * them.
 */
#include "test/lib/keys_world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST_3_2 *f;
static CK_OBJECT_HANDLE public_key, private_key;
static CK_ECDH1_DERIVE_PARAMS ecdh = {.kdf = CKD_NULL};
static CK_MECHANISM kem = {CKM_ECDH1_DERIVE, &ecdh, sizeof(ecdh)};

static void make_pair(void)
{
    static const CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    CK_MECHANISM mech = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE shown[] = {BYTES(CKA_EC_PARAMS, p256, sizeof(p256)), TRUTH(CKA_TOKEN, CK_TRUE),
                            TRUTH(CKA_DERIVE, CK_TRUE), BYTES(CKA_ID, "k", 1)};
    CK_ATTRIBUTE hidden[] = {TRUTH(CKA_TOKEN, CK_TRUE), TRUTH(CKA_DERIVE, CK_TRUE), TRUTH(CKA_SIGN, CK_TRUE),
                             BYTES(CKA_ID, "k", 1)};
    NEED(f->C_GenerateKeyPair(ha.session, &mech, shown, COUNT(shown), hidden, COUNT(hidden), &public_key,
                              &private_key));
}

#define SECRET(token)                                                                                \
    {                                                                                                \
        NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES), NUMBER(CKA_VALUE_LEN, 32), \
            TRUTH(CKA_ENCRYPT, CK_TRUE), TRUTH(CKA_TOKEN, (CK_BBOOL)(token)),                        \
            TRUTH(CKA_EXTRACTABLE, CK_FALSE), TRUTH(CKA_PRIVATE, CK_TRUE)                            \
    }

static CK_OBJECT_HANDLE encapsulate(bool token, CK_BYTE out[160], CK_ULONG *len)
{
    CK_ATTRIBUTE templ[] = SECRET(token);
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    *len = 160;
    NEED(f->C_EncapsulateKey(ha.session, &kem, public_key, templ, COUNT(templ), out, len, &key));
    assert_int_not_equal(key, CK_INVALID_HANDLE);
    return key;
}

static CK_OBJECT_HANDLE decapsulate(bool token, CK_BYTE *in, CK_ULONG len)
{
    CK_ATTRIBUTE templ[] = SECRET(token);
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    NEED(f->C_DecapsulateKey(ha.session, &kem, private_key, templ, COUNT(templ), in, len, &key));
    return key;
}

/* All of them are the one key, on whatever member works. */
static void need_one_key(const CK_OBJECT_HANDLE *key, size_t count)
{
    CK_BYTE expected[16], now[16];
    keys_world_ecb(&ha, key[0], expected);
    for (unsigned alone = 1; alone <= 3; alone++) {
        keys_world_only(alone);
        for (size_t i = 0; i < count; i++) {
            keys_world_ecb(&ha, key[i], now);
            assert_memory_equal(now, expected, 16);
        }
    }
    keys_world_only(0);
}

/* Encapsulated and opened, to the session and to the token. */
static void one_key_on_both_sides(void **state)
{
    (void)state;
    for (int token = 0; token < 2; token++) {
        CK_BYTE ciphertext[160];
        CK_ULONG len;
        CK_OBJECT_HANDLE key[3];
        key[0] = encapsulate(token, ciphertext, &len);
        key[1] = decapsulate(false, ciphertext, len);
        key[2] = decapsulate(true, ciphertext, len);
        usleep(300000); /* the session key is being wrapped */
        need_one_key(key, 3);
        assert_false(keys_world_bool(&ha, key[0], CKA_EXTRACTABLE));
        assert_int_equal(keys_world_bool(&ha, key[0], CKA_TOKEN), token);
        for (int i = 0; i < 3; i++)
            NEED(f->C_DestroyObject(ha.session, key[i]));
    }
}

static CK_ULONG objects(void)
{
    CK_OBJECT_HANDLE found[64];
    CK_ULONG count = 0;
    NEED(f->C_FindObjectsInit(ha.session, NULL, 0));
    NEED(f->C_FindObjects(ha.session, found, 64, &count));
    NEED(f->C_FindObjectsFinal(ha.session));
    return count;
}

/* Whoever asks for the length, or has too little room, gets no key. */
static void lengths(void **state)
{
    (void)state;
    CK_ATTRIBUTE templ[] = SECRET(CK_TRUE);
    CK_BYTE out[160];
    CK_ULONG len = 0, full, before = objects();
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    (void)encapsulate(false, out, &full);
    assert_int_equal(objects(), ++before);
    NEED(f->C_EncapsulateKey(ha.session, &kem, public_key, templ, COUNT(templ), NULL, &len, NULL));
    assert_int_equal(len, full);
    for (len = 0; len < full; len += full - 1) {
        CK_ULONG told = len;
        assert_int_equal(
            f->C_EncapsulateKey(ha.session, &kem, public_key, templ, COUNT(templ), out, &told, &key),
            CKR_BUFFER_TOO_SMALL);
        assert_int_equal(told, full);
        assert_int_equal(key, CK_INVALID_HANDLE);
    }
    assert_int_equal(objects(), before);
}

static void fail_but(unsigned good, const char *function, const char *fault)
{
    char rule[80];
    snprintf(rule, sizeof(rule), "%s %s", function, fault);
    for (unsigned bad = 1; bad <= 3; bad++)
        if (bad != good)
            keys_world_fault(bad, rule);
}

/* Two members that fail, hang or have no such function: the third one does it. */
static void others_do_it(void **state)
{
    (void)state;
    static const char *const faults[] = {"rv=CKR_DEVICE_ERROR", "hang", "rv=CKR_FUNCTION_NOT_SUPPORTED",
                                         "rv=CKR_SESSION_HANDLE_INVALID"};
    for (unsigned i = 0; i < COUNT(faults); i++) {
        CK_BYTE ciphertext[160], value[2][16];
        CK_ULONG len;
        CK_OBJECT_HANDLE key[2];
        fail_but(i % 3 + 1, "C_EncapsulateKey", faults[i]);
        key[0] = encapsulate(false, ciphertext, &len);
        fail_but(i % 3 + 1, "C_DecapsulateKey", faults[i]);
        key[1] = decapsulate(false, ciphertext, len);
        keys_world_only(0);
        for (int k = 0; k < 2; k++) {
            keys_world_ecb(&ha, key[k], value[k]);
            NEED(f->C_DestroyObject(ha.session, key[k]));
        }
        assert_memory_equal(value[0], value[1], 16);
    }
}

static CK_BYTE iv[12] = "twelve bytes", aad[] = "for that customer";
static CK_GCM_PARAMS gcm_params = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
static CK_MECHANISM gcm = {CKM_AES_GCM, &gcm_params, sizeof(gcm_params)};

static void authenticated(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE kek = keys_world_aes(&ha, "kek-32", true, false), key[3],
                     fixed = keys_world_aes(&ha, "fixed-32", false, false), none = CK_INVALID_HANDLE;
    CK_BYTE blob[80], small[80];
    CK_ULONG len = 0, full;
    key[0] = keys_world_aes(&ha, "wrapped-32", false, true);
    NEED(f->C_WrapKeyAuthenticated(ha.session, &gcm, kek, key[0], aad, sizeof(aad), NULL, &len));
    assert_int_equal(len, 56);
    full = len;
    len--;
    assert_int_equal(f->C_WrapKeyAuthenticated(ha.session, &gcm, kek, key[0], aad, sizeof(aad), small, &len),
                     CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, full);
    NEED(f->C_WrapKeyAuthenticated(ha.session, &gcm, kek, key[0], aad, sizeof(aad), blob, &len));
    len = sizeof(small);
    assert_int_equal(f->C_WrapKeyAuthenticated(ha.session, &gcm, kek, fixed, aad, sizeof(aad), small, &len),
                     CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(f->C_WrapKeyAuthenticated(ha.session, &gcm, 4711, key[0], aad, sizeof(aad), small, &len),
                     CKR_WRAPPING_KEY_HANDLE_INVALID);
    for (int token = 0; token < 2; token++) {
        CK_ATTRIBUTE templ[] = SECRET(token);
        NEED(f->C_UnwrapKeyAuthenticated(ha.session, &gcm, kek, blob, full, templ, COUNT(templ), aad,
                                         sizeof(aad), &key[1 + token]));
        CK_RV rv = f->C_UnwrapKeyAuthenticated(ha.session, &gcm, kek, blob, full, templ, COUNT(templ), aad,
                                               sizeof(aad) - 1, &none);
        assert_true(rv != CKR_OK && none == CK_INVALID_HANDLE);
        assert_int_equal(f->C_UnwrapKeyAuthenticated(ha.session, &gcm, 4711, blob, full, templ, COUNT(templ),
                                                     aad, sizeof(aad), &none),
                         CKR_UNWRAPPING_KEY_HANDLE_INVALID);
    }
    assert_false(keys_world_logged("to=down"));
    usleep(300000);
    need_one_key(key, 3);
}

static int begin(void **state)
{
    (void)state;
    keys_world_up("--chaos --vendor nss --list 3.2 --timeout 2s", NULL);
    f = keys_world_32();
    make_pair();
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(authenticated),
                                       cmocka_unit_test(one_key_on_both_sides), cmocka_unit_test(lengths),
                                       cmocka_unit_test(others_do_it)};
    return cmocka_run_group_tests(tests, begin, end);
}
