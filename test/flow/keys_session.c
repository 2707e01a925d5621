/*
 * Session keys outlive the member that they were made on: however they were made, the same key is there on
 * each of three members when the two others are gone, and it dies with its session on all of them.
 */
#include "test/lib/keys_world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static CK_OBJECT_HANDLE kek;

static CK_OBJECT_HANDLE generated(void)
{
    return keys_world_aes(&ha, "generated", false, false);
}

static CK_OBJECT_HANDLE created(void)
{
    static const CK_BYTE value[32] = "a key that the application knows";
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            BYTES(CKA_VALUE, value, 32),       TRUTH(CKA_ENCRYPT, CK_TRUE),
                            TRUTH(CKA_EXTRACTABLE, CK_FALSE),  TRUTH(CKA_DERIVE, CK_TRUE),
                            BYTES(CKA_LABEL, "created", 7)};
    CK_OBJECT_HANDLE key;
    NEED(ha.f->C_CreateObject(ha.session, templ, COUNT(templ), &key));
    return key;
}

static CK_OBJECT_HANDLE unwrapped(void)
{
    CK_MECHANISM mech = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_BYTE blob[64];
    CK_ULONG len = sizeof(blob);
    CK_OBJECT_HANDLE source = keys_world_aes(&ha, "source", false, true), key;
    NEED(ha.f->C_WrapKey(ha.session, &mech, kek, source, blob, &len));
    NEED(ha.f->C_DestroyObject(ha.session, source));
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            TRUTH(CKA_ENCRYPT, CK_TRUE), TRUTH(CKA_DERIVE, CK_TRUE),
                            BYTES(CKA_LABEL, "unwrapped", 9)};
    NEED(ha.f->C_UnwrapKey(ha.session, &mech, kek, blob, len, templ, COUNT(templ), &key));
    return key;
}

static CK_OBJECT_HANDLE derive_from(CK_OBJECT_HANDLE base, const char *label)
{
    CK_BYTE data[32] = {1, 2, 3};
    CK_KEY_DERIVATION_STRING_DATA param = {data, sizeof(data)};
    CK_MECHANISM mech = {CKM_AES_ECB_ENCRYPT_DATA, &param, sizeof(param)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32),         TRUTH(CKA_ENCRYPT, CK_TRUE),
                            TRUTH(CKA_DERIVE, CK_TRUE),        BYTES(CKA_LABEL, label, strlen(label))};
    CK_OBJECT_HANDLE key;
    NEED(ha.f->C_DeriveKey(ha.session, &mech, base, templ, COUNT(templ), &key));
    return key;
}

static CK_OBJECT_HANDLE derived(void)
{
    return derive_from(kek, "derived");
}

/* Its base object is a session key that was generated, and is destroyed. */
static CK_OBJECT_HANDLE derived_from_gone(void)
{
    CK_OBJECT_HANDLE base = keys_world_aes(&ha, "ephemeral", false, false);
    CK_OBJECT_HANDLE key = derive_from(base, "orphan");
    NEED(ha.f->C_DestroyObject(ha.session, base));
    return key;
}

static CK_OBJECT_HANDLE derived_deeply(void)
{
    CK_OBJECT_HANDLE key = derive_from(kek, "deep");
    for (int i = 0; i < 40; i++) {
        CK_OBJECT_HANDLE next = derive_from(key, "deep");
        NEED(ha.f->C_DestroyObject(ha.session, key));
        key = next;
    }
    return key;
}

static CK_OBJECT_HANDLE copied(void)
{
    CK_ATTRIBUTE templ[] = {TRUTH(CKA_TOKEN, CK_FALSE), BYTES(CKA_LABEL, "copied", 6)};
    CK_OBJECT_HANDLE key;
    NEED(ha.f->C_CopyObject(ha.session, kek, templ, COUNT(templ), &key));
    return key;
}

static CK_OBJECT_HANDLE copied_of_session(void)
{
    CK_ATTRIBUTE templ[] = {BYTES(CKA_LABEL, "copied", 6)};
    CK_OBJECT_HANDLE source = keys_world_aes(&ha, "source", false, false), key;
    NEED(ha.f->C_CopyObject(ha.session, source, templ, COUNT(templ), &key));
    NEED(ha.f->C_DestroyObject(ha.session, source));
    assert_false(keys_world_bool(&ha, key, CKA_EXTRACTABLE));
    return key;
}

static const struct way {
    const char *name;
    CK_OBJECT_HANDLE (*make)(void);
} ways[] = {{"generated", generated},
            {"created", created},
            {"unwrapped", unwrapped},
            {"derived", derived},
            {"derived from a key that is gone", derived_from_gone},
            {"derived 40 times", derived_deeply},
            {"copied", copied},
            {"copied of a session key", copied_of_session}};

static CK_OBJECT_HANDLE key[COUNT(ways)];
static CK_BYTE value[COUNT(ways)][16];

/* The background work is done: nothing is pinned any more. */
static void settle(void)
{
    usleep(300000);
}

static void outlives_members(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT(ways); w++) {
        key[w] = ways[w].make();
        keys_world_ecb(&ha, key[w], value[w]);
    }
    settle();
    for (unsigned i = 1; i <= 3; i++) {
        keys_world_only(i);
        for (size_t w = 0; w < COUNT(ways); w++) {
            CK_BYTE now[16];
            print_message("%s on hsm-%u alone\n", ways[w].name, i);
            keys_world_ecb(&ha, key[w], now);
            assert_memory_equal(now, value[w], 16);
        }
    }
    keys_world_only(0);
    assert_false(keys_world_logged("session-key-lost"));
}

static void says_what_it_is(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT(ways); w++) {
        CK_ULONG type = 0;
        CK_ATTRIBUTE templ = {CKA_KEY_TYPE, &type, sizeof(type)};
        NEED(ha.f->C_GetAttributeValue(ha.session, key[w], &templ, 1));
        assert_int_equal(type, CKK_AES);
        assert_false(keys_world_bool(&ha, key[w], CKA_TOKEN));
    }
    assert_int_equal(keys_world_find(&ha, "orphan"), key[4]);
    /* By something that its template did not say. */
    CK_ATTRIBUTE templ[] = {BYTES(CKA_LABEL, "unwrapped", 9), TRUTH(CKA_LOCAL, CK_FALSE)};
    CK_OBJECT_HANDLE found = 0;
    CK_ULONG count = 0;
    NEED(ha.f->C_FindObjectsInit(ha.session, templ, 2));
    NEED(ha.f->C_FindObjects(ha.session, &found, 1, &count));
    NEED(ha.f->C_FindObjectsFinal(ha.session));
    assert_int_equal(count, 1);
    assert_int_equal(found, key[2]);
    /* Members may have it otherwise. */
    assert_false(keys_world_bool(&ha, key[0], CKA_EXTRACTABLE));
    CK_MECHANISM mech = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_BYTE blob[64];
    CK_ULONG len = sizeof(blob);
    assert_int_equal(ha.f->C_WrapKey(ha.session, &mech, kek, key[0], blob, &len), CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(ha.f->C_WrapKey(ha.session, &mech, kek, key[7], blob, &len), CKR_KEY_UNEXTRACTABLE);
    CK_ATTRIBUTE loose[] = {TRUTH(CKA_EXTRACTABLE, CK_TRUE)};
    assert_int_equal(ha.f->C_SetAttributeValue(ha.session, key[0], loose, 1), CKR_ATTRIBUTE_READ_ONLY);
}

/* What is changed on one member holds on the next. */
static void keeps_changes(void **state)
{
    (void)state;
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    CK_ATTRIBUTE templ[] = {TRUTH(CKA_ENCRYPT, CK_FALSE), BYTES(CKA_LABEL, "changed", 7)};
    CK_OBJECT_HANDLE own = keys_world_aes(&ha, "unchanged", false, false);
    settle();
    NEED(ha.f->C_SetAttributeValue(ha.session, own, templ, 2));
    for (unsigned i = 1; i <= 3; i++) {
        keys_world_only(i);
        assert_int_equal(keys_world_find(&ha, "changed"), own);
        assert_int_equal(ha.f->C_EncryptInit(ha.session, &mech, own), CKR_KEY_FUNCTION_NOT_PERMITTED);
        assert_int_equal(ha.f->C_DecryptInit(ha.session, &mech, own), CKR_OK);
        CK_BYTE block[16] = {0};
        CK_ULONG len = 16;
        NEED(ha.f->C_Decrypt(ha.session, block, 16, block, &len));
    }
    keys_world_only(0);
    NEED(ha.f->C_DestroyObject(ha.session, own));
}

/* To the token: the same key, and what it was as the application sees it. */
static void goes_to_the_token(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT(ways); w++) {
        char label[32];
        snprintf(label, sizeof(label), "token-%zu", w);
        CK_ATTRIBUTE templ[] = {TRUTH(CKA_TOKEN, CK_TRUE), BYTES(CKA_LABEL, label, strlen(label))};
        CK_OBJECT_HANDLE token;
        CK_BYTE now[16];
        print_message("%s to the token\n", ways[w].name);
        NEED(ha.f->C_CopyObject(ha.session, key[w], templ, 2, &token));
        keys_world_ecb(&ha, token, now);
        assert_memory_equal(now, value[w], 16);
        assert_true(keys_world_bool(&ha, token, CKA_TOKEN));
        assert_int_equal(keys_world_bool(&ha, token, CKA_EXTRACTABLE),
                         keys_world_bool(&ha, key[w], CKA_EXTRACTABLE));
        NEED(ha.f->C_DestroyObject(ha.session, token));
    }
}

static unsigned long objects_on(unsigned member)
{
    return keys_world_count(member, "C_CreateObject") + keys_world_count(member, "C_GenerateKey") +
           keys_world_count(member, "C_UnwrapKey") + keys_world_count(member, "C_DeriveKey") +
           keys_world_count(member, "C_CopyObject");
}

static unsigned long objects_off(unsigned member)
{
    return keys_world_count(member, "C_DestroyObject");
}

/* So much use that the one fast member gets them. */
static void use_on(unsigned fast, const CK_OBJECT_HANDLE *keys, int count)
{
    CK_BYTE now[16];
    for (unsigned i = 1; i <= 3; i++)
        keys_world_fault(i, i == fast ? "ok" : "slow=20");
    for (int n = 0; n < 50 * count; n++)
        keys_world_ecb(&ha, keys[n % count], now);
    for (unsigned i = 1; i <= 3; i++)
        keys_world_fault(i, "ok");
}

/* Session keys that are on all members are destroyed on all of them. */
static void dies_with_its_session(void **state)
{
    (void)state;
    struct side other = ha;
    CK_OBJECT_HANDLE own[3];
    unsigned long on[4], off[4];
    settle();
    for (unsigned i = 1; i <= 3; i++) {
        on[i] = objects_on(i);
        off[i] = objects_off(i);
    }
    other.session = keys_world_session(&ha);
    for (int i = 0; i < 3; i++)
        own[i] = keys_world_aes(&other, "short-lived", false, false);
    settle();
    for (unsigned i = 1; i <= 3; i++)
        use_on(i, own, 3);
    for (unsigned i = 1; i <= 3; i++)
        assert_true(objects_on(i) - on[i] >= 3);
    NEED(ha.f->C_CloseSession(other.session));
    settle();
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(objects_on(i) - on[i], objects_off(i) - off[i]);
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(ha.f->C_EncryptInit(ha.session, &mech, own[i]), CKR_KEY_HANDLE_INVALID);
}

/* Of the functions that make, move and read keys. */
static unsigned long calls_for_keys(void)
{
    static const char *const functions[] = {"C_DeriveKey",  "C_DestroyObject",    "C_CreateObject",
                                            "C_CopyObject", "C_GenerateKey",      "C_WrapKey",
                                            "C_UnwrapKey",  "C_GetAttributeValue"};
    unsigned long sum = 0;
    for (unsigned i = 1; i <= 3; i++)
        for (size_t k = 0; k < COUNT(functions); k++)
            sum += keys_world_count(i, functions[k]);
    return sum;
}

/* A key of a handshake: made, used, destroyed. Nothing more than these calls goes to any member before it is
 * used. */
static void costs_no_more(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE once = derive_from(kek, "warm-up");
    NEED(ha.f->C_DestroyObject(ha.session, once));
    settle();
    unsigned long before = calls_for_keys();
    for (int n = 0; n < 10; n++) {
        once = derive_from(kek, "once");
        NEED(ha.f->C_DestroyObject(ha.session, once));
    }
    unsigned long calls = calls_for_keys() - before;
    /* Probes of the members go on meanwhile. */
    print_message("%lu calls for 10 keys derived and destroyed\n", calls);
    assert_in_range(calls, 20, 24);
}

/* The token key that a session key was derived from is destroyed: the session key is on every member by then.
 */
static void outlives_its_base(void **state)
{
    (void)state;
    CK_BYTE before[16], now[16];
    CK_OBJECT_HANDLE base = keys_world_aes(&ha, "base", true, false);
    CK_OBJECT_HANDLE own = derive_from(base, "own");
    keys_world_ecb(&ha, own, before);
    NEED(ha.f->C_DestroyObject(ha.session, base));
    for (unsigned gone = 1; gone <= 2; gone++) {
        keys_world_fault(gone, "gone");
        keys_world_ecb(&ha, own, now);
        assert_memory_equal(now, before, 16);
    }
    keys_world_only(0);
    NEED(ha.f->C_DestroyObject(ha.session, own));
}

static void logout_ends_private_ones(void **state)
{
    (void)state;
    static const CK_BYTE secret[32] = {9};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            BYTES(CKA_VALUE, secret, 32), TRUTH(CKA_ENCRYPT, CK_TRUE),
                            TRUTH(CKA_PRIVATE, CK_FALSE)};
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    CK_OBJECT_HANDLE public;
    CK_BYTE before[16], now[16];
    NEED(ha.f->C_CreateObject(ha.session, templ, COUNT(templ), &public));
    keys_world_ecb(&ha, public, before);
    NEED(ha.f->C_Logout(ha.session));
    unsigned long made = objects_on(1) + objects_on(2) + objects_on(3);
    keys_world_ecb(&ha, public, now);
    assert_memory_equal(now, before, 16);
    /* It is where it was. */
    assert_int_equal(objects_on(1) + objects_on(2) + objects_on(3), made);
    assert_int_equal(ha.f->C_EncryptInit(ha.session, &mech, key[0]), CKR_KEY_HANDLE_INVALID);
    NEED(ha.f->C_Login(ha.session, CKU_USER, (CK_UTF8CHAR *)"1234", 4));
    for (size_t w = 0; w < COUNT(ways); w++)
        assert_int_equal(ha.f->C_EncryptInit(ha.session, &mech, key[w]), CKR_KEY_HANDLE_INVALID);
    keys_world_ecb(&ha, public, now);
    assert_memory_equal(now, before, 16);
    NEED(ha.f->C_DestroyObject(ha.session, public));
}

static int begin(void **state)
{
    (void)state;
    keys_world_up("--chaos --timeout 5s", NULL);
    kek = keys_world_aes(&ha, "kek-of-all", true, false);
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
        cmocka_unit_test(outlives_members),      cmocka_unit_test(says_what_it_is),
        cmocka_unit_test(goes_to_the_token),     cmocka_unit_test(keeps_changes),
        cmocka_unit_test(dies_with_its_session), cmocka_unit_test(costs_no_more),
        cmocka_unit_test(outlives_its_base),     cmocka_unit_test(logout_ends_private_ones),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
