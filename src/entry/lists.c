/* The function lists of 2.40, 3.0 and 3.2: the same functions, each list a prefix of the next. */
#include <string.h>

#include "entry/entry.h"

#define EXPORT __attribute__((visibility("default")))

#define ROW(name)                       .C_##name = entry_C_##name,
#define CALL(name, since, kind, repeat) ROW_##since(name)

#define ROW_2_40(name) ROW(name)
#define ROW_3_0(name)
#define ROW_3_2(name)
static const CK_FUNCTION_LIST list_2_40 = {
    .version = {2, 40},
#include "call/calls.def"
};
#undef ROW_3_0
#define CALL(name, since, kind, repeat) ROW_##since(name)
#define ROW_3_0(name)                   ROW(name)
static const CK_FUNCTION_LIST_3_0 list_3_0 = {
    .version = {3, 0},
#include "call/calls.def"
};
#undef ROW_3_2
#define CALL(name, since, kind, repeat) ROW_##since(name)
#define ROW_3_2(name)                   ROW(name)
static const CK_FUNCTION_LIST_3_2 list_3_2 = {
    .version = {3, 2},
#include "call/calls.def"
};

static CK_UTF8CHAR name[] = "PKCS 11";

/* Newest first: who does not say which gets that. */
static const CK_INTERFACE interfaces[] = {
    {.pInterfaceName = name, .pFunctionList = (CK_VOID_PTR)&list_3_2, .flags = 0},
    {.pInterfaceName = name, .pFunctionList = (CK_VOID_PTR)&list_3_0, .flags = 0},
    {.pInterfaceName = name, .pFunctionList = (CK_VOID_PTR)&list_2_40, .flags = 0},
};

CK_RV entry_C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    if (!list)
        return CKR_ARGUMENTS_BAD;
    *list = (CK_FUNCTION_LIST_PTR)&list_2_40;
    return CKR_OK;
}

CK_RV entry_C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
    if (!count)
        return CKR_ARGUMENTS_BAD;
    bool fits = list && *count >= ARRAY_LEN(interfaces);
    *count = ARRAY_LEN(interfaces);
    if (fits)
        memcpy(list, interfaces, sizeof(interfaces));
    return !list || fits ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

static bool serves(const CK_INTERFACE *interface, const CK_UTF8CHAR *wanted, const CK_VERSION *version,
                   CK_FLAGS flags)
{
    const CK_VERSION *have = interface->pFunctionList;
    if (wanted && strcmp((const char *)wanted, (const char *)interface->pInterfaceName) != 0)
        return false;
    if (version && (version->major != have->major || version->minor != have->minor))
        return false;
    return (flags & ~interface->flags) == 0;
}

CK_RV entry_C_GetInterface(CK_UTF8CHAR_PTR wanted, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface,
                           CK_FLAGS flags)
{
    if (!interface)
        return CKR_ARGUMENTS_BAD;
    for (size_t i = 0; i < ARRAY_LEN(interfaces); i++)
        if (serves(&interfaces[i], wanted, version, flags)) {
            *interface = (CK_INTERFACE_PTR)&interfaces[i];
            return CKR_OK;
        }
    return CKR_FUNCTION_FAILED;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    return entry_C_GetFunctionList(list);
}

EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
    return entry_C_GetInterfaceList(list, count);
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR_PTR wanted, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface,
                            CK_FLAGS flags)
{
    return entry_C_GetInterface(wanted, version, interface, flags);
}
