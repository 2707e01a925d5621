#include "test/lib/chaos_world.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/chaos_ctl.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

CK_UTF8CHAR world_pin[5] = "1234";
static CK_UTF8CHAR so_pin[] = "12345678";
CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

char world_dir[] = "/tmp/test_chaos.XXXXXX", world_control[PATH_MAX], world_counts[PATH_MAX];
CK_FUNCTION_LIST *world_p11;
CK_SLOT_ID world_slot[2];

uint64_t world_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void world_rules(const char *text)
{
    assert_int_equal(chaos_set(world_control, text), 0);
}

void world_count(const char *token, const char *function, uint64_t calls, uint64_t ok, uint64_t failed)
{
    uint64_t c, o, f;
    assert_int_equal(chaos_count(world_counts, token, function, &c, &o, &f), 0);
    assert_int_equal(c, calls);
    assert_int_equal(o, ok);
    assert_int_equal(f, failed);
}

CK_SESSION_HANDLE world_session(unsigned i)
{
    CK_SESSION_HANDLE session = 0;
    assert_int_equal(
        world_p11->C_OpenSession(world_slot[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    return session;
}

CK_SESSION_HANDLE world_login(unsigned i)
{
    CK_SESSION_HANDLE session = world_session(i);
    assert_int_equal(world_p11->C_Login(session, CKU_USER, world_pin, sizeof(world_pin) - 1), CKR_OK);
    return session;
}

/* An HMAC key; private, so that it needs the login. */
CK_OBJECT_HANDLE world_key(CK_SESSION_HANDLE session, CK_BBOOL *token)
{
    CK_MECHANISM mechanism = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_ULONG len = 32;
    CK_UTF8CHAR label[] = "k";
    CK_ATTRIBUTE attrs[] = {{CKA_VALUE_LEN, &len, sizeof(len)},
                            {CKA_SIGN, &yes, 1},
                            {CKA_TOKEN, token, 1},
                            {CKA_PRIVATE, &yes, 1},
                            {CKA_LABEL, label, 1},
                            {CKA_SENSITIVE, &no, 1},
                            {CKA_EXTRACTABLE, &yes, 1},
                            {CKA_VERIFY, &yes, 1}};
    CK_OBJECT_HANDLE key = 0;
    assert_int_equal(world_p11->C_GenerateKey(session, &mechanism, attrs, 8, &key), CKR_OK);
    return key;
}

CK_RV world_find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_key)
{
    CK_UTF8CHAR label[] = "k";
    CK_ATTRIBUTE attrs[] = {{CKA_LABEL, label, 1}};
    CK_ULONG count = 0;
    CK_RV rv = world_p11->C_FindObjectsInit(session, attrs, 1);
    if (rv == CKR_OK)
        rv = world_p11->C_FindObjects(session, ret_key, 1, &count);
    if (rv == CKR_OK)
        assert_int_equal(count, 1);
    if (rv == CKR_OK)
        rv = world_p11->C_FindObjectsFinal(session);
    return rv;
}

CK_RV world_mac(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_BYTE *ret_mac)
{
    CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
    CK_BYTE data[] = "data";
    CK_ULONG len = 32;
    CK_RV rv = world_p11->C_SignInit(session, &mechanism, key);
    return rv == CKR_OK ? world_p11->C_Sign(session, data, 4, ret_mac, &len) : rv;
}

CK_RV world_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE mac[32];
    return world_mac(session, key, mac);
}

void *world_signer(void *arg)
{
    struct caller *caller = arg;
    caller->rv = world_sign(caller->session, caller->key);
    atomic_store(&caller->ended, world_now());
    return NULL;
}

void world_wait(const char *token, const char *function, uint64_t want)
{
    uint64_t calls = 0, ok, failed;
    for (int i = 0; i < 2000 && calls < want; i++) {
        assert_int_equal(chaos_count(world_counts, token, function, &calls, &ok, &failed), 0);
        usleep(1000);
    }
    assert_int_equal(calls, want);
}

static void find_module(void)
{
    char path[PATH_MAX];
    const char *build = getenv("P11HA_BUILD");
    if (getenv("CHAOS_SO"))
        return;
    if (build) {
        snprintf(path, sizeof(path), "%s/chaos.so", build);
        setenv("CHAOS_SO", path, 1);
        return;
    }
    char at[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", at, sizeof(at) - 16);
    assert_true(len > 0);
    at[len] = 0;
    for (;;) {
        char *slash = strrchr(at, '/');
        if (!slash)
            fail_msg("no chaos.so beside or above this program: set CHAOS_SO");
        strcpy(slash, "/chaos.so");
        if (!access(at, R_OK))
            break;
        *slash = 0;
    }
    setenv("CHAOS_SO", at, 1);
}

static void make_token(unsigned i)
{
    CK_SLOT_ID list[4];
    CK_ULONG count = 4;
    CK_UTF8CHAR label[33];
    CK_SESSION_HANDLE session;
    snprintf((char *)label, sizeof(label), "hsm-%u%*s", i + 1, 27, "");
    /* The size query is what makes SoftHSM look for a new blank slot. */
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, NULL, &count), CKR_OK);
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, list, &count), CKR_OK);
    assert_int_equal(world_p11->C_InitToken(list[count - 1], so_pin, 8, label), CKR_OK);
    assert_int_equal(
        world_p11->C_OpenSession(list[count - 1], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    assert_int_equal(world_p11->C_Login(session, CKU_SO, so_pin, 8), CKR_OK);
    assert_int_equal(world_p11->C_InitPIN(session, world_pin, 4), CKR_OK);
    assert_int_equal(world_p11->C_CloseSession(session), CKR_OK);
}

static void find_slots(void)
{
    CK_SLOT_ID list[4];
    CK_ULONG count = 4;
    CK_TOKEN_INFO info;
    assert_int_equal(world_p11->C_GetSlotList(CK_TRUE, list, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++) {
        assert_int_equal(world_p11->C_GetTokenInfo(list[i], &info), CKR_OK);
        if (!memcmp(info.label, "hsm-1 ", 6))
            world_slot[0] = list[i];
        if (!memcmp(info.label, "hsm-2 ", 6))
            world_slot[1] = list[i];
    }
}

int world_make(void **state)
{
    (void)state;
    char path[PATH_MAX];
    find_module();
    assert_non_null(mkdtemp(world_dir));
    snprintf(world_control, sizeof(world_control), "%s/rules", world_dir);
    snprintf(world_counts, sizeof(world_counts), "%s/rules.counts", world_dir);
    snprintf(path, sizeof(path), "%s/tokens", world_dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/softhsm2.conf", world_dir);
    FILE *conf = fopen(path, "we");
    assert_non_null(conf);
    fprintf(conf, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
            world_dir);
    fclose(conf);
    setenv("SOFTHSM2_CONF", path, 1);
    setenv("CHAOS_MODULE", SOFTHSM, 1);
    setenv("CHAOS_CONTROL", world_control, 1);
    unsetenv("CHAOS_COUNTS");

    void *handle = dlopen(getenv("CHAOS_SO"), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail_msg("%s", dlerror());
    CK_C_GetFunctionList get;
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    assert_int_equal(get(&world_p11), CKR_OK);
    assert_int_equal(world_p11->C_Initialize(NULL), CKR_OK);
    make_token(0);
    make_token(1);
    assert_int_equal(world_p11->C_Finalize(NULL), CKR_OK);
    return 0;
}

int world_remove(void **state)
{
    (void)state;
    char command[PATH_MAX];
    snprintf(command, sizeof(command), "rm -rf '%s'", world_dir);
    return system(command) ? -1 : 0;
}

int world_begin(void **state)
{
    (void)state;
    world_rules("");
    assert_int_equal(world_p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.flags = CKF_OS_LOCKING_OK}), CKR_OK);
    find_slots();
    assert_int_equal(chaos_counts_reset(world_counts), 0);
    return 0;
}

int world_end(void **state)
{
    (void)state;
    world_rules("");
    CK_RV rv = world_p11->C_Finalize(NULL);
    return rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : -1;
}
