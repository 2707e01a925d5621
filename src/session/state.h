/*
 * C_GetOperationState and C_SetOperationState, of a digest: the state is its mechanism and what it was fed,
 * as long as that is kept (replay-limit), under a checksum. It is a format of our own, the same in every
 * process and wherever the digest runs. It never holds a key: a digest that one went into has no state.
 */
#ifndef SESSION_STATE_H
#define SESSION_STATE_H

#include "session/session.h"

/* CKR_OPERATION_NOT_INITIALIZED; CKR_STATE_UNSAVEABLE; with `out` NULL only its length. */
MUST_USE CK_RV state_get(struct session *session, uint8_t *out, CK_ULONG *len);
/* Ends what runs in the session. CKR_SAVED_STATE_INVALID; CKR_KEY_NOT_NEEDED if `keys` came with it. */
MUST_USE CK_RV state_set(struct session *session, const uint8_t *in, size_t len, bool keys);

#endif
