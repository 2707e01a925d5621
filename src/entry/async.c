/* Asynchronous sessions (3.2): C_OpenSession refuses CKF_ASYNC_SESSION, so no session is one, and nothing is
 * ever pending. */
#include "entry/enter.h"

static CK_RV refuse(enum call_id call, CK_SESSION_HANDLE session, bool sound)
{
    struct entry entry;
    CK_RV rv = entry_look(&entry, call, session);
    if (rv == CKR_OK)
        rv = sound ? CKR_SESSION_ASYNC_NOT_SUPPORTED : CKR_ARGUMENTS_BAD;
    return entry_end(&entry, rv);
}

CK_RV entry_C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function, CK_ASYNC_DATA_PTR result)
{
    return refuse(CALL_AsyncComplete, session, function && result);
}

CK_RV entry_C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function, CK_ULONG_PTR id)
{
    return refuse(CALL_AsyncGetID, session, function && id);
}

CK_RV entry_C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function, CK_ULONG id, CK_BYTE_PTR data,
                        CK_ULONG len)
{
    (void)id;
    return refuse(CALL_AsyncJoin, session, function && (data || !len));
}
