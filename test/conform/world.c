#include "world.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/names.h"

enum { MAX_SLOTS = 32, MAX_OBJECTS = 64, VALUE_ROOM = 2048 };

struct world world;
static const char *wanted_token;
static bool running;
static char passed_over[160]; /* the case behind which to go on; empty: go on */

static void crashed(int signal)
{
    static const char said[] = " CRASHED\n";
    (void)signal;
    _exit(write(STDOUT_FILENO, said, sizeof(said) - 1) > 0 ? 4 : 3);
}

void world_expect_crashes(const char *after)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = crashed};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    snprintf(passed_over, sizeof(passed_over), "%s", after);
}

/* Is the case before where this run is to begin? */
static bool is_done(const char *chapter, const struct test *test)
{
    char name[sizeof(passed_over)];
    if (!passed_over[0])
        return false;
    snprintf(name, sizeof(name), "%s/%s/%s", chapter, test->function, test->name);
    if (strcmp(name, passed_over) == 0)
        passed_over[0] = 0;
    return true;
}

_Noreturn static void die(const char *what, CK_RV rv)
{
    struct name_buf buf;
    fflush(stdout);
    fprintf(stderr, "conform: %s: %s\n", what, name_rv(rv, &buf));
    exit(3);
}

static void need(const char *what, CK_RV rv)
{
    if (rv != CKR_OK)
        die(what, rv);
}

static void find_slot(void)
{
    CK_SLOT_ID slots[MAX_SLOTS];
    CK_ULONG count = MAX_SLOTS;
    size_t len = strlen(wanted_token);
    need("C_GetSlotList", world.p11->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (world.p11->C_GetTokenInfo(slots[i], &info) != CKR_OK || len > sizeof(info.label))
            continue;
        if (memcmp(info.label, wanted_token, len) == 0 && (len == 32 || info.label[len] == ' ')) {
            world.slot = slots[i];
            memcpy(world.label, info.label, sizeof(world.label));
            return;
        }
    }
    die("no such token", CKR_TOKEN_NOT_PRESENT);
}

static void start(void)
{
    if (running)
        return;
    need("C_Initialize", world.p11->C_Initialize(&world.args));
    running = true;
    find_slot();
}

static void stop(void)
{
    CK_RV rv = world.p11->C_Finalize(NULL);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED)
        die("C_Finalize", rv);
    running = false;
}

static void load_lists(void)
{
    CK_VERSION v30 = {3, 0}, v32 = {3, 2};
    CK_INTERFACE *interface;
    if (!world.get_interface)
        return;
    if (world.get_interface((CK_UTF8CHAR_PTR) "PKCS 11", &v30, &interface, 0) == CKR_OK)
        world.v30 = interface->pFunctionList;
    if (world.get_interface((CK_UTF8CHAR_PTR) "PKCS 11", &v32, &interface, 0) == CKR_OK)
        world.v32 = interface->pFunctionList;
}

void world_load(const char *module, const char *token, char *pin, char *so_pin, char *init)
{
    CK_C_GetFunctionList get;
    void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "conform: %s\n", dlerror());
        exit(3);
    }
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    if (!get)
        die("C_GetFunctionList is missing", CKR_FUNCTION_NOT_SUPPORTED);
    need("C_GetFunctionList", get(&world.p11));
    *(void **)&world.get_interface = dlsym(handle, "C_GetInterface");
    *(void **)&world.get_interface_list = dlsym(handle, "C_GetInterfaceList");
    load_lists();
    world.args = (CK_C_INITIALIZE_ARGS){.flags = CKF_OS_LOCKING_OK, .pReserved = init};
    world.pin = (CK_UTF8CHAR *)pin;
    world.pin_len = strlen(pin);
    world.so_pin = (CK_UTF8CHAR *)so_pin;
    world.so_pin_len = strlen(so_pin);
    wanted_token = token;
    start();
}

void world_unload(void)
{
    stop();
}

CK_SESSION_HANDLE world_open(CK_FLAGS flags)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    need("C_OpenSession",
         world.p11->C_OpenSession(world.slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &session));
    return session;
}

CK_RV world_login_silently(void)
{
    return world.p11->C_Login(world.session, CKU_USER, world.pin, world.pin_len);
}

CK_RV world_login(void)
{
    return record_rv("C_Login", world_login_silently());
}

/* The length first: softokn wants the room for a number on the token to be just so long. */
static CK_RV read_one(CK_OBJECT_HANDLE object, CK_ATTRIBUTE *ask, void *room, CK_ULONG len)
{
    CK_RV rv = world.p11->C_GetAttributeValue(world.session, object, ask, 1);
    if (rv != CKR_OK || ask->ulValueLen > len)
        return rv;
    ask->pValue = room;
    return world.p11->C_GetAttributeValue(world.session, object, ask, 1);
}

void world_read(CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types, size_t count)
{
    static CK_BYTE value[VALUE_ROOM];
    for (size_t i = 0; i < count; i++) {
        char name[24];
        CK_ATTRIBUTE ask = {types[i], NULL, 0};
        CK_RV rv = read_one(object, &ask, value, sizeof(value));
        snprintf(name, sizeof(name), "%lx", types[i]);
        if (rv == CKR_OK)
            record_bytes(name, value, ask.ulValueLen);
        else
            record_rv(name, rv);
    }
}

static void enter(enum setup setup)
{
    world.session = CK_INVALID_HANDLE;
    if (setup == SETUP_NONE) {
        stop();
        return;
    }
    start();
    if (setup == SETUP_LIBRARY)
        return;
    world.session = world_open(setup == SETUP_RO || setup == SETUP_RO_USER ? 0 : CKF_RW_SESSION);
    if (setup != SETUP_PUBLIC && setup != SETUP_RO)
        need("C_Login", world_login_silently());
}

static void sweep(void)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE templ = {CKA_TOKEN, &yes, sizeof(yes)};
    CK_OBJECT_HANDLE found[MAX_OBJECTS];
    CK_ULONG count;
    world.session = world_open(CKF_RW_SESSION);
    CK_RV rv = world_login_silently();
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        die("C_Login", rv);
    need("C_FindObjectsInit", world.p11->C_FindObjectsInit(world.session, &templ, 1));
    need("C_FindObjects", world.p11->C_FindObjects(world.session, found, MAX_OBJECTS, &count));
    need("C_FindObjectsFinal", world.p11->C_FindObjectsFinal(world.session));
    for (CK_ULONG i = 0; i < count; i++)
        need("C_DestroyObject", world.p11->C_DestroyObject(world.session, found[i]));
}

static void leave(enum setup setup)
{
    if (setup == SETUP_NONE) {
        stop();
        return;
    }
    start();
    need("C_CloseAllSessions", world.p11->C_CloseAllSessions(world.slot));
    if (setup != SETUP_TOKEN)
        return;
    sweep();
    need("C_CloseAllSessions", world.p11->C_CloseAllSessions(world.slot));
}

void world_run(const char *chapter, const struct test *test, const void *arg)
{
    if (is_done(chapter, test))
        return;
    enter(test->setup);
    record_begin(chapter, test->function, test->name);
    test->run(arg);
    record_end();
    leave(test->setup);
}

void world_run_all(const char *chapter, const struct test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        world_run(chapter, &tests[i], NULL);
}
