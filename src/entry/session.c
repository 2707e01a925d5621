/* Session management. */
#include "session/session.h"

#include "base/clock.h"
#include "entry/enter.h"
#include "session/crypt.h"
#include "session/login.h"
#include "session/state.h"

CK_RV entry_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE_PTR session)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_OpenSession, slot, &token);
    if (rv == CKR_OK && !session)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && !(flags & CKF_SERIAL_SESSION))
        rv = CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    if (rv == CKR_OK && flags & CKF_ASYNC_SESSION)
        rv = CKR_SESSION_ASYNC_NOT_SUPPORTED;
    if (rv == CKR_OK && !token->store)
        rv = CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK)
        rv = session_open(token, flags, application, notify, session);
    return entry_end(&entry, rv);
}

CK_RV entry_C_CloseSession(CK_SESSION_HANDLE session)
{
    struct entry entry;
    CK_RV rv = entry_begin(&entry, CALL_CloseSession);
    entry.trace.session = session;
    if (rv == CKR_OK)
        rv = session_close(entry.runtime->sessions, session);
    return entry_end(&entry, rv);
}

CK_RV entry_C_CloseAllSessions(CK_SLOT_ID slot)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_CloseAllSessions, slot, &token);
    if (rv == CKR_OK && token->store)
        session_close_all(token, clock_after(token->config->call_timeout));
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    struct entry entry;
    CK_RV rv = entry_look(&entry, CALL_GetSessionInfo, session);
    if (rv == CKR_OK && !info)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        *info = (CK_SESSION_INFO){.slotID = entry.session->token->config->slot,
                                  .state = session_state(entry.session),
                                  .flags = entry.session->flags & (CKF_RW_SESSION | CKF_SERIAL_SESSION)};
    return entry_end(&entry, rv);
}

/* No token behind p11ha reports a validation through it: none is claimed. */
CK_RV entry_C_GetSessionValidationFlags(CK_SESSION_HANDLE session, CK_SESSION_VALIDATION_FLAGS_TYPE type,
                                        CK_FLAGS_PTR flags)
{
    struct entry entry;
    CK_RV rv = entry_look(&entry, CALL_GetSessionValidationFlags, session);
    if (rv == CKR_OK && (!flags || type != CKS_LAST_VALIDATION_OK))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        *flags = 0;
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG_PTR len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_GetOperationState, session);
    if (rv == CKR_OK)
        rv = len ? state_get(entry.session, state, len) : CKR_ARGUMENTS_BAD;
    return entry_end(&entry, rv);
}

CK_RV entry_C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG len,
                                CK_OBJECT_HANDLE encryption_key, CK_OBJECT_HANDLE authentication_key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_SetOperationState, session);
    entry.trace.in = len;
    if (rv == CKR_OK && !state)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = state_set(entry.session, state, len, encryption_key || authentication_key);
    return entry_end(&entry, rv);
}

CK_RV entry_C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_SessionCancel, session);
    if (rv == CKR_OK)
        crypt_cancel(entry.session, flags);
    return entry_end(&entry, rv);
}

CK_RV entry_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_Login, session);
    if (rv == CKR_OK && !pin && pin_len)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = user == CKU_CONTEXT_SPECIFIC ? crypt_login(entry.session, pin, pin_len)
                                          : login_begin(entry.session->token, user, pin, pin_len);
    return entry_end(&entry, rv);
}

CK_RV entry_C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len,
                        CK_UTF8CHAR_PTR name, CK_ULONG name_len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_LoginUser, session);
    if (rv == CKR_OK && ((!pin && pin_len) || (!name && name_len)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && user == CKU_CONTEXT_SPECIFIC)
        rv = crypt_login(entry.session, pin, pin_len);
    else if (rv == CKR_OK)
        rv = login_begin_named(entry.session->token, user, name, name_len, pin, pin_len);
    return entry_end(&entry, rv);
}

CK_RV entry_C_Logout(CK_SESSION_HANDLE session)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_Logout, session);
    if (rv == CKR_OK)
        rv = login_end(entry.session->token);
    return entry_end(&entry, rv);
}
