/* General purpose: C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList. */
#include <string.h>

#include "world.h"

static CK_RV create_mutex(CK_VOID_PTR_PTR mutex)
{
    *mutex = &world;
    return CKR_OK;
}

static CK_RV use_mutex(CK_VOID_PTR mutex)
{
    return mutex == &world ? CKR_OK : CKR_MUTEX_BAD;
}

static void initialize(const void *arg)
{
    (void)arg;
    DO(Initialize, &world.args);
}

static void twice(const void *arg)
{
    (void)arg;
    DO(Initialize, &world.args);
    DO(Initialize, &world.args);
}

static void finalize_twice(const void *arg)
{
    (void)arg;
    DO(Initialize, &world.args);
    DO(Finalize, NULL);
    DO(Finalize, NULL);
}

static void finalize_first(const void *arg)
{
    (void)arg;
    DO(Finalize, NULL);
}

static void finalize_argument(const void *arg)
{
    (void)arg;
    CK_INFO info;
    DO(Initialize, &world.args);
    DO(Finalize, &info);
    DO(GetInfo, &info);
}

static void again(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE session;
    CK_SESSION_INFO info;
    DO(Initialize, &world.args);
    DO(OpenSession, world.slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
    DO(Finalize, NULL);
    DO(Initialize, &world.args);
    DO(GetSessionInfo, session, &info);
    DO(OpenSession, world.slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
}

static void no_argument(const void *arg)
{
    (void)arg;
    DO(Initialize, NULL);
}

static void no_flags(const void *arg)
{
    (void)arg;
    CK_C_INITIALIZE_ARGS args = world.args;
    args.flags = 0;
    DO(Initialize, &args);
}

static void no_threads(const void *arg)
{
    (void)arg;
    CK_C_INITIALIZE_ARGS args = world.args;
    args.flags |= CKF_LIBRARY_CANT_CREATE_OS_THREADS;
    DO(Initialize, &args);
}

static void callbacks_with(CK_FLAGS flags, unsigned count)
{
    CK_C_INITIALIZE_ARGS args = world.args;
    args.flags = flags;
    if (count > 0)
        args.CreateMutex = create_mutex;
    if (count > 1)
        args.DestroyMutex = use_mutex;
    if (count > 2)
        args.LockMutex = use_mutex;
    if (count > 3)
        args.UnlockMutex = use_mutex;
    DO(Initialize, &args);
}

static void callbacks_and_locking(const void *arg)
{
    (void)arg;
    callbacks_with(CKF_OS_LOCKING_OK, 4);
}

static void callbacks(const void *arg)
{
    (void)arg;
    callbacks_with(0, 4);
}

static void some_callbacks(const void *arg)
{
    (void)arg;
    callbacks_with(CKF_OS_LOCKING_OK, 1);
    callbacks_with(CKF_OS_LOCKING_OK, 2);
    callbacks_with(0, 3);
}

static void reserved(const void *arg)
{
    (void)arg;
    static char text[] = "something";
    CK_C_INITIALIZE_ARGS args = world.args;
    args.pReserved = text;
    DO(Initialize, &args);
}

static void info(const void *arg)
{
    (void)arg;
    CK_INFO info;
    if (DO(GetInfo, &info) == CKR_OK)
        record_say("flags=%lx", info.flags);
}

static void info_version(const void *arg)
{
    (void)arg;
    CK_INFO info;
    if (DO(GetInfo, &info) == CKR_OK)
        record_say("cryptoki=%u.%u", info.cryptokiVersion.major, info.cryptokiVersion.minor);
}

static void info_texts(const void *arg)
{
    (void)arg;
    CK_INFO info;
    if (DO(GetInfo, &info) != CKR_OK)
        return;
    bool ended = memchr(info.manufacturerID, 0, sizeof(info.manufacturerID)) ||
                 memchr(info.libraryDescription, 0, sizeof(info.libraryDescription));
    record_say("padded=%s", ended ? "no" : "by blanks");
}

static void list(const void *arg)
{
    (void)arg;
    CK_FUNCTION_LIST *other;
    DO(GetFunctionList, &other);
    record_say("same=%d version=%u.%u", other == world.p11, other->version.major, other->version.minor);
}

static void list_null(const void *arg)
{
    (void)arg;
    DO(GetFunctionList, NULL);
}

static void list_whole(const void *arg)
{
    (void)arg;
    void **function = (void **)&world.p11->C_Initialize;
    size_t count = (sizeof(*world.p11) - offsetof(CK_FUNCTION_LIST, C_Initialize)) / sizeof(*function);
    size_t missing = 0;
    for (size_t i = 0; i < count; i++)
        missing += !function[i];
    record_say("functions=%zu missing=%zu", count, missing);
}

void chapter_general(void)
{
    static const struct test tests[] = {
        {"C_Initialize", "success", SETUP_NONE, initialize},
        {"C_Initialize", "twice", SETUP_NONE, twice},
        {"C_Initialize", "again", SETUP_NONE, again},
        {"C_Initialize", "no-argument", SETUP_NONE, no_argument},
        {"C_Initialize", "no-flags", SETUP_NONE, no_flags},
        {"C_Initialize", "no-threads", SETUP_NONE, no_threads},
        {"C_Initialize", "callbacks-and-locking", SETUP_NONE, callbacks_and_locking},
        {"C_Initialize", "callbacks", SETUP_NONE, callbacks},
        {"C_Initialize", "some-callbacks", SETUP_NONE, some_callbacks},
        {"C_Initialize", "reserved", SETUP_NONE, reserved},
        {"C_Finalize", "first", SETUP_NONE, finalize_first},
        {"C_Finalize", "twice", SETUP_NONE, finalize_twice},
        {"C_Finalize", "argument", SETUP_NONE, finalize_argument},
        {"C_GetFunctionList", "before", SETUP_NONE, list},
        {"C_GetFunctionList", "null", SETUP_NONE, list_null},
        {"C_GetFunctionList", "after", SETUP_LIBRARY, list},
        {"C_GetFunctionList", "whole", SETUP_LIBRARY, list_whole},
        {"C_GetInfo", "flags", SETUP_LIBRARY, info},
        {"C_GetInfo", "version", SETUP_LIBRARY, info_version},
        {"C_GetInfo", "texts", SETUP_LIBRARY, info_texts},
    };
    world_run_all("general", tests, ARRAY_LEN(tests));
}
