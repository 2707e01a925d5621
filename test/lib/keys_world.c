#include "test/lib/keys_world.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/stats.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

struct side ha = {.name = "p11ha"}, bare = {.name = "bare"};
static char dir[64];
static bool softokn;

static void rig(const char *verb, const char *more)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "\"$P11HA_SOURCE\"/test/rig/%s %s %s %s >%s.out 2>&1 || { cat %s.out; false; }",
             softokn ? "softokn" : "rig", verb, dir, more, dir, dir);
    assert_int_equal(system(command), 0);
}

static CK_FUNCTION_LIST *load(const char *path)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (!so)
        fail_msg("%s", dlerror());
    *(void **)&get = dlsym(so, "C_GetFunctionList");
    CK_FUNCTION_LIST *f = NULL;
    NEED(get(&f));
    return f;
}

CK_SESSION_HANDLE keys_world_session(const struct side *side)
{
    CK_SESSION_HANDLE session;
    NEED(side->f->C_OpenSession(side->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    return session;
}

static void start(struct side *side, CK_SLOT_ID slot, bool login)
{
    NEED(side->f->C_Initialize(NULL));
    side->slot = slot;
    if (slot == 0) {
        CK_SLOT_ID list[8];
        CK_ULONG count = 8;
        NEED(side->f->C_GetSlotList(CK_TRUE, list, &count));
        side->slot = list[0];
    }
    side->session = keys_world_session(side);
    if (login)
        NEED(side->f->C_Login(side->session, CKU_USER, (CK_UTF8CHAR *)"1234", 4));
}

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "%s/p11ha-keys-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static void start_ha(bool login)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/p11ha.conf", dir);
    setenv("P11HA_CONF", path, 1);
    snprintf(path, sizeof(path), "%s/p11ha.so", getenv("P11HA_BUILD"));
    ha.f = load(path);
    start(&ha, 1, login);
}

CK_FUNCTION_LIST_3_2 *keys_world_32(void)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/p11ha.so", getenv("P11HA_BUILD"));
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetInterface get = NULL;
    *(void **)&get = dlsym(so, "C_GetInterface");
    CK_INTERFACE *interface = NULL;
    CK_VERSION version = {3, 2};
    NEED(get(NULL, &version, &interface, 0));
    return interface->pFunctionList;
}

void keys_world_up(const char *options, const char *more)
{
    char path[1024];
    make_dir();
    rig("up", options);
    if (more) {
        snprintf(path, sizeof(path), "sed -i '/^sync = /a %s' %s/p11ha.conf", more, dir);
        assert_int_equal(system(path), 0);
    }
    if (!strstr(options, "--vendor nss")) {
        snprintf(path, sizeof(path), "%s/hsm-1/softhsm2.conf", dir);
        setenv("SOFTHSM2_CONF", path, 1);
        bare.f = load(SOFTHSM);
        start(&bare, 0, true);
    }
    start_ha(true);
}

void keys_world_up_softokn(bool crypto)
{
    softokn = true;
    make_dir();
    rig("up", crypto ? "crypto" : "");
    start_ha(!crypto);
}

void keys_world_down(void)
{
    char out[80];
    NEED(ha.f->C_Finalize(NULL));
    if (bare.f)
        NEED(bare.f->C_Finalize(NULL));
    rig("down", "");
    snprintf(out, sizeof(out), "%s.out", dir);
    unlink(out);
}

bool keys_world_logged(const char *text)
{
    char path[128], line[2048];
    bool found = false;
    snprintf(path, sizeof(path), "%s/p11ha.log", dir);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (!found && fgets(line, sizeof(line), log))
        found = strstr(line, text);
    fclose(log);
    return found;
}

struct look {
    unsigned member;
    bool up;
};

static bool look_at(const struct stats_file *file, void *ctx)
{
    struct look *look = ctx;
    if (file->pid == (uint64_t)getpid())
        look->up = file->group[0].member[look->member - 1].state == HEALTH_UP;
    return true;
}

static bool is_up(unsigned member)
{
    char path[128];
    struct look look = {member, false};
    snprintf(path, sizeof(path), "%s/run", dir);
    assert_int_equal(stats_read_all(path, look_at, &look), 0);
    return look.up;
}

static void fault_softokn(unsigned member, const char *what)
{
    char path[128], fresh[140];
    snprintf(path, sizeof(path), "%s/hsm-%u.chaos", dir, member);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *rules = fopen(fresh, "w");
    assert_non_null(rules);
    if (strcmp(what, "ok") != 0)
        fprintf(rules, "* * %s\n", what);
    fclose(rules);
    assert_int_equal(rename(fresh, path), 0);
}

void keys_world_fault(unsigned member, const char *what)
{
    char more[256];
    snprintf(more, sizeof(more), "hsm-%u \"%s\"", member, what);
    if (softokn)
        fault_softokn(member, what);
    else
        rig("fault", more);
    if (strcmp(what, "ok") == 0)
        usleep(300000); /* until the statistics are of now */
    for (int i = 0; strcmp(what, "ok") == 0 && !is_up(member); i++) {
        if (i == 3000)
            fail_msg("hsm-%u does not come up again", member);
        usleep(10000);
    }
}

void keys_world_only(unsigned member)
{
    for (unsigned i = 1; i <= 3; i++)
        if (i == member || member == 0)
            keys_world_fault(i, "ok");
    for (unsigned i = 1; i <= 3 && member; i++)
        if (i != member)
            keys_world_fault(i, "gone");
}

unsigned long keys_world_count(unsigned member, const char *function)
{
    char command[1024];
    unsigned long calls = 0;
    snprintf(command, sizeof(command), "\"$P11HA_SOURCE\"/test/rig/rig count %s hsm-%u %s", dir, member,
             function);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%lu", &calls), 1);
    pclose(out);
    return calls;
}

CK_OBJECT_HANDLE keys_world_aes(const struct side *side, const char *label, bool token, bool extractable)
{
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32),      TRUTH(CKA_TOKEN, token),
                            TRUTH(CKA_SENSITIVE, CK_FALSE), TRUTH(CKA_EXTRACTABLE, extractable),
                            TRUTH(CKA_WRAP, CK_TRUE),       TRUTH(CKA_UNWRAP, CK_TRUE),
                            TRUTH(CKA_ENCRYPT, CK_TRUE),    TRUTH(CKA_DECRYPT, CK_TRUE),
                            TRUTH(CKA_DERIVE, CK_TRUE),     BYTES(CKA_LABEL, label, strlen(label))};
    CK_OBJECT_HANDLE key = 0;
    NEED(side->f->C_GenerateKey(side->session, &mech, templ, COUNT(templ), &key));
    return key;
}

void keys_world_ecb(const struct side *side, CK_OBJECT_HANDLE key, CK_BYTE ret[16])
{
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    CK_BYTE zero[16] = {0};
    CK_ULONG len = 16;
    NEED(side->f->C_EncryptInit(side->session, &mech, key));
    NEED(side->f->C_Encrypt(side->session, zero, 16, ret, &len));
    assert_int_equal(len, 16);
}

CK_OBJECT_HANDLE keys_world_find(const struct side *side, const char *label)
{
    CK_ATTRIBUTE templ[] = {BYTES(CKA_LABEL, label, strlen(label))};
    CK_OBJECT_HANDLE found[2] = {CK_INVALID_HANDLE};
    CK_ULONG count = 0;
    NEED(side->f->C_FindObjectsInit(side->session, templ, 1));
    NEED(side->f->C_FindObjects(side->session, found, 2, &count));
    NEED(side->f->C_FindObjectsFinal(side->session));
    assert_true(count <= 1);
    return found[0];
}

bool keys_world_bool(const struct side *side, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 77;
    CK_ATTRIBUTE templ = {type, &value, sizeof(value)};
    NEED(side->f->C_GetAttributeValue(side->session, object, &templ, 1));
    assert_true(value == CK_TRUE || value == CK_FALSE);
    return value;
}
