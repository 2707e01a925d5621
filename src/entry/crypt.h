/* What the entries of all operations have in common. */
#ifndef ENTRY_CRYPT_H
#define ENTRY_CRYPT_H

#include "entry/enter.h"
#include "session/crypt.h"

/* C_...Init. `key` is 0 for a digest. */
MUST_USE CK_RV crypt_enter_init(enum call_id call, CK_SESSION_HANDLE session, enum op_kind kind,
                                const CK_MECHANISM *mech, CK_OBJECT_HANDLE key);
/* A step with input, output or both. */
MUST_USE CK_RV crypt_enter(enum call_id call, CK_SESSION_HANDLE session, enum op_kind kind,
                           enum op_event event, const struct op_io *io);

#endif
