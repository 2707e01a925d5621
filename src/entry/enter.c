#include "entry/enter.h"

#include "call/rv.h"

CK_RV entry_begin(struct entry *entry, enum call_id call)
{
    trace_begin(&entry->trace, call);
    entry->session = NULL;
    entry->taken = false;
    entry->runtime = runtime_enter(&entry->ticket);
    return entry->runtime ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
}

CK_RV entry_take(struct entry *entry, enum call_id call, CK_SESSION_HANDLE session)
{
    CK_RV rv = entry_begin(entry, call);
    entry->trace.session = session;
    if (rv == CKR_OK)
        rv = session_take(entry->runtime->sessions, session, &entry->session);
    entry->taken = rv == CKR_OK;
    return rv;
}

CK_RV entry_look(struct entry *entry, enum call_id call, CK_SESSION_HANDLE session)
{
    CK_RV rv = entry_begin(entry, call);
    entry->trace.session = session;
    if (rv != CKR_OK)
        return rv;
    entry->session = session_ref(entry->runtime->sessions, session);
    return entry->session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV entry_slot(struct entry *entry, enum call_id call, CK_SLOT_ID slot, struct token **ret)
{
    CK_RV rv = entry_begin(entry, call);
    entry->trace.session = slot;
    if (rv != CKR_OK)
        return rv;
    *ret = runtime_token(entry->runtime, slot);
    return *ret ? CKR_OK : CKR_SLOT_ID_INVALID;
}

CK_RV entry_end(struct entry *entry, CK_RV rv)
{
    if (rv >= RV_INSIDE && rv <= (RV_INSIDE | 0xff))
        rv = CKR_DEVICE_ERROR;
    if (entry->taken)
        session_give(entry->session);
    else
        session_unref(entry->session);
    if (entry->runtime)
        runtime_leave(entry->ticket);
    trace_end(&entry->trace, rv);
    return rv;
}
