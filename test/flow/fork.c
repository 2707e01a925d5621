/*
 * fork with other threads in the middle of calls: the child is told CKR_CRYPTOKI_NOT_INITIALIZED, may
 * initialise and sign; the parent's threads never notice. 1,000 forks; every 25th child goes all the way.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkcs11-headers/pkcs11.h"

#define FORKS      1000
#define WHOLE_EACH 25
#define SIGNERS    4
#define CHILD_TIME 30 /* seconds: a child that needs longer hangs */

static CK_FUNCTION_LIST *p11;
static _Atomic int stop, signatures, errors;
static CK_BYTE pin[] = "1234";

static CK_RV open_and_login(CK_SESSION_HANDLE *session)
{
    CK_RV rv = p11->C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session);
    if (rv == CKR_OK)
        rv = p11->C_Login(*session, CKU_USER, pin, sizeof(pin) - 1);
    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

static CK_RV make_key(CK_SESSION_HANDLE session)
{
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_LABEL, "fork", 4}, {CKA_EC_PARAMS, p256, sizeof(p256)}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, "fork", 4}, {CKA_SIGN, &yes, 1}};
    CK_MECHANISM mech = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE a, b;
    return p11->C_GenerateKeyPair(session, &mech, public, 3, private, 3, &a, &b);
}

static CK_RV sign_once(CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, "fork", 4}};
    CK_MECHANISM mech = {CKM_ECDSA, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    CK_ULONG count = 0, len = 64;
    CK_BYTE digest[32] = {1}, signature[64];
    CK_RV rv = p11->C_FindObjectsInit(session, templ, 2);
    if (rv == CKR_OK)
        rv = p11->C_FindObjects(session, &key, 1, &count);
    if (rv == CKR_OK)
        rv = p11->C_FindObjectsFinal(session);
    if (rv == CKR_OK && count != 1)
        rv = CKR_OBJECT_HANDLE_INVALID;
    if (rv == CKR_OK)
        rv = p11->C_SignInit(session, &mech, key);
    return rv == CKR_OK ? p11->C_Sign(session, digest, sizeof(digest), signature, &len) : rv;
}

static void *signer(void *arg)
{
    CK_SESSION_HANDLE session = 0;
    (void)arg;
    if (open_and_login(&session) != CKR_OK)
        atomic_fetch_add(&errors, 1);
    while (!atomic_load(&stop)) {
        if (sign_once(session) != CKR_OK)
            atomic_fetch_add(&errors, 1);
        atomic_fetch_add(&signatures, 1);
    }
    return NULL;
}

/* The exit status tells which step was not as promised. */
static void child(int whole)
{
    CK_SESSION_HANDLE session = 0;
    CK_INFO info;
    alarm(CHILD_TIME);
    if (p11->C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED ||
        p11->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_CRYPTOKI_NOT_INITIALIZED ||
        p11->C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
        _exit(1);
    if (whole) {
        if (p11->C_Initialize(NULL) != CKR_OK)
            _exit(2);
        if (open_and_login(&session) != CKR_OK)
            _exit(3);
        if (sign_once(session) != CKR_OK)
            _exit(4);
        if (p11->C_Finalize(NULL) != CKR_OK)
            _exit(5);
    }
    _exit(0);
}

static int report(const char *name, int good)
{
    printf("%s - %s\n", good ? "ok" : "not ok", name);
    fflush(stdout);
    return good ? 0 : 1;
}

static int run(const char *instance)
{
    char dir[] = "/tmp/p11ha-fork-XXXXXX", command[1024], name[128];
    const char *build = getenv("P11HA_BUILD"), *source = getenv("P11HA_SOURCE");
    if (!mkdtemp(dir) || !build || !source)
        return report("P11HA_BUILD and P11HA_SOURCE are set", 0);
    snprintf(command, sizeof(command), "%s/test/rig/rig up %s/rig --members 2 --instance %s >/dev/null",
             source, dir, instance);
    if (system(command) != 0)
        return report("the rig comes up", 0);
    snprintf(command, sizeof(command), "%s/rig/p11ha.conf", dir);
    setenv("P11HA_CONF", command, 1);
    snprintf(command, sizeof(command), "%s/p11ha.so", build);
    void *module = dlopen(command, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = module ? dlsym(module, "C_GetFunctionList") : NULL;
    CK_SESSION_HANDLE session = 0;
    if (!get || get(&p11) != CKR_OK || p11->C_Initialize(NULL) != CKR_OK ||
        open_and_login(&session) != CKR_OK || make_key(session) != CKR_OK)
        return report("a key is made", 0);

    pthread_t thread[SIGNERS];
    atomic_store(&stop, 0);
    atomic_store(&signatures, 0);
    atomic_store(&errors, 0);
    for (int i = 0; i < SIGNERS; i++)
        pthread_create(&thread[i], NULL, signer, NULL);
    int bad[8] = {0}, hung = 0;
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(i % WHOLE_EACH == 0);
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            hung++;
        else if (!WIFEXITED(status))
            bad[7]++;
        else
            bad[WEXITSTATUS(status) & 7]++;
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < SIGNERS; i++)
        pthread_join(thread[i], NULL);
    if (bad[0] != FORKS)
        printf("# children: %d good, %d not told, %d init, %d login, %d sign, %d finalize, %d crashed, %d "
               "hung\n",
               bad[0], bad[1], bad[2], bad[3], bad[4], bad[5], bad[7], hung);
    snprintf(name, sizeof(name), "%s: %d forked children are told, initialise and sign", instance, FORKS);
    int failed = report(name, bad[0] == FORKS);
    printf("# parent: %d signatures, %d errors\n", atomic_load(&signatures), atomic_load(&errors));
    snprintf(name, sizeof(name), "%s: the parent's threads never notice", instance);
    failed += report(name, atomic_load(&errors) == 0 && atomic_load(&signatures) > 0);
    p11->C_Finalize(NULL);
    snprintf(command, sizeof(command), "%s/test/rig/rig down %s/rig >/dev/null; rmdir %s", source, dir, dir);
    return system(command) == 0 ? failed : failed + 1;
}

int main(void)
{
    int failed = run("private");
    return failed + run("shared") ? 1 : 0;
}
