/*
 * What every entry begins and ends with: the runtime and perhaps a session are there, and stay for the time
 * of the call; one trace line when it ends. entry_end follows each begin, whatever that said.
 */
#ifndef ENTRY_ENTER_H
#define ENTRY_ENTER_H

#include "call/trace.h"
#include "entry/entry.h"
#include "entry/runtime.h"
#include "session/session.h"

struct entry {
    struct trace trace; /* entries may fill in mech, in and out */
    struct runtime *runtime;
    struct session *session;
    unsigned ticket;
    bool taken;
};

/* CKR_CRYPTOKI_NOT_INITIALIZED. */
MUST_USE CK_RV entry_begin(struct entry *entry, enum call_id call);
/* Also with the session, for this thread only. */
MUST_USE CK_RV entry_take(struct entry *entry, enum call_id call, CK_SESSION_HANDLE session);
/* Also with the session, which other threads may use meanwhile. */
MUST_USE CK_RV entry_look(struct entry *entry, enum call_id call, CK_SESSION_HANDLE session);
/* Also with a slot's token. CKR_SLOT_ID_INVALID. */
MUST_USE CK_RV entry_slot(struct entry *entry, enum call_id call, CK_SLOT_ID slot, struct token **ret);
/* Lets go and returns rv. */
CK_RV entry_end(struct entry *entry, CK_RV rv);

#endif
