/*
 * chaos.so over SoftHSM: the language of rules, answers, corruption and time, as an application meets them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/chaos/rule.h"
#include "test/lib/chaos_ctl.h"
#include "test/lib/chaos_world.h"

static uint64_t sign_time(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    uint64_t start = world_now();
    assert_int_equal(world_sign(session, key), CKR_OK);
    return world_now() - start;
}

/* The language */

static void test_parse(void **state)
{
    (void)state;
    struct rule rule;
    char why[160];
    static const char *const bad[] = {"hsm-1",
                                      "hsm-1 C_Sign",
                                      "hsm-1 C_Sing hang",
                                      "hsm-1 C_Sign hangs",
                                      "hsm-1 C_Sign rv=CKR_NO_SUCH",
                                      "hsm-1 C_Sign rv=",
                                      "hsm-1 C_Sign delay=",
                                      "hsm-1 C_Sign delay=-1",
                                      "hsm-1 C_Sign hang nth=0",
                                      "hsm-1 C_Sign hang times=0",
                                      "hsm-1 C_Sign hang prob=1.1",
                                      "hsm-1 C_Sign hang id=",
                                      "hsm-1 C_Sign hang nth=1x",
                                      "hsm-1 C_Sign hang often=1",
                                      "hsm-1 network latency=x",
                                      "hsm-1 network concurrency=257",
                                      "hsm%2 * gone",
                                      "a-label-of-more-than-32-characters-is-none * gone",
                                      "hsm-1 C_GetFunctionList hang"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(rule_parse(bad[i], strlen(bad[i]), &rule, why, sizeof(why)), -1);

    assert_int_equal(rule_parse("  # x", 5, &rule, why, sizeof(why)), 0);
    const char *line = " my%20hsm\tC_Sign  rv=0x30 nth=3 times=2 prob=0.5 # why";
    assert_int_equal(rule_parse(line, strlen(line), &rule, why, sizeof(why)), 1);
    assert_string_equal(rule.text, "my%20hsm C_Sign rv=0x30 nth=3 times=2 prob=0.5");
    assert_string_equal(rule.token, "my hsm");
    assert_int_equal(rule.rv, CKR_DEVICE_ERROR);
    assert_int_equal(rule.nth, 3);
    assert_int_equal(rule.times, 2);
    assert_true(rule.prob == 0.5);
    assert_true(rule_names(&rule, CALL_C_Sign));
    assert_false(rule_names(&rule, CALL_C_SignInit));

    line = "* key delay=0.5";
    assert_int_equal(rule_parse(line, strlen(line), &rule, why, sizeof(why)), 1);
    assert_true(rule.any_token);
    assert_int_equal(rule.wait_ns, MS / 2);
    assert_true(rule_names(&rule, CALL_C_WrapKey));
    assert_false(rule_names(&rule, CALL_C_Sign));

    assert_int_equal(rule_check("* * gone\n\n# x\n* * going\n", why, sizeof(why)), 4);
    assert_int_equal(rule_check("* * gone", why, sizeof(why)), 0);
    assert_int_equal(chaos_set(world_control, "* * going"), -EINVAL);
}

/* Nothing asked, nothing changed */

static void test_faithful(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    CK_OBJECT_HANDLE key = world_key(session, &no);
    CK_BYTE mac[32], data[] = "data";
    CK_ULONG len = 0;
    CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
    assert_int_equal(world_p11->version.major, 2);
    assert_int_equal(world_p11->version.minor, 40);
    assert_int_equal(world_p11->C_SignInit(session, &mechanism, key), CKR_OK);
    assert_int_equal(world_p11->C_Sign(session, data, 4, NULL, &len), CKR_OK);
    assert_int_equal(len, 32);
    len = 1;
    assert_int_equal(world_p11->C_Sign(session, data, 4, mac, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(world_p11->C_Sign(session, data, 4, mac, &len), CKR_OK);
    assert_int_equal(world_p11->C_VerifyInit(session, &mechanism, key), CKR_OK);
    assert_int_equal(world_p11->C_Verify(session, data, 4, mac, len), CKR_OK);
    assert_int_equal(world_p11->C_Login(session, CKU_USER, world_pin, 4), CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(world_p11->C_CloseSession(session), CKR_OK);
    assert_int_equal(world_p11->C_CloseSession(session), CKR_SESSION_HANDLE_INVALID);
    world_count("hsm-1", "C_Sign", 3, 2, 1);
    world_count("hsm-1", "C_Login", 2, 1, 1);
    world_count("hsm-2", "C_Login", 0, 0, 0);
    world_count("hsm-1", "C_CloseSession", 1, 1, 0);
    world_count("-", "C_CloseSession", 1, 0, 1);
}

static void test_interfaces(void **state)
{
    (void)state;
    void *handle = dlopen(getenv("CHAOS_SO"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*list)(CK_INTERFACE *, CK_ULONG *), (*get)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS);
    *(void **)&list = dlsym(handle, "C_GetInterfaceList");
    *(void **)&get = dlsym(handle, "C_GetInterface");
    CK_INTERFACE all[4], *one = NULL;
    CK_ULONG count = 0;
    /* SoftHSM has 2.40 only, so chaos has. */
    assert_int_equal(list(NULL, &count), CKR_OK);
    assert_int_equal(count, 1);
    count = 0;
    assert_int_equal(list(all, &count), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(count, 1);
    assert_int_equal(list(all, &count), CKR_OK);
    assert_ptr_equal(all[0].pFunctionList, world_p11);
    assert_int_equal(get(NULL, NULL, &one, 0), CKR_OK);
    assert_ptr_equal(one->pFunctionList, world_p11);
    CK_VERSION version = {3, 0};
    assert_int_equal(get(NULL, &version, &one, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(get(NULL, NULL, &one, CKF_INTERFACE_FORK_SAFE), CKR_ARGUMENTS_BAD);
    dlclose(handle);
}

/* Answers */

static void test_rv(void **state)
{
    (void)state;
    CK_SESSION_HANDLE one = world_login(0), two = world_login(1);
    CK_OBJECT_HANDLE key1 = world_key(one, &no), key2 = world_key(two, &no);
    world_rules("hsm-1 C_Sign rv=CKR_DEVICE_ERROR nth=2 times=2\n");
    assert_int_equal(world_sign(one, key1), CKR_OK);
    /* A failed C_Sign ends the operation: no CKR_OPERATION_ACTIVE at the next C_SignInit. */
    assert_int_equal(world_sign(one, key1), CKR_DEVICE_ERROR);
    assert_int_equal(world_sign(one, key1), CKR_DEVICE_ERROR);
    assert_int_equal(world_sign(one, key1), CKR_OK);
    assert_int_equal(world_sign(two, key2), CKR_OK);
    /* The same text is the same rule, used up; another text is another rule. */
    world_rules("# again\nhsm-1  C_Sign rv=CKR_DEVICE_ERROR   nth=2 times=2\n");
    assert_int_equal(world_sign(one, key1), CKR_OK);
    assert_int_equal(world_sign(one, key1), CKR_OK);
    world_rules("hsm-1 C_Sign rv=CKR_DEVICE_MEMORY times=1\n");
    assert_int_equal(world_sign(one, key1), CKR_DEVICE_MEMORY);
    world_rules("hsm-1 C_Sign rv=CKR_DEVICE_MEMORY times=1 id=2\n");
    assert_int_equal(world_sign(one, key1), CKR_DEVICE_MEMORY);
    world_rules("* crypto rv=0x80000123 times=1\n");
    assert_int_equal(world_sign(two, key2), 0x80000123);
    assert_int_equal(world_sign(one, key1), CKR_OK);
    world_rules("hsm-2 * rv=CKR_GENERAL_ERROR\n");
    CK_TOKEN_INFO info;
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[0], &info), CKR_OK);
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[1], &info), CKR_GENERAL_ERROR);
    assert_int_equal(world_p11->C_GenerateRandom(two, info.label, 8), CKR_GENERAL_ERROR);
    assert_int_equal(unlink(world_control), 0);
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[1], &info), CKR_OK);
    world_count("hsm-1", "C_Sign", 9, 5, 4);
}

/* Each kind of operation is over after a rule failed it, whatever the module would think. */
static void test_failed_operation_ends(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    CK_MECHANISM aes_gen = {CKM_AES_KEY_GEN, NULL, 0}, rsa_gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, raw = {CKM_RSA_PKCS, NULL, 0}, hash = {CKM_SHA256, NULL, 0};
    CK_ULONG len = 16, bits = 1024;
    CK_ATTRIBUTE aes_attrs[] = {
        {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}};
    CK_ATTRIBUTE rsa_attrs[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)}};
    CK_OBJECT_HANDLE aes, pub, priv;
    CK_BYTE in[128] = {0}, out[256];
    assert_int_equal(world_p11->C_GenerateKey(session, &aes_gen, aes_attrs, 3, &aes), CKR_OK);
    assert_int_equal(world_p11->C_GenerateKeyPair(session, &rsa_gen, rsa_attrs, 1, NULL, 0, &pub, &priv),
                     CKR_OK);
    world_rules(
        "* C_Encrypt rv=6\n* C_DecryptUpdate rv=6\n* C_Sign rv=6\n* C_Verify rv=CKR_OK\n* C_Digest rv=6\n"
        "* C_SignUpdate rv=6\n* C_Decrypt rv=6\n* C_FindObjectsFinal rv=6\n* C_DigestUpdate rv=CKR_OK\n");
    for (int i = 0; i < 2; i++) {
        CK_ULONG n = sizeof(out);
        assert_int_equal(world_p11->C_EncryptInit(session, &ecb, aes), CKR_OK);
        assert_int_equal(world_p11->C_Encrypt(session, in, 16, out, &n), 6);
        assert_int_equal(world_p11->C_EncryptInit(session, &raw, pub), CKR_OK);
        assert_int_equal(world_p11->C_Encrypt(session, in, 16, out, &n), 6);
        assert_int_equal(world_p11->C_DecryptInit(session, &ecb, aes), CKR_OK);
        assert_int_equal(world_p11->C_DecryptUpdate(session, in, 16, out, &n), 6);
        assert_int_equal(world_p11->C_DecryptInit(session, &raw, priv), CKR_OK);
        assert_int_equal(world_p11->C_Decrypt(session, in, 128, out, &n), 6);
        assert_int_equal(world_p11->C_SignInit(session, &raw, priv), CKR_OK);
        assert_int_equal(world_p11->C_Sign(session, in, 16, out, &n), 6);
        assert_int_equal(world_p11->C_SignInit(session, &(CK_MECHANISM){CKM_SHA256_RSA_PKCS, NULL, 0}, priv),
                         CKR_OK);
        assert_int_equal(world_p11->C_SignUpdate(session, in, 16), 6);
        assert_int_equal(world_p11->C_VerifyInit(session, &raw, pub), CKR_OK);
        assert_int_equal(world_p11->C_Verify(session, in, 16, out, 128), CKR_OK);
        assert_int_equal(world_p11->C_DigestInit(session, &hash), CKR_OK);
        assert_int_equal(world_p11->C_Digest(session, in, 16, out, &n), 6);
        assert_int_equal(world_p11->C_FindObjectsInit(session, NULL, 0), CKR_OK);
        assert_int_equal(world_p11->C_FindObjectsFinal(session), 6);
        /* An Update that is answered with success goes on. */
        assert_int_equal(world_p11->C_DigestInit(session, &hash), CKR_OK);
        assert_int_equal(world_p11->C_DigestUpdate(session, in, 16), CKR_OK);
        n = sizeof(out);
        assert_int_equal(world_p11->C_DigestFinal(session, out, &n), CKR_OK);
    }
}

static void test_prob(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_session(0);
    CK_SESSION_INFO info;
    int failed = 0;
    world_rules("hsm-1 C_GetSessionInfo rv=CKR_FUNCTION_FAILED prob=0.25\n");
    for (int i = 0; i < 2000; i++)
        failed += world_p11->C_GetSessionInfo(session, &info) == CKR_FUNCTION_FAILED;
    assert_in_range(failed, 350, 650);
    world_rules("hsm-1 C_GetSessionInfo rv=CKR_FUNCTION_FAILED prob=0\n");
    assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_OK);
}

static void test_corrupt(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    CK_OBJECT_HANDLE key = world_key(session, &no);
    CK_BYTE good[32], bad[32], value[32];
    int bits = 0;
    assert_int_equal(world_mac(session, key, good), CKR_OK);
    world_rules("hsm-1 * corrupt times=2\n");
    assert_int_equal(world_mac(session, key, bad), CKR_OK);
    for (int i = 0; i < 32; i++)
        bits += __builtin_popcount((unsigned)(good[i] ^ bad[i]));
    assert_int_equal(bits, 1);
    assert_int_equal(world_mac(session, key, bad), CKR_OK);
    assert_memory_equal(good, bad, 32);

    CK_ATTRIBUTE attr = {CKA_VALUE, value, sizeof(value)};
    assert_int_equal(world_p11->C_GetAttributeValue(session, key, &attr, 1), CKR_OK);
    memcpy(good, value, 32);
    world_rules("hsm-1 C_GetAttributeValue corrupt\n");
    assert_int_equal(world_p11->C_GetAttributeValue(session, key, &attr, 1), CKR_OK);
    assert_memory_not_equal(good, value, 32);
    /* A size query has nothing to flip. */
    attr.pValue = NULL;
    assert_int_equal(world_p11->C_GetAttributeValue(session, key, &attr, 1), CKR_OK);
    assert_int_equal(attr.ulValueLen, 32);
}

/* Time */

static void test_delay_and_late(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    CK_OBJECT_HANDLE key = world_key(session, &no);
    world_rules("hsm-1 C_Sign delay=40 times=1\n");
    assert_in_range(sign_time(session, key), 40 * MS, 400 * MS);
    assert_in_range(sign_time(session, key), 0, 39 * MS);
    /* late: done, then answered. The object is there before the answer is. */
    world_rules("hsm-1 C_DestroyObject late=60\n");
    uint64_t start = world_now();
    assert_int_equal(world_p11->C_DestroyObject(session, key), CKR_OK);
    assert_in_range(world_now() - start, 60 * MS, 400 * MS);
    assert_int_equal(world_sign(session, key), CKR_OBJECT_HANDLE_INVALID);
}

static void test_hang(void **state)
{
    (void)state;
    struct caller caller[4];
    CK_SESSION_HANDLE first = world_login(0), other = world_login(1);
    CK_OBJECT_HANDLE key = world_key(first, &no), other_key = world_key(other, &no);
    world_rules("hsm-1 C_Sign hang\n");
    for (int i = 0; i < 4; i++) {
        caller[i] = (struct caller){.session = i ? world_session(0) : first, .key = key};
        assert_int_equal(pthread_create(&caller[i].thread, NULL, world_signer, &caller[i]), 0);
    }
    world_wait("hsm-1", "C_Sign", 4);
    usleep(30000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(atomic_load(&caller[i].ended), 0);
    /* Nothing is locked meanwhile. */
    assert_int_equal(world_sign(other, other_key), CKR_OK);
    assert_int_equal(world_p11->C_CloseSession(world_session(0)), CKR_OK);
    /* Another rule comes: the hang stays. It goes: all are answered at once. */
    world_rules("hsm-2 C_Sign delay=1\nhsm-1 C_Sign hang\n");
    usleep(30000);
    assert_int_equal(atomic_load(&caller[0].ended), 0);
    world_rules("");
    uint64_t went = world_now();
    for (int i = 0; i < 4; i++) {
        pthread_join(caller[i].thread, NULL);
        assert_int_equal(caller[i].rv, CKR_DEVICE_ERROR);
        /* Within 10 ms on an idle machine; this one may be busy. */
        assert_true(atomic_load(&caller[i].ended) < went + 100 * MS);
        assert_int_equal(world_sign(caller[i].session, key), CKR_OK);
    }
    world_count("hsm-1", "C_Sign", 8, 4, 4);
}

static void *call_many(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < 10 && caller->rv == CKR_OK; i++)
        caller->rv = world_sign(caller->session, caller->key);
    return NULL;
}

static void test_network(void **state)
{
    (void)state;
    struct caller caller[6];
    CK_SESSION_HANDLE session = world_login(0);
    CK_OBJECT_HANDLE key = world_key(session, &no);
    world_rules("hsm-1 network latency=5 jitter=1 concurrency=2\n");
    uint64_t alone = sign_time(session, key); /* two calls, init and sign */
    assert_in_range(alone, 10 * MS, 60 * MS);
    uint64_t start = world_now();
    for (int i = 0; i < 6; i++) {
        caller[i] = (struct caller){.session = world_session(0), .key = key, .rv = CKR_OK};
        assert_int_equal(pthread_create(&caller[i].thread, NULL, call_many, &caller[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(caller[i].thread, NULL);
        assert_int_equal(caller[i].rv, CKR_OK);
    }
    /* 6 x 10 x 2 calls of 5 to 6 ms, two at a time: 300 ms at least; 50 to 60 if there were no limit, 600 one
     * at a time. */
    assert_in_range(world_now() - start, 300 * MS, 550 * MS);
    /* What is neither crypto nor key is not on the network. */
    start = world_now();
    CK_SESSION_INFO info;
    for (int i = 0; i < 20; i++)
        assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_OK);
    assert_true(world_now() - start < 50 * MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parse), TEST(faithful), TEST(interfaces),     TEST(rv),   TEST(failed_operation_ends),
        TEST(prob),  TEST(corrupt),  TEST(delay_and_late), TEST(hang), TEST(network),
    };
    return cmocka_run_group_tests(tests, world_make, world_remove);
}
