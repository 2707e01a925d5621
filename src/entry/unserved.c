/* Functions that the lists must have and that are not offered. */
#include "entry/enter.h"

/* Their parameters are for the standard's sake. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static CK_RV refuse(enum call_id call)
{
    struct entry entry;
    CK_RV rv = entry_begin(&entry, call);
    return entry_end(&entry, rv == CKR_OK ? CKR_FUNCTION_NOT_SUPPORTED : rv);
}

#define UNSERVED(name, ...)           \
    CK_RV entry_C_##name(__VA_ARGS__) \
    {                                 \
        return refuse(CALL_##name);   \
    }

UNSERVED(EncapsulateKey, CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c, CK_ATTRIBUTE_PTR d,
         CK_ULONG e, CK_BYTE_PTR f, CK_ULONG_PTR g, CK_OBJECT_HANDLE_PTR h)
UNSERVED(DecapsulateKey, CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c, CK_ATTRIBUTE_PTR d,
         CK_ULONG e, CK_BYTE_PTR f, CK_ULONG g, CK_OBJECT_HANDLE_PTR h)
UNSERVED(WrapKeyAuthenticated, CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c,
         CK_OBJECT_HANDLE d, CK_BYTE_PTR e, CK_ULONG f, CK_BYTE_PTR g, CK_ULONG_PTR h)
UNSERVED(UnwrapKeyAuthenticated, CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c, CK_BYTE_PTR d,
         CK_ULONG e, CK_ATTRIBUTE_PTR f, CK_ULONG g, CK_BYTE_PTR h, CK_ULONG i, CK_OBJECT_HANDLE_PTR j)
