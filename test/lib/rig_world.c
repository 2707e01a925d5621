#include "test/lib/rig_world.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

CK_FUNCTION_LIST_3_2 *rig_p11;
CK_SLOT_ID rig_slot = 1;
char rig_dir[] = "/tmp/p11ha-rig-XXXXXX";
CK_BBOOL rig_yes = CK_TRUE, rig_no = CK_FALSE;

static void run(const char *verb, const char *more)
{
    char command[2048];
    snprintf(command, sizeof(command), "\"$P11HA_SOURCE\"/test/rig/rig %s %s/rig %s >%s/said 2>&1", verb,
             rig_dir, more, rig_dir);
    if (system(command) == 0)
        return;
    fprintf(stderr, "# %s\n", command);
    snprintf(command, sizeof(command), "sed 's/^/# /' %s/said >&2", rig_dir);
    (void)!system(command);
    fail();
}

static void *symbol(void *handle, const char *name)
{
    void *found = dlsym(handle, name);
    assert_non_null(found);
    return found;
}

void rig_load(void)
{
    char path[1024];
    const char *build = getenv("P11HA_BUILD");
    assert_non_null(build);
    snprintf(path, sizeof(path), "%s/rig/p11ha.conf", rig_dir);
    setenv("P11HA_CONF", path, 1);
    snprintf(path, sizeof(path), "%s/p11ha.so", build);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    CK_C_GetInterface get = NULL;
    *(void **)&get = symbol(module, "C_GetInterface");
    CK_INTERFACE *interface = NULL;
    CK_VERSION version = {3, 2};
    OK(get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0));
    rig_p11 = interface->pFunctionList;
}

void rig_make(const char *options)
{
    assert_non_null(mkdtemp(rig_dir));
    run("up", options);
    rig_load();
}

void rig_remove(void)
{
    char command[256];
    if (rig_p11)
        (void)rig_p11->C_Finalize(NULL);
    snprintf(command, sizeof(command), "%s/rig/.rig", rig_dir);
    if (access(command, F_OK) == 0)
        run("down", "");
    snprintf(command, sizeof(command), "rm -rf %s", rig_dir);
    assert_int_equal(system(command), 0);
}

void rig_fault(const char *member, const char *fault)
{
    char more[300];
    if (strcmp(member, "*") == 0) {
        rig_fault("hsm-1", fault);
        rig_fault("hsm-2", fault);
        rig_fault("hsm-3", fault);
        return;
    }
    snprintf(more, sizeof(more), "%s \"%s\"", member, fault);
    run("fault", more);
}

static void count_one(const char *member, const char *function, struct rig_count *sum)
{
    char more[200], line[200] = "";
    snprintf(more, sizeof(more), "%s %s", member, function);
    run("count", more);
    snprintf(more, sizeof(more), "%s/said", rig_dir);
    FILE *file = fopen(more, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    struct rig_count one;
    assert_int_equal(sscanf(line, "%lu %lu %lu", &one.calls, &one.ok, &one.failed), 3);
    sum->calls += one.calls;
    sum->ok += one.ok;
    sum->failed += one.failed;
}

struct rig_count rig_count(const char *member, const char *function)
{
    struct rig_count sum = {0, 0, 0};
    if (strcmp(member, "*") != 0) {
        count_one(member, function, &sum);
        return sum;
    }
    count_one("hsm-1", function, &sum);
    count_one("hsm-2", function, &sum);
    count_one("hsm-3", function, &sum);
    return sum;
}

static FILE *open_log(const char *how)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/rig/p11ha.log", rig_dir);
    return fopen(path, how);
}

void rig_log_empty(void)
{
    FILE *file = open_log("w");
    assert_non_null(file);
    fclose(file);
}

bool rig_log_has(const char *text)
{
    char line[4096];
    bool found = false;
    FILE *file = open_log("r");
    while (file && !found && fgets(line, sizeof(line), file))
        found = strstr(line, text);
    if (file)
        fclose(file);
    return found;
}

bool rig_log_wait(const char *text, int seconds)
{
    for (int i = 0; i < seconds * 20; i++) {
        if (rig_log_has(text))
            return true;
        usleep(50000);
    }
    return false;
}

/* False while any is in another state, or none is told. */
static bool all_up(void)
{
    char command[600], line[400];
    unsigned up = 0, others = 0;
    snprintf(command, sizeof(command),
             "\"$P11HA_BUILD\"/p11ha --config %s/rig/p11ha.conf status rig --no-probe --json", rig_dir);
    FILE *file = popen(command, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        bool told = strstr(line, "\"state\": \"");
        up += told && strstr(line, "\"up\"");
        others += told && !strstr(line, "\"up\"");
    }
    pclose(file);
    return up > 0 && others == 0;
}

void rig_wait_up(void)
{
    sleep(1); /* the telling is a second behind */
    for (int i = 0; i < 100; i++) {
        if (all_up())
            return;
        usleep(200000);
    }
    fail_msg("a member does not come up");
}

CK_SESSION_HANDLE rig_session(void)
{
    CK_SESSION_HANDLE session = 0;
    CK_RV rv = rig_p11->C_Initialize(NULL);
    assert_true(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED);
    OK(rig_p11->C_OpenSession(rig_slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    return session;
}

CK_SESSION_HANDLE rig_login(void)
{
    CK_SESSION_HANDLE session = rig_session();
    CK_RV rv = rig_p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"1234", 4);
    assert_true(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN);
    return session;
}

CK_OBJECT_HANDLE rig_aes_key(CK_SESSION_HANDLE session, bool extractable)
{
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG len = 32;
    CK_BBOOL *may = extractable ? &rig_yes : &rig_no, *hidden = extractable ? &rig_no : &rig_yes;
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &rig_yes, 1},   {CKA_VALUE_LEN, &len, sizeof(len)},
                            {CKA_ENCRYPT, &rig_yes, 1}, {CKA_DECRYPT, &rig_yes, 1},
                            {CKA_SENSITIVE, hidden, 1}, {CKA_EXTRACTABLE, may, 1}};
    CK_OBJECT_HANDLE key = 0;
    OK(rig_p11->C_GenerateKey(session, &mech, templ, 6, &key));
    return key;
}

void rig_rsa_pair(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    CK_MECHANISM mech = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_BYTE exponent[] = {1, 0, 1}, id[] = {7};
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &rig_yes, 1},
                             {CKA_ID, id, 1},
                             {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                             {CKA_PUBLIC_EXPONENT, exponent, 3},
                             {CKA_VERIFY, &rig_yes, 1},
                             {CKA_VERIFY_RECOVER, &rig_yes, 1}};
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &rig_yes, 1}, {CKA_ID, id, 1}, {CKA_SIGN, &rig_yes, 1}, {CKA_SIGN_RECOVER, &rig_yes, 1}};
    OK(rig_p11->C_GenerateKeyPair(session, &mech, public, 6, private, 4, ret_public, ret_private));
}
