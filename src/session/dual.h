/* Dual-function operations: one call for two running operations of a session, an encryption or decryption and
 * a digest, signature or verification. */
#ifndef SESSION_DUAL_H
#define SESSION_DUAL_H

#include "session/crypt.h"

/*
 * `cipher` is fed io's input; `other` gets the same if that is OP_ENCRYPT, else what came out. While io is a
 * size query, or its room is too small, nothing is fed to either. CKR_OPERATION_NOT_INITIALIZED unless both
 * run; if one fails both end.
 */
MUST_USE CK_RV dual_update(struct session *session, enum op_kind cipher, enum op_kind other,
                           const struct op_io *io);

#endif
