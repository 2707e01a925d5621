/* The three names that chaos.so exports, and the lists behind them. */
#include <stdlib.h>
#include <string.h>

#include "test/chaos/wrap.h"

#define EXPORT                         __attribute__((visibility("default")))
#define ROW(name, since, where, group) .name = chaos_##name,

/* Not the exported names themselves: those may be bound to another library's. */
static CK_RV get_function_list(CK_FUNCTION_LIST **ret_list);
static CK_RV get_interface_list(CK_INTERFACE *list, CK_ULONG *count);
static CK_RV get_interface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **ret_interface,
                           CK_FLAGS flags);

static CK_FUNCTION_LIST list_2 = {
    .version = {2, 40}, .C_GetFunctionList = get_function_list, CHAOS_CALLS_2(ROW)};

static CK_FUNCTION_LIST_3_0 list_3 = {.version = {3, 0},
                                      .C_GetFunctionList = get_function_list,
                                      .C_GetInterfaceList = get_interface_list,
                                      .C_GetInterface = get_interface,
                                      CHAOS_CALLS_2(ROW) CHAOS_CALLS_3(ROW)};

/* What it has of 3.2 are the functions for keys (wrap32.c). */
static CK_FUNCTION_LIST_3_2 list_32 = {.version = {3, 2},
                                       .C_GetFunctionList = get_function_list,
                                       .C_GetInterfaceList = get_interface_list,
                                       .C_GetInterface = get_interface,
                                       CHAOS_CALLS(ROW)};

static CK_UTF8CHAR standard[] = "PKCS 11";
static CK_INTERFACE interfaces[] = {{standard, &list_32, 0}, {standard, &list_3, 0}, {standard, &list_2, 0}};

/* Those that the wrapped module has too, and with CHAOS_LIST=3.2 one more; it may be asked before
 * C_Initialize. */
static CK_INTERFACE *offered(CK_ULONG *ret_count)
{
    const char *path = getenv("CHAOS_MODULE"), *more = getenv("CHAOS_LIST");
    pass_check_fork();
    const struct real *real = path ? real_load(path) : real_loaded();
    *ret_count = more && !strcmp(more, "3.2") ? 3 : real && real->has_3 ? 2 : 1;
    return interfaces + 3 - *ret_count;
}

static CK_RV get_function_list(CK_FUNCTION_LIST **ret_list)
{
    if (!ret_list)
        return CKR_ARGUMENTS_BAD;
    *ret_list = &list_2;
    return CKR_OK;
}

static CK_RV get_interface_list(CK_INTERFACE *list, CK_ULONG *count)
{
    CK_ULONG have;
    if (!count)
        return CKR_ARGUMENTS_BAD;
    const CK_INTERFACE *first = offered(&have);
    CK_RV rv = list && *count < have ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    if (list && rv == CKR_OK)
        memcpy(list, first, have * sizeof(*list));
    *count = have;
    return rv;
}

static CK_RV get_interface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **ret_interface,
                           CK_FLAGS flags)
{
    CK_ULONG have;
    if (!ret_interface)
        return CKR_ARGUMENTS_BAD;
    CK_INTERFACE *at = offered(&have);
    for (; have; have--, at++) {
        const CK_VERSION *is = at->pFunctionList;
        if (name && strcmp((const char *)name, (const char *)standard))
            continue;
        if (version && (version->major != is->major || version->minor != is->minor))
            continue;
        if ((at->flags & flags) != flags)
            continue;
        *ret_interface = at;
        return CKR_OK;
    }
    return CKR_ARGUMENTS_BAD;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret_list)
{
    return get_function_list(ret_list);
}

EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE *list, CK_ULONG *count)
{
    return get_interface_list(list, count);
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **ret_interface,
                            CK_FLAGS flags)
{
    return get_interface(name, version, ret_interface, flags);
}
