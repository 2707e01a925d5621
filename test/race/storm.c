/*
 * Everything at once, for TSan and for the lock order: threads sign, encrypt, find, make and destroy objects,
 * open and close sessions while members err, hang and come back. No call may fail but by what the standard
 * allows for objects that another thread destroyed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pkcs11-headers/pkcs11.h"

#define SECONDS 20

static CK_FUNCTION_LIST *p11;
static _Atomic int stop, calls, errors;
static _Atomic unsigned long first_error;
static CK_OBJECT_HANDLE sign_key, aes_key;

static void count(CK_RV rv, CK_RV also)
{
    unsigned long none = 0;
    atomic_fetch_add(&calls, 1);
    if (rv == CKR_OK || rv == also)
        return;
    atomic_fetch_add(&errors, 1);
    atomic_compare_exchange_strong(&first_error, &none, rv);
}

static CK_SESSION_HANDLE open_session(void)
{
    CK_SESSION_HANDLE session = 0;
    count(p11->C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
    return session;
}

static void *sign(void *arg)
{
    CK_SESSION_HANDLE session = open_session();
    CK_MECHANISM mech = {CKM_ECDSA, NULL, 0};
    (void)arg;
    while (!atomic_load(&stop)) {
        CK_BYTE digest[32] = {1}, signature[64];
        CK_ULONG len = sizeof(signature);
        count(p11->C_SignInit(session, &mech, sign_key), CKR_OK);
        count(p11->C_Sign(session, digest, sizeof(digest), signature, &len), CKR_OK);
    }
    return NULL;
}

static void *encrypt(void *arg)
{
    CK_SESSION_HANDLE session = open_session();
    CK_BYTE iv[16] = {0};
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};
    (void)arg;
    while (!atomic_load(&stop)) {
        CK_BYTE data[64] = {2}, out[256];
        CK_ULONG len = sizeof(out), total = 0;
        count(p11->C_EncryptInit(session, &mech, aes_key), CKR_OK);
        count(p11->C_EncryptUpdate(session, data, sizeof(data), out, &len), CKR_OK);
        total = len;
        len = sizeof(out) - total;
        count(p11->C_EncryptUpdate(session, data, sizeof(data), out + total, &len), CKR_OK);
        len = sizeof(out);
        count(p11->C_EncryptFinal(session, out, &len), CKR_OK);
    }
    return NULL;
}

static void *make_and_destroy(void *arg)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG size = 16;
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    const char *label = arg;
    while (!atomic_load(&stop)) {
        CK_SESSION_HANDLE session = open_session();
        CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &yes, 1},
                                {CKA_LABEL, (void *)(size_t)label, 4},
                                {CKA_VALUE_LEN, &size, sizeof(size)}};
        CK_OBJECT_HANDLE key = 0, found[8];
        CK_ULONG n = 0;
        count(p11->C_GenerateKey(session, &mech, templ, 3, &key), CKR_OK);
        count(p11->C_FindObjectsInit(session, templ + 1, 1), CKR_OK);
        count(p11->C_FindObjects(session, found, 8, &n), CKR_OK);
        count(p11->C_FindObjectsFinal(session), CKR_OK);
        count(p11->C_DestroyObject(session, key), CKR_OK);
        count(p11->C_CloseSession(session), CKR_OK);
    }
    return NULL;
}

static void *look(void *arg)
{
    CK_SESSION_HANDLE session = open_session();
    (void)arg;
    while (!atomic_load(&stop)) {
        CK_TOKEN_INFO info;
        CK_BYTE random[32], label[32];
        CK_ATTRIBUTE attr = {CKA_LABEL, label, sizeof(label)};
        count(p11->C_GetTokenInfo(1, &info), CKR_OK);
        count(p11->C_GenerateRandom(session, random, sizeof(random)), CKR_OK);
        count(p11->C_GetAttributeValue(session, sign_key, &attr, 1), CKR_OK);
    }
    return NULL;
}

static int shell(const char *format, const char *a, const char *b, const char *c)
{
    char command[2400];
    snprintf(command, sizeof(command), format, a, b, c);
    return system(command);
}

static CK_RV prepare(CK_SESSION_HANDLE session)
{
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_ULONG size = 16;
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof(p256)}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_LABEL, "sign", 4}};
    CK_ATTRIBUTE secret[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_VALUE_LEN, &size, sizeof(size)}, {CKA_ENCRYPT, &yes, 1}};
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, aes = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE unused;
    CK_RV rv = p11->C_GenerateKeyPair(session, &ec, public, 2, private, 3, &unused, &sign_key);
    return rv == CKR_OK ? p11->C_GenerateKey(session, &aes, secret, 3, &aes_key) : rv;
}

int main(void)
{
    static const char *const faults[] = {"hsm-1 error=CKR_DEVICE_ERROR",
                                         "hsm-1 ok",
                                         "hsm-2 error=CKR_GENERAL_ERROR",
                                         "hsm-2 ok",
                                         "hsm-3 gone",
                                         "hsm-3 ok",
                                         "hsm-1 lose-sessions",
                                         "hsm-2 lose-objects",
                                         "hsm-3 reinit",
                                         "hsm-2 slow=20",
                                         "hsm-2 ok",
                                         "hsm-1 lose-login"};
    char dir[] = "/tmp/p11ha-storm-XXXXXX", path[1200];
    const char *build = getenv("P11HA_BUILD"), *source = getenv("P11HA_SOURCE");
    if (!build || !source || !mkdtemp(dir) ||
        shell("%s/test/rig/rig up %s/rig --chaos >/dev/null%s", source, dir, "")) {
        printf("not ok - the rig comes up\n");
        return 1;
    }
    snprintf(path, sizeof(path), "%s/rig/p11ha.conf", dir);
    setenv("P11HA_CONF", path, 1);
    snprintf(path, sizeof(path), "%s/p11ha.so", build);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = module ? dlsym(module, "C_GetFunctionList") : NULL;
    CK_BYTE pin[] = "1234";
    if (!get || get(&p11) != CKR_OK || p11->C_Initialize(NULL) != CKR_OK) {
        printf("not ok - C_Initialize\n");
        return 1;
    }
    CK_SESSION_HANDLE session = open_session();
    if (p11->C_Login(session, CKU_USER, pin, 4) != CKR_OK || prepare(session) != CKR_OK) {
        printf("not ok - keys are made\n");
        return 1;
    }
    struct {
        void *(*run)(void *);
        const char *arg;
    } work[] = {
        {sign, NULL}, {sign, NULL}, {encrypt, NULL}, {make_and_destroy, "kind"}, {make_and_destroy, "kine"},
        {look, NULL}};
    pthread_t thread[6];
    for (int i = 0; i < 6; i++)
        pthread_create(&thread[i], NULL, work[i].run, (void *)(size_t)work[i].arg);
    time_t end = time(NULL) + SECONDS;
    for (unsigned i = 0; time(NULL) < end; i++) {
        char fault[64];
        snprintf(fault, sizeof(fault), "%s", faults[i % 12]);
        char *member = strtok(fault, " "), *what = strtok(NULL, " ");
        snprintf(path, sizeof(path), "%s %s", member, what);
        shell("%s/test/rig/rig fault %s/rig %s >/dev/null", source, dir, path);
        usleep(700000);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 6; i++)
        pthread_join(thread[i], NULL);
    CK_RV rv = p11->C_Finalize(NULL);
    printf("# %d calls, %d errors, the first 0x%lx\n", calls, errors, first_error);
    printf("%s - everything at once while members fail: no error\n",
           errors == 0 && calls > 100 ? "ok" : "not ok");
    printf("%s - C_Finalize ends it\n", rv == CKR_OK ? "ok" : "not ok");
    shell("[ -n \"$KEEP_RIG\" ] || { %s/test/rig/rig down %s/rig >/dev/null; rmdir %s; }", source, dir, dir);
    return errors == 0 && calls > 100 && rv == CKR_OK ? 0 : 1;
}
