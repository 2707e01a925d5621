#include "router/verdict.h"

#include "base/def.h"
#include "call/rv.h"

static const struct {
    CK_RV rv;
    enum error_class class;
} table[] = {
    {CKR_OK, ERROR_NONE},
    {CKR_DEVICE_ERROR, ERROR_TRANSPORT},
    {CKR_DEVICE_REMOVED, ERROR_TRANSPORT},
    {CKR_TOKEN_NOT_PRESENT, ERROR_TRANSPORT},
    {CKR_TOKEN_NOT_RECOGNIZED, ERROR_TRANSPORT},
    {CKR_SLOT_ID_INVALID, ERROR_TRANSPORT},
    {CKR_CRYPTOKI_NOT_INITIALIZED, ERROR_TRANSPORT},
    {RV_DEADLINE, ERROR_TRANSPORT},
    {RV_STUCK, ERROR_TRANSPORT},
    {CKR_SESSION_HANDLE_INVALID, ERROR_SESSION_LOST},
    {CKR_SESSION_CLOSED, ERROR_SESSION_LOST},
    {CKR_KEY_HANDLE_INVALID, ERROR_STALE_HANDLE},
    {CKR_OBJECT_HANDLE_INVALID, ERROR_STALE_HANDLE},
    {CKR_WRAPPING_KEY_HANDLE_INVALID, ERROR_STALE_HANDLE},
    {CKR_UNWRAPPING_KEY_HANDLE_INVALID, ERROR_STALE_HANDLE},
    {CKR_DEVICE_MEMORY, ERROR_FULL},
    {CKR_HOST_MEMORY, ERROR_FULL},
    {CKR_SESSION_COUNT, ERROR_FULL},
    {CKR_FUNCTION_REJECTED, ERROR_FULL},
    {CKR_GENERAL_ERROR, ERROR_AMBIGUOUS},
    {CKR_FUNCTION_FAILED, ERROR_AMBIGUOUS},
    {CKR_FUNCTION_CANCELED, ERROR_AMBIGUOUS},
    {CKR_FUNCTION_NOT_SUPPORTED, ERROR_UNABLE},
    {RV_NO_MECHANISM, ERROR_UNABLE},
    {RV_NOT_HERE, ERROR_UNABLE},
    {RV_NO_TIME, ERROR_UNABLE},
    {RV_PIN_REFUSED, ERROR_UNABLE},
    {RV_MISFIT, ERROR_UNABLE},
};

enum error_class verdict_class(CK_RV rv, const struct verdict_facts *facts)
{
    if (rv == CKR_USER_NOT_LOGGED_IN)
        return facts->logged_in ? ERROR_SESSION_LOST : ERROR_APPLICATION;
    enum error_class class = rv >= CKR_VENDOR_DEFINED && rv < RV_INSIDE ? ERROR_AMBIGUOUS : ERROR_APPLICATION;
    if (rv > (RV_INSIDE | 0xff))
        class = ERROR_AMBIGUOUS;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].rv == rv)
            class = table[i].class;
    if (class == ERROR_STALE_HANDLE && !facts->needs_handles)
        return ERROR_APPLICATION;
    if (rv == CKR_DEVICE_ERROR && facts->judged)
        return ERROR_AMBIGUOUS;
    return class;
}

enum verdict verdict_of(enum error_class class, const struct verdict_facts *facts)
{
    switch (class) {
    case ERROR_NONE:
    case ERROR_APPLICATION:
        return VERDICT_ANSWER;
    case ERROR_SESSION_LOST:
        return facts->fresh_session ? VERDICT_NEXT : VERDICT_RENEW_SESSION;
    case ERROR_STALE_HANDLE:
        return facts->fresh_handle ? VERDICT_NEXT : VERDICT_RENEW_HANDLE;
    default:
        return VERDICT_NEXT;
    }
}

CK_RV verdict_final(unsigned classes, bool all_alike, CK_RV common)
{
    const unsigned failed = 1u << ERROR_TRANSPORT | 1u << ERROR_SESSION_LOST | 1u << ERROR_STALE_HANDLE;
    if (classes == 1u << ERROR_AMBIGUOUS && all_alike)
        return common;
    if (classes & (failed | 1u << ERROR_AMBIGUOUS))
        return CKR_DEVICE_ERROR;
    if (classes & 1u << ERROR_FULL)
        return CKR_DEVICE_MEMORY;
    if (classes == 1u << ERROR_UNABLE && common == CKR_FUNCTION_NOT_SUPPORTED)
        return common;
    if (classes & 1u << ERROR_UNABLE)
        return common == RV_NO_MECHANISM ? CKR_MECHANISM_INVALID : CKR_DEVICE_ERROR;
    return CKR_TOKEN_NOT_PRESENT;
}

static const char *const names[] = {
    [ERROR_NONE] = "none",
    [ERROR_TRANSPORT] = "transport",
    [ERROR_SESSION_LOST] = "session-lost",
    [ERROR_STALE_HANDLE] = "stale-handle",
    [ERROR_FULL] = "full",
    [ERROR_AMBIGUOUS] = "ambiguous",
    [ERROR_UNABLE] = "unable",
    [ERROR_APPLICATION] = "application",
};

const char *error_class_name(enum error_class class)
{
    return names[class];
}
