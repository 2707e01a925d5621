/* The functions from which chaos learns what is where: slots, tokens, sessions, and the library's own
 * beginning and end. */
#include <stdlib.h>
#include <string.h>

#include "test/chaos/wrap.h"

CK_RV chaos_C_Initialize(CK_VOID_PTR args)
{
    struct pass pass;
    CK_RV rv = pass_open();
    if (rv != CKR_OK)
        return rv;
    rv = pass_begin(&pass, CALL_C_Initialize, 0);
    if (rv == CKR_OK)
        rv = real_initialize(args);
    return pass_end(&pass, rv);
}

CK_RV chaos_C_Finalize(CK_VOID_PTR reserved)
{
    struct pass pass;
    CK_RV rv = pass_begin(&pass, CALL_C_Finalize, 0);
    if (rv == CKR_OK)
        rv = real_loaded() ? real_finalize(reserved) : CKR_CRYPTOKI_NOT_INITIALIZED;
    return pass_end(&pass, rv);
}

/* The module's own order, without the slots whose token a rule hides. rv: what the module answers. */
static CK_RV visible_slots(const struct pass *pass, CK_SLOT_ID **ret_slots, CK_ULONG *ret_count)
{
    CK_ULONG count = 0, kept = 0;
    CK_RV rv = pass->real->f.C_GetSlotList(CK_TRUE, NULL, &count);
    if (rv != CKR_OK)
        return rv;
    CK_SLOT_ID *slots = calloc(count + 1, sizeof(*slots));
    if (!slots)
        return CKR_HOST_MEMORY;
    rv = pass->real->f.C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK) {
        free(slots);
        return rv;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        if (!pass_hides(slots[i]))
            slots[kept++] = slots[i];
    }
    *ret_slots = slots;
    *ret_count = kept;
    return CKR_OK;
}

static CK_RV give_slots(const struct pass *pass, CK_SLOT_ID *slots, CK_ULONG *count)
{
    CK_SLOT_ID *seen = NULL;
    CK_ULONG seen_count = 0;
    if (!count)
        return pass->real->f.C_GetSlotList(CK_TRUE, slots, count);
    CK_RV rv = visible_slots(pass, &seen, &seen_count);
    if (rv != CKR_OK)
        return rv;
    if (slots && *count < seen_count)
        rv = CKR_BUFFER_TOO_SMALL;
    else if (slots)
        memcpy(slots, seen, seen_count * sizeof(*slots));
    *count = seen_count;
    free(seen);
    return rv;
}

CK_RV chaos_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count)
{
    struct pass pass;
    CK_RV rv = pass_begin(&pass, CALL_C_GetSlotList, 0);
    if (rv == CKR_OK)
        rv = pass_enter(&pass);
    if (rv == CKR_OK && present && control_rules()->has_gone)
        rv = give_slots(&pass, slots, count);
    else if (rv == CKR_OK)
        rv = pass.real->f.C_GetSlotList(present, slots, count);
    return pass_end(&pass, rv);
}

static void learn(CK_SLOT_ID slot, CK_RV rv, const CK_TOKEN_INFO *info)
{
    if (rv == CKR_OK)
        token_learn(slot, info->label);
}

/* Who initialises a token gives it a new label. */
static void relearn(CK_SLOT_ID slot, CK_RV rv)
{
    if (rv == CKR_OK)
        token_forget(slot);
}

static void opened(const struct pass *pass, CK_RV rv, const CK_SESSION_HANDLE *handle)
{
    CK_SESSION_HANDLE lost;
    if (rv != CKR_OK || !pass->token)
        return;
    struct session *session = session_add(*handle, pass->token);
    if (session)
        session_drop(session, &lost);
}

static void closed(const struct pass *pass, CK_RV rv)
{
    if (rv == CKR_OK && pass->session)
        session_closed(pass->session);
}

static void closed_all(const struct pass *pass, CK_RV rv)
{
    if (rv == CKR_OK && pass->token)
        session_closed_all(pass->token);
}

static void absent(const struct pass *pass, CK_RV rv, CK_SLOT_INFO *info)
{
    if (rv == CKR_OK && pass->gone)
        info->flags &= ~CKF_TOKEN_PRESENT;
}

#define at 0
WRAP(C_GetInfo, P(CK_INFO *info), P(info), NOTHING, NOTHING)
WRAP(C_WaitForSlotEvent, P(CK_FLAGS flags, CK_SLOT_ID *slot, CK_VOID_PTR reserved), P(flags, slot, reserved),
     NOTHING, NOTHING)
#undef at
WRAP(C_GetSlotInfo, P(CK_SLOT_ID at, CK_SLOT_INFO *info), P(at, info), NOTHING, absent(&pass, rv, info))
WRAP(C_GetTokenInfo, P(CK_SLOT_ID at, CK_TOKEN_INFO *info), P(at, info), NOTHING, learn(at, rv, info))
WRAP(C_InitToken, P(CK_SLOT_ID at, CK_UTF8CHAR *pin, CK_ULONG len, CK_UTF8CHAR *label),
     P(at, pin, len, label), NOTHING, relearn(at, rv))
WRAP(C_OpenSession,
     P(CK_SLOT_ID at, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify, CK_SESSION_HANDLE *made),
     P(at, flags, application, notify, made), NOTHING, opened(&pass, rv, made))
WRAP(C_CloseSession, P(CK_SESSION_HANDLE at), P(at), NOTHING, closed(&pass, rv))
WRAP(C_CloseAllSessions, P(CK_SLOT_ID at), P(at), NOTHING, closed_all(&pass, rv))
