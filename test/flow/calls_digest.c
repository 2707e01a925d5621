/* Digests: keys that go into them, here or on a member, and their states; members that fail in the middle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "test/lib/rig_world.h"

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE open_key, hidden_key, private_key, public_key;
static CK_BYTE open_value[16] = "open open open!", hidden_value[24] = "hidden hidden hidden!!!", text[1000];
static CK_MECHANISM sha = {CKM_SHA256, NULL, 0}, md5 = {CKM_MD5, NULL, 0};

static CK_OBJECT_HANDLE import(CK_BYTE *value, CK_ULONG len, bool hidden)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
                            {CKA_KEY_TYPE, &type, sizeof(type)},
                            {CKA_TOKEN, &rig_yes, 1},
                            {CKA_ENCRYPT, &rig_yes, 1},
                            {CKA_SENSITIVE, hidden ? &rig_yes : &rig_no, 1},
                            {CKA_EXTRACTABLE, hidden ? &rig_no : &rig_yes, 1},
                            {CKA_VALUE, value, len}};
    CK_OBJECT_HANDLE key = 0;
    OK(rig_p11->C_CreateObject(session, templ, 7, &key));
    return key;
}

static int begin(void **state)
{
    (void)state;
    rig_make("--chaos --timeout 3s");
    session = rig_login();
    open_key = import(open_value, sizeof(open_value), false);
    hidden_key = import(hidden_value, sizeof(hidden_value), true);
    rig_rsa_pair(session, &public_key, &private_key);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (CK_BYTE)(i * 11);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

static void all_well(void)
{
    rig_fault("*", "ok");
    rig_wait_up();
}

struct expected {
    EVP_MD_CTX *ctx;
};

static struct expected expect_begin(const EVP_MD *md)
{
    struct expected expected = {EVP_MD_CTX_new()};
    assert_int_equal(EVP_DigestInit(expected.ctx, md), 1);
    return expected;
}

static void expect(struct expected *expected, const void *data, size_t len)
{
    assert_int_equal(EVP_DigestUpdate(expected->ctx, data, len), 1);
}

/* C_DigestFinal gives the same. */
static void as_expected(struct expected *expected, CK_SESSION_HANDLE where)
{
    CK_BYTE got[64], want[64];
    CK_ULONG len = sizeof(got);
    unsigned want_len = 0;
    EVP_DigestFinal(expected->ctx, want, &want_len);
    EVP_MD_CTX_free(expected->ctx);
    OK(rig_p11->C_DigestFinal(where, got, &len));
    assert_int_equal(len, want_len);
    assert_memory_equal(got, want, len);
}

static void readable_key(void **state)
{
    (void)state;
    struct expected expected = expect_begin(EVP_sha256());
    unsigned long before = rig_count("*", "C_DigestKey").calls;
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_DigestKey(session, open_key));
    OK(rig_p11->C_DigestUpdate(session, text, 100));
    OK(rig_p11->C_DigestKey(session, open_key));
    expect(&expected, open_value, sizeof(open_value));
    expect(&expected, text, 100);
    expect(&expected, open_value, sizeof(open_value));
    as_expected(&expected, session);
    assert_int_equal(rig_count("*", "C_DigestKey").calls, before);
}

/* Data, keys that can be read and others, one after the other; `fault` strikes all members before the step.
 */
static void mixed(int fault_at, const char *fault)
{
    struct expected expected = expect_begin(EVP_sha256());
    OK(rig_p11->C_DigestInit(session, &sha));
    for (int step = 0; step < 7; step++) {
        if (step == fault_at)
            rig_fault("*", fault);
        switch (step) {
        case 0:
        case 4:
            OK(rig_p11->C_DigestUpdate(session, text + step * 100, 100));
            expect(&expected, text + step * 100, 100);
            break;
        case 1:
        case 5:
            OK(rig_p11->C_DigestKey(session, open_key));
            expect(&expected, open_value, sizeof(open_value));
            break;
        case 2:
        case 3:
            OK(rig_p11->C_DigestKey(session, hidden_key));
            expect(&expected, hidden_value, sizeof(hidden_value));
            break;
        default:
            as_expected(&expected, session);
        }
    }
    if (fault_at >= 0)
        all_well();
}

static void hidden_keys(void **state)
{
    (void)state;
    unsigned long before = rig_count("*", "C_DigestKey").ok;
    mixed(-1, "");
    assert_true(rig_count("*", "C_DigestKey").ok > before);
    unsigned long failed = rig_count("*", "C_DigestKey").failed;
    mixed(3, "C_DigestKey rv=CKR_DEVICE_REMOVED times=1");
    assert_true(rig_count("*", "C_DigestKey").failed > failed);
    failed = rig_count("*", "C_DigestUpdate").failed;
    mixed(4, "C_DigestUpdate rv=CKR_DEVICE_REMOVED times=1");
    assert_true(rig_count("*", "C_DigestUpdate").failed > failed);
    failed = rig_count("*", "C_DigestFinal").failed;
    mixed(6, "C_DigestFinal rv=CKR_DEVICE_REMOVED times=1");
    assert_true(rig_count("*", "C_DigestFinal").failed > failed);
    mixed(5, "C_DigestKey lose-sessions times=1");
}

static void indigestible(void **state)
{
    (void)state;
    /* SoftHSM feeds hidden keys to SHA only. */
    struct expected expected = expect_begin(EVP_md5());
    assert_int_equal(rig_p11->C_DigestKey(session, open_key), CKR_OPERATION_NOT_INITIALIZED);
    OK(rig_p11->C_DigestInit(session, &md5));
    OK(rig_p11->C_DigestUpdate(session, text, 64));
    assert_int_equal(rig_p11->C_DigestKey(session, hidden_key), CKR_KEY_INDIGESTIBLE);
    assert_int_equal(rig_p11->C_DigestKey(session, private_key), CKR_KEY_INDIGESTIBLE);
    assert_int_equal(rig_p11->C_DigestKey(session, 0xdead), CKR_KEY_HANDLE_INVALID);
    OK(rig_p11->C_DigestUpdate(session, text + 64, 64));
    OK(rig_p11->C_DigestKey(session, open_key));
    expect(&expected, text, 128);
    expect(&expected, open_value, sizeof(open_value));
    as_expected(&expected, session);
}

/* Saved in one session, restored in another one of another start. */
static void states(void **state)
{
    (void)state;
    CK_BYTE saved[2048], small[10];
    CK_ULONG len = 0, wanted, none = 0;
    CK_SESSION_HANDLE other = rig_login();
    struct expected expected = expect_begin(EVP_sha256()), again = expect_begin(EVP_sha256());
    assert_int_equal(rig_p11->C_GetOperationState(session, saved, &len), CKR_OPERATION_NOT_INITIALIZED);
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_DigestUpdate(session, text, 333));
    OK(rig_p11->C_GetOperationState(session, NULL, &len));
    wanted = len;
    len = sizeof(small);
    assert_int_equal(rig_p11->C_GetOperationState(session, small, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, wanted);
    len = sizeof(saved);
    OK(rig_p11->C_GetOperationState(session, saved, &len));
    assert_int_equal(len, wanted);
    assert_int_equal(rig_p11->C_SetOperationState(other, saved, len, open_key, 0), CKR_KEY_NOT_NEEDED);
    assert_int_equal(rig_p11->C_SetOperationState(other, saved, len - 1, 0, 0), CKR_SAVED_STATE_INVALID);
    saved[70] ^= 1;
    assert_int_equal(rig_p11->C_SetOperationState(other, saved, len, 0, 0), CKR_SAVED_STATE_INVALID);
    saved[70] ^= 1;
    assert_int_equal(rig_p11->C_SetOperationState(other, small, none, 0, 0), CKR_SAVED_STATE_INVALID);
    OK(rig_p11->C_SetOperationState(other, saved, len, 0, 0));
    OK(rig_p11->C_DigestUpdate(other, text + 333, 667));
    OK(rig_p11->C_DigestUpdate(session, text + 333, 67));
    expect(&expected, text, 1000);
    as_expected(&expected, other);
    expect(&again, text, 400);
    as_expected(&again, session);
    OK(rig_p11->C_Finalize(NULL));
    session = rig_login();
    expected = expect_begin(EVP_sha256());
    OK(rig_p11->C_DigestInit(session, &md5)); /* which the state replaces */
    OK(rig_p11->C_SetOperationState(session, saved, len, 0, 0));
    OK(rig_p11->C_DigestUpdate(session, text + 333, 667));
    expect(&expected, text, 1000);
    as_expected(&expected, session);
    /* Nothing fed yet: a single-part digest is still possible. */
    CK_BYTE digest[32];
    CK_ULONG digest_len = sizeof(digest);
    OK(rig_p11->C_DigestInit(session, &sha));
    len = sizeof(saved);
    OK(rig_p11->C_GetOperationState(session, saved, &len));
    OK(rig_p11->C_SetOperationState(session, saved, len, 0, 0));
    OK(rig_p11->C_Digest(session, text, 10, digest, &digest_len));
}

static void find_keys(void)
{
    CK_KEY_TYPE type = CKK_AES;
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0;
    CK_ATTRIBUTE templ[] = {{CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_SENSITIVE, &rig_yes, 1}};
    OK(rig_p11->C_FindObjectsInit(session, templ, 2));
    OK(rig_p11->C_FindObjects(session, found, 2, &count));
    OK(rig_p11->C_FindObjectsFinal(session));
    assert_int_equal(count, 1);
    hidden_key = found[0];
    templ[1].pValue = &rig_no;
    OK(rig_p11->C_FindObjectsInit(session, templ, 2));
    OK(rig_p11->C_FindObjects(session, found, 2, &count));
    OK(rig_p11->C_FindObjectsFinal(session));
    assert_int_equal(count, 1);
    open_key = found[0];
}

static void unsaveable(void **state)
{
    (void)state;
    static CK_BYTE large[1 << 20];
    CK_BYTE iv[16] = {0};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, 16};
    CK_ULONG len = 0;
    find_keys();
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_EncryptInit(session, &cbc, open_key));
    assert_int_equal(rig_p11->C_GetOperationState(session, NULL, &len), CKR_STATE_UNSAVEABLE);
    OK(rig_p11->C_SessionCancel(session, CKF_ENCRYPT));
    OK(rig_p11->C_GetOperationState(session, NULL, &len));
    OK(rig_p11->C_DigestKey(session, open_key));
    assert_int_equal(rig_p11->C_GetOperationState(session, NULL, &len), CKR_STATE_UNSAVEABLE);
    OK(rig_p11->C_SessionCancel(session, CKF_DIGEST));
    /* Past replay-limit what was fed is not kept; the digest itself goes on here. */
    struct expected expected = expect_begin(EVP_sha256());
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_DigestUpdate(session, large, sizeof(large)));
    OK(rig_p11->C_DigestUpdate(session, large, 1));
    assert_int_equal(rig_p11->C_GetOperationState(session, NULL, &len), CKR_STATE_UNSAVEABLE);
    assert_int_equal(rig_p11->C_DigestKey(session, hidden_key), CKR_KEY_INDIGESTIBLE);
    OK(rig_p11->C_DigestKey(session, open_key));
    expect(&expected, large, sizeof(large));
    expect(&expected, large, 1);
    expect(&expected, open_value, sizeof(open_value));
    as_expected(&expected, session);
}

/* The same with digests on members from the start. */
static void on_members(void **state)
{
    char command[300];
    OK(rig_p11->C_Finalize(NULL));
    snprintf(command, sizeof(command), "sed -i 's/^slot = 1/slot = 1\\nlocal-digest = no/' %s/rig/p11ha.conf",
             rig_dir);
    assert_int_equal(system(command), 0);
    session = rig_login();
    find_keys();
    unsigned long before = rig_count("*", "C_DigestUpdate").ok;
    mixed(-1, "");
    assert_true(rig_count("*", "C_DigestUpdate").ok > before);
    mixed(3, "C_DigestKey rv=CKR_DEVICE_REMOVED times=1");
    mixed(4, "C_DigestUpdate rv=CKR_DEVICE_REMOVED times=1");
    states(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable_key), cmocka_unit_test(hidden_keys), cmocka_unit_test(indigestible),
        cmocka_unit_test(states),       cmocka_unit_test(unsaveable),  cmocka_unit_test(on_members),
    };
    return cmocka_run_group_tests_name("calls_digest", tests, begin, end);
}
