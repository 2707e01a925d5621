/*
 * Session keys made, derived, used and destroyed by several threads while members lose everything one after
 * the other. What is derived from a token key never fails and is always the same key. What was generated may
 * be lost with its member in the moment before it is wrapped, and says so; it is never another key.
 */
#include "test/lib/keys_world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define FAULTS  9 /* each fault on each member */

static CK_OBJECT_HANDLE kek, shared;
static CK_BYTE expected[16], expected_shared[16];
static _Atomic int stop, failed, wrong, lost, good;

static CK_RV ecb(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_BYTE out[16])
{
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    CK_BYTE zero[16] = {0};
    CK_ULONG len = 16;
    CK_RV rv = ha.f->C_EncryptInit(session, &mech, key);
    return rv == CKR_OK ? ha.f->C_Encrypt(session, zero, 16, out, &len) : rv;
}

static CK_RV derive(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE base, CK_OBJECT_HANDLE *ret)
{
    CK_BYTE data[32] = {1};
    CK_KEY_DERIVATION_STRING_DATA param = {data, sizeof(data)};
    CK_MECHANISM mech = {CKM_AES_ECB_ENCRYPT_DATA, &param, sizeof(param)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_ENCRYPT, CK_TRUE),
                            TRUTH(CKA_DERIVE, CK_TRUE)};
    return ha.f->C_DeriveKey(session, &mech, base, templ, COUNT(templ), ret);
}

static void fail_with(const char *what, CK_RV rv)
{
    print_message("%s: 0x%lx\n", what, rv);
    atomic_fetch_add(&failed, 1);
}

static void must(const char *what, CK_RV rv, const CK_BYTE *value, const CK_BYTE *right)
{
    if (rv == CKR_OK)
        atomic_fetch_add(&good, 1);
    else
        fail_with(what, rv);
    if (rv == CKR_OK && value && memcmp(value, right, 16) != 0)
        atomic_fetch_add(&wrong, 1);
}

/* Of the token's key: nothing may fail. */
static void derive_often(CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE key;
    CK_BYTE value[16];
    CK_RV rv = derive(session, kek, &key);
    must("derive", rv, NULL, NULL);
    for (int i = 0; rv == CKR_OK && i < 3; i++)
        must("use", ecb(session, key, value), value, expected);
    must("use of the shared one", ecb(session, shared, value), value, expected_shared);
    if (rv == CKR_OK)
        must("destroy", ha.f->C_DestroyObject(session, key), NULL, NULL);
}

/* Of a generated one, which is destroyed before what came of it. */
static void generate_often(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_DERIVE, CK_TRUE),
                            TRUTH(CKA_ENCRYPT, CK_TRUE)};
    CK_OBJECT_HANDLE base, key;
    CK_BYTE first[16], again[16];
    must("generate", ha.f->C_GenerateKey(session, &mech, templ, COUNT(templ), &base), NULL, NULL);
    CK_RV rv = derive(session, base, &key);
    must("destroy the base", ha.f->C_DestroyObject(session, base), NULL, NULL);
    bool have = rv == CKR_OK;
    if (have)
        rv = ecb(session, key, first);
    if (rv == CKR_OK)
        rv = ecb(session, key, again);
    if (rv == CKR_OK && memcmp(first, again, 16) != 0)
        atomic_fetch_add(&wrong, 1);
    if (rv == CKR_DEVICE_ERROR)
        atomic_fetch_add(&lost, 1);
    else if (rv != CKR_OK)
        fail_with("what was generated", rv);
    if (have)
        must("destroy", ha.f->C_DestroyObject(session, key), NULL, NULL);
}

static void *worker(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        CK_SESSION_HANDLE session;
        if (ha.f->C_OpenSession(ha.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) !=
            CKR_OK) {
            atomic_fetch_add(&failed, 1);
            continue;
        }
        derive_often(session);
        generate_often(session);
        CK_OBJECT_HANDLE left_behind;
        must("derive of the shared one", derive(session, shared, &left_behind), NULL, NULL);
        must("close", ha.f->C_CloseSession(session), NULL, NULL);
    }
    return NULL;
}

static void nothing_fails(void **state)
{
    (void)state;
    static const char *const faults[] = {"lose-sessions", "gone", "lose-objects"};
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, worker, NULL), 0);
    for (unsigned n = 0; n < FAULTS; n++) {
        keys_world_fault(n % 3 + 1, faults[n / 3 % COUNT(faults)]);
        usleep(100000);
        keys_world_fault(n % 3 + 1, "ok");
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    print_message("%d good, %d failed, %d wrong, %d lost\n", atomic_load(&good), atomic_load(&failed),
                  atomic_load(&wrong), atomic_load(&lost));
    assert_int_equal(atomic_load(&failed), 0);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&good) > 1000);
    assert_in_range(atomic_load(&lost), 0, THREADS * FAULTS);
}

/* Until it is told that nobody is logged in. */
static void *creator(void *arg)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = ha.f->C_OpenSession(ha.slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
    CK_BYTE value[16] = {3};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            BYTES(CKA_VALUE, value, 16), BYTES(CKA_LABEL, "late", 4),
                            TRUTH(CKA_PRIVATE, CK_TRUE)};
    CK_OBJECT_HANDLE key;
    while (rv == CKR_OK)
        rv = ha.f->C_CreateObject(session, templ, COUNT(templ), &key);
    if (rv != CKR_USER_NOT_LOGGED_IN)
        fail_with("create", rv);
    *(CK_SESSION_HANDLE *)arg = session;
    return NULL;
}

/* Not even what is being made in that moment: the next one who logs in finds nothing of theirs. */
static void logout_leaves_nothing(void **state)
{
    (void)state;
    CK_ATTRIBUTE late = BYTES(CKA_LABEL, "late", 4);
    for (unsigned round = 0; round < 50; round++) {
        pthread_t thread[THREADS];
        CK_SESSION_HANDLE session[THREADS];
        CK_OBJECT_HANDLE key;
        CK_ULONG count = 0;
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, creator, &session[i]), 0);
        usleep(5000 + round * 100);
        NEED(ha.f->C_Logout(ha.session));
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        NEED(ha.f->C_Login(ha.session, CKU_USER, (CK_UTF8CHAR *)"1234", 4));
        NEED(ha.f->C_FindObjectsInit(ha.session, &late, 1));
        NEED(ha.f->C_FindObjects(ha.session, &key, 1, &count));
        NEED(ha.f->C_FindObjectsFinal(ha.session));
        assert_int_equal(count, 0);
        for (int i = 0; i < THREADS; i++)
            NEED(ha.f->C_CloseSession(session[i]));
    }
    assert_int_equal(atomic_load(&failed), 0);
}

static int begin(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE once;
    keys_world_up("--chaos --timeout 10s", NULL);
    kek = keys_world_aes(&ha, "kek-of-all", true, false);
    NEED(derive(ha.session, kek, &once));
    keys_world_ecb(&ha, once, expected);
    NEED(derive(ha.session, kek, &shared));
    keys_world_ecb(&ha, shared, expected_shared);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_fails),
                                       cmocka_unit_test(logout_leaves_nothing)};
    return cmocka_run_group_tests(tests, begin, end);
}
