/*
 * chaos.so over SoftHSM: what it loses, and how it fares in several processes and threads.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/chaos_ctl.h"
#include "test/lib/chaos_world.h"

/* Losses */

static bool lists_slot(CK_BBOOL present, CK_SLOT_ID wanted)
{
    CK_SLOT_ID list[8];
    CK_ULONG count = 8;
    bool found = false;
    assert_int_equal(world_p11->C_GetSlotList(present, list, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++)
        found |= list[i] == wanted;
    return found;
}

static void test_gone(void **state)
{
    (void)state;
    CK_SESSION_HANDLE one = world_login(0), two = world_login(1), none;
    CK_OBJECT_HANDLE key = world_key(one, &no), key2 = world_key(two, &no);
    CK_TOKEN_INFO token;
    CK_SLOT_INFO info;
    CK_ULONG all = 0, fewer = 0, room = 0;
    CK_SLOT_ID list[8];
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, NULL, &all), CKR_OK);
    world_rules("hsm-1 * gone\n");
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, NULL, &fewer), CKR_OK);
    assert_int_equal(fewer, all - 1);
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, list, &room), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(room, fewer);
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_false(lists_slot(CK_TRUE, world_slot[0]));
    assert_true(lists_slot(CK_FALSE, world_slot[0]));
    assert_true(lists_slot(CK_TRUE, world_slot[1]));
    assert_int_equal(world_p11->C_GetSlotInfo(world_slot[0], &info), CKR_OK);
    assert_false(info.flags & CKF_TOKEN_PRESENT);
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[0], &token), CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(world_p11->C_OpenSession(world_slot[0], CKF_SERIAL_SESSION, NULL, NULL, &none),
                     CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(world_sign(one, key), CKR_DEVICE_REMOVED);
    assert_int_equal(world_sign(two, key2), CKR_OK);
    world_rules("");
    assert_true(lists_slot(CK_TRUE, world_slot[0]));
    assert_int_equal(world_p11->C_GetSlotInfo(world_slot[0], &info), CKR_OK);
    assert_true(info.flags & CKF_TOKEN_PRESENT);
    assert_int_equal(world_sign(one, key), CKR_OK);
}

static void test_lose_sessions(void **state)
{
    (void)state;
    CK_SESSION_HANDLE one = world_login(0), idle = world_session(0), two = world_login(1);
    CK_OBJECT_HANDLE key = world_key(one, &no), key2 = world_key(two, &no);
    CK_SESSION_INFO info;
    world_rules("hsm-1 * lose-sessions\n");
    assert_int_equal(world_sign(two, key2), CKR_OK);
    assert_int_equal(world_sign(one, key), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(world_p11->C_GetSessionInfo(one, &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(world_p11->C_GetSessionInfo(idle, &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(world_p11->C_GetSessionInfo(two, &info), CKR_OK);
    /* Once: the next session lives, and nobody is logged in. */
    CK_SESSION_HANDLE fresh = world_login(0);
    assert_int_equal(world_sign(fresh, world_key(fresh, &no)), CKR_OK);
}

/* A session that is in a call is not closed under it. */
static void test_lose_busy_session(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    struct caller caller = {.session = session, .key = world_key(session, &no), .rv = CKR_OK};
    CK_SESSION_INFO info;
    world_rules("hsm-1 C_Sign late=80\n");
    assert_int_equal(pthread_create(&caller.thread, NULL, world_signer, &caller), 0);
    world_wait("hsm-1", "C_Sign", 1);
    usleep(20000);
    world_rules("hsm-1 C_Sign late=80\nhsm-1 C_GetTokenInfo lose-sessions\n");
    CK_TOKEN_INFO token;
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[0], &token), CKR_OK);
    assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(atomic_load(&caller.ended), 0);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.rv, CKR_OK);
    assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
}

static void test_lose_login(void **state)
{
    (void)state;
    CK_SESSION_HANDLE one = world_login(0), two = world_login(1);
    CK_SESSION_INFO info;
    world_rules("hsm-1 C_GetSessionInfo lose-login\n");
    assert_int_equal(world_p11->C_GetSessionInfo(one, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RW_PUBLIC_SESSION);
    assert_int_equal(world_p11->C_GetSessionInfo(two, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RW_USER_FUNCTIONS);
    CK_MECHANISM mechanism = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_ULONG len = 32;
    CK_ATTRIBUTE attrs[] = {{CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_TOKEN, &no, 1}, {CKA_PRIVATE, &yes, 1}};
    CK_OBJECT_HANDLE key;
    assert_int_equal(world_p11->C_GenerateKey(one, &mechanism, attrs, 3, &key), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(world_p11->C_Login(one, CKU_USER, world_pin, 4), CKR_OK);
    assert_int_equal(world_p11->C_GenerateKey(one, &mechanism, attrs, 3, &key), CKR_OK);
    /* The rule is used up, and what it did is not counted as the application's. */
    assert_int_equal(world_p11->C_GetSessionInfo(one, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RW_USER_FUNCTIONS);
    world_count("hsm-1", "C_Logout", 0, 0, 0);
}

static void test_lose_objects(void **state)
{
    (void)state;
    CK_SESSION_HANDLE one = world_login(0), two = world_login(1);
    CK_OBJECT_HANDLE key = world_key(one, &yes), key2 = world_key(two, &no), fresh = 0, copy = 0;
    CK_ULONG size;
    world_rules("hsm-1 * lose-objects\n");
    assert_int_equal(world_sign(one, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(world_p11->C_GetObjectSize(one, key, &size), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(world_p11->C_DestroyObject(one, key), CKR_OBJECT_HANDLE_INVALID);
    CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_BYTE blob[64];
    CK_ULONG len = sizeof(blob);
    assert_int_equal(world_p11->C_WrapKey(one, &kw, key, key, blob, &len), CKR_WRAPPING_KEY_HANDLE_INVALID);
    assert_int_equal(world_sign(two, key2), CKR_OK);
    assert_int_equal(world_find(one, &fresh), CKR_OK);
    assert_int_not_equal(fresh, key);
    assert_int_equal(world_sign(one, fresh), CKR_OK);
    assert_int_equal(world_p11->C_CopyObject(one, fresh, &(CK_ATTRIBUTE){CKA_TOKEN, &no, 1}, 1, &copy),
                     CKR_OK);
    assert_int_equal(world_sign(one, copy), CKR_OK);
    /* A second loss makes the second handles stale, and the first ones do not come back. */
    world_rules("hsm-1 C_GetObjectSize lose-objects\n");
    assert_int_equal(world_p11->C_GetObjectSize(one, fresh, &size), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(world_sign(one, fresh), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(world_sign(one, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(world_find(one, &key), CKR_OK);
    assert_int_equal(world_p11->C_DestroyObject(one, key), CKR_OK);
}

static void test_reinit(void **state)
{
    (void)state;
    CK_SESSION_HANDLE session = world_login(0);
    CK_OBJECT_HANDLE key = world_key(session, &no);
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;
    world_rules("hsm-1 * reinit\n");
    assert_int_equal(world_sign(session, key), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[0], &token), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(world_p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    assert_int_equal(world_p11->C_Initialize(&args), CKR_OK);
    assert_int_equal(world_p11->C_Initialize(&args), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
    session = world_login(0);
    assert_int_equal(world_sign(session, world_key(session, &no)), CKR_OK);
}

static void test_library_calls(void **state)
{
    (void)state;
    CK_ULONG count;
    CK_INFO info;
    world_rules("* C_GetSlotList rv=CKR_GENERAL_ERROR\n* C_GetInfo rv=CKR_FUNCTION_FAILED\n* * delay=0\n");
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, NULL, &count), CKR_GENERAL_ERROR);
    assert_int_equal(world_p11->C_GetInfo(&info), CKR_FUNCTION_FAILED);
    world_rules("* C_Initialize rv=CKR_DEVICE_ERROR times=1\n");
    assert_int_equal(world_p11->C_Finalize(NULL), CKR_OK);
    assert_int_equal(world_p11->C_Initialize(NULL), CKR_DEVICE_ERROR);
    assert_int_equal(world_p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    assert_int_equal(world_p11->C_Initialize(&args), CKR_OK);
    world_count("-", "C_Initialize", 2, 1, 1);
}

/* Processes */

static int in_child(int (*what)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (!pid)
        _exit(what());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int crash_child(void)
{
    sigset_t all;
    CK_TOKEN_INFO info;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    signal(SIGSEGV, SIG_DFL);
    world_p11->C_GetTokenInfo(world_slot[0], &info);
    return 0;
}

static void test_crash(void **state)
{
    (void)state;
    CK_TOKEN_INFO info;
    world_rules("hsm-1 C_GetTokenInfo crash\n");
    int status = in_child(crash_child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    world_rules("");
    assert_int_equal(world_p11->C_GetTokenInfo(world_slot[0], &info), CKR_OK);
    world_count("hsm-1", "C_GetTokenInfo", 2, 1, 0);
}

static CK_SESSION_HANDLE parents;

static int use_in_child(void)
{
    CK_SESSION_INFO info;
    /* SoftHSM lets a child go on; chaos still knows whose session it is. */
    if (world_p11->C_GetSessionInfo(parents, &info) != CKR_FUNCTION_REJECTED)
        return 1;
    if (world_p11->C_Finalize(NULL) != CKR_OK ||
        world_p11->C_GetSessionInfo(parents, &info) != CKR_CRYPTOKI_NOT_INITIALIZED)
        return 2;
    return world_p11->C_Initialize(NULL) == CKR_OK ? 0 : 3;
}

static void test_fork(void **state)
{
    (void)state;
    CK_SESSION_INFO info;
    parents = world_session(0);
    world_rules("hsm-1 C_GetSessionInfo rv=CKR_FUNCTION_REJECTED times=1\n");
    int status = in_child(use_in_child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    /* The child's use of the rule was the child's; the counters are everybody's. */
    world_count("hsm-1", "C_GetSessionInfo", 1, 0, 1);
    assert_int_equal(world_p11->C_GetSessionInfo(parents, &info), CKR_FUNCTION_REJECTED);
    assert_int_equal(world_p11->C_GetSessionInfo(parents, &info), CKR_OK);
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ssize_t got;
    while ((got = read(in, block, sizeof(block))) > 0)
        assert_int_equal(write(out, block, (size_t)got), got);
    assert_int_equal(got, 0);
    close(in);
    close(out);
}

/* A copy of chaos.so is an instance of its own, with a SoftHSM of its own. */
static void test_copy(void **state)
{
    (void)state;
    char path[PATH_MAX];
    CK_FUNCTION_LIST *other = NULL;
    CK_SESSION_INFO info;
    snprintf(path, sizeof(path), "%s/copy.so", world_dir);
    copy_file(getenv("CHAOS_SO"), path);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(handle);
    CK_C_GetFunctionList get;
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    assert_int_equal(get(&other), CKR_OK);
    CK_SESSION_HANDLE session = world_session(0);
    assert_int_equal(other->C_Initialize(NULL), CKR_OK);
    assert_int_equal(other->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(other->C_Finalize(NULL), CKR_OK);
    assert_int_equal(world_p11->C_GetSessionInfo(session, &info), CKR_OK);
}

/* Everything at once, from several threads, while the rules change. */

struct storm {
    pthread_t thread;
    unsigned slot;
    _Atomic bool *stop;
    unsigned done, odd;
    CK_RV oddest;
};

static bool is_expected(CK_RV rv)
{
    static const CK_RV expected[] = {CKR_OK,
                                     CKR_DEVICE_ERROR,
                                     CKR_DEVICE_REMOVED,
                                     CKR_TOKEN_NOT_PRESENT,
                                     CKR_SESSION_HANDLE_INVALID,
                                     CKR_KEY_HANDLE_INVALID,
                                     CKR_OBJECT_HANDLE_INVALID,
                                     CKR_USER_NOT_LOGGED_IN,
                                     CKR_USER_ALREADY_LOGGED_IN,
                                     CKR_CRYPTOKI_NOT_INITIALIZED,
                                     CKR_CRYPTOKI_ALREADY_INITIALIZED,
                                     CKR_OPERATION_NOT_INITIALIZED};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (expected[i] == rv)
            return true;
    }
    return false;
}

static CK_RV storm_once(struct storm *storm)
{
    CK_SESSION_HANDLE session;
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_BYTE out[32], in[] = "x";
    CK_RV rv = world_p11->C_OpenSession(world_slot[storm->slot], CKF_SERIAL_SESSION, NULL, NULL, &session);
    if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
        return world_p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.flags = CKF_OS_LOCKING_OK});
    if (rv != CKR_OK)
        return rv;
    for (int i = 0; i < 20 && rv == CKR_OK; i++) {
        CK_ULONG len = sizeof(out);
        rv = world_p11->C_DigestInit(session, &mechanism);
        if (rv == CKR_OK)
            rv = world_p11->C_Digest(session, in, 1, out, &len);
    }
    world_p11->C_CloseSession(session);
    return rv;
}

static void *storm_run(void *arg)
{
    struct storm *storm = arg;
    while (!atomic_load(storm->stop)) {
        CK_RV rv = storm_once(storm);
        if (!is_expected(rv)) {
            storm->odd++;
            storm->oddest = rv;
        }
        storm->done++;
    }
    return NULL;
}

static void test_storm(void **state)
{
    (void)state;
    static const char *const weather[] = {
        "hsm-1 * rv=CKR_DEVICE_ERROR prob=0.3\n",
        "hsm-1 crypto hang\n",
        "",
        "hsm-2 * gone\nhsm-1 crypto lose-objects times=5\n",
        "* C_Digest lose-sessions times=3\n",
        "* network latency=0.2 jitter=0.1 concurrency=2\n",
        "hsm-1 C_Digest reinit\n",
        "* crypto delay=0.1\n* crypto late=0.1\nhsm-2 C_Digest corrupt\n",
    };
    _Atomic bool stop = false;
    struct storm storm[4];
    for (unsigned i = 0; i < 4; i++) {
        storm[i] = (struct storm){.slot = i % 2, .stop = &stop};
        assert_int_equal(pthread_create(&storm[i].thread, NULL, storm_run, &storm[i]), 0);
    }
    for (unsigned i = 0; i < 3 * sizeof(weather) / sizeof(weather[0]); i++) {
        world_rules(weather[i % (sizeof(weather) / sizeof(weather[0]))]);
        usleep(20000);
    }
    atomic_store(&stop, true);
    world_rules("");
    for (unsigned i = 0; i < 4; i++)
        pthread_join(storm[i].thread, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(storm[i].oddest, CKR_OK);
        assert_int_equal(storm[i].odd, 0);
        assert_true(storm[i].done > 10);
    }
    uint64_t calls, ok, failed;
    assert_int_equal(chaos_count(world_counts, "*", "*", &calls, &ok, &failed), 0);
    assert_int_equal(calls, ok + failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gone),          TEST(lose_sessions), TEST(lose_busy_session),
        TEST(lose_login),    TEST(lose_objects),  TEST(reinit),
        TEST(library_calls), TEST(crash),         TEST(fork),
        TEST(copy),          TEST(storm),
    };
    return cmocka_run_group_tests(tests, world_make, world_remove);
}
