/* General-purpose functions. */
#include "entry/enter.h"
#include "entry/text.h"

/* The configuration that pReserved names: "config=FILE" or a path. */
static CK_RV config_named(const char *reserved, const char **ret)
{
    static const char key[] = "config=";
    *ret = NULL;
    if (!reserved || !*reserved)
        return CKR_OK;
    bool keyed = strncmp(reserved, key, sizeof(key) - 1) == 0;
    const char *path = keyed ? reserved + sizeof(key) - 1 : reserved;
    if (!*path || (!keyed && !strchr(path, '/')))
        return CKR_ARGUMENTS_BAD;
    *ret = path;
    return CKR_OK;
}

static CK_RV read_args(const CK_C_INITIALIZE_ARGS *args, const char **ret)
{
    int callbacks = !!args->CreateMutex + !!args->DestroyMutex + !!args->LockMutex + !!args->UnlockMutex;
    if (callbacks != 0 && callbacks != 4)
        return CKR_ARGUMENTS_BAD;
    /* CKF_LIBRARY_CANT_CREATE_OS_THREADS is accepted: GnuTLS and p11-kit set it for every module, and our
     * threads run none of the application's code. */
    if (callbacks == 4 && !(args->flags & CKF_OS_LOCKING_OK))
        return CKR_CANT_LOCK;
    return config_named(args->pReserved, ret);
}

CK_RV entry_C_Initialize(CK_VOID_PTR init_args)
{
    const char *path = NULL;
    struct trace trace;
    trace_begin(&trace, CALL_Initialize);
    CK_RV rv = runtime_is_running() ? CKR_CRYPTOKI_ALREADY_INITIALIZED : CKR_OK;
    if (rv == CKR_OK && init_args)
        rv = read_args(init_args, &path);
    if (rv == CKR_OK)
        rv = runtime_start(path);
    trace_end(&trace, rv);
    return rv;
}

CK_RV entry_C_Finalize(CK_VOID_PTR reserved)
{
    if (!runtime_is_running())
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    return reserved ? CKR_ARGUMENTS_BAD : runtime_stop();
}

CK_RV entry_C_GetInfo(CK_INFO_PTR info)
{
    struct entry entry;
    CK_RV rv = entry_begin(&entry, CALL_GetInfo);
    if (rv == CKR_OK && !info)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        *info = (CK_INFO){.cryptokiVersion = {3, 2}, .libraryVersion = {0, 1}};
        text_pad(info->manufacturerID, sizeof(info->manufacturerID), "p11ha");
        text_pad(info->libraryDescription, sizeof(info->libraryDescription), "p11ha: tokens in a group");
    }
    return entry_end(&entry, rv);
}

/* Both are left over from the parallel functions of old. */
CK_RV entry_C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
    struct entry entry;
    CK_RV rv = entry_look(&entry, CALL_GetFunctionStatus, session);
    return entry_end(&entry, rv == CKR_OK ? CKR_FUNCTION_NOT_PARALLEL : rv);
}

CK_RV entry_C_CancelFunction(CK_SESSION_HANDLE session)
{
    struct entry entry;
    CK_RV rv = entry_look(&entry, CALL_CancelFunction, session);
    return entry_end(&entry, rv == CKR_OK ? CKR_FUNCTION_NOT_PARALLEL : rv);
}
