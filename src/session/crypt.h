/*
 * Cryptographic operations of a session, whatever they run on: entry calls this and nothing below. All
 * answers are the application's. The session has been taken.
 */
#ifndef SESSION_CRYPT_H
#define SESSION_CRYPT_H

#include "session/session.h"

/* C_...Init. `mech` NULL cancels a running operation (3.0). `key` is 0 for a digest. */
MUST_USE CK_RV crypt_init(struct session *session, enum op_kind kind, const CK_MECHANISM *mech,
                          CK_OBJECT_HANDLE key);
/* C_VerifySignatureInit: OP_VERIFY of a signature that is known from the start; its steps have io->kept. */
MUST_USE CK_RV crypt_init_signature(struct session *session, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                                    const uint8_t *signature, size_t len);
/* One step: EVENT_ONE_SHOT, EVENT_UPDATE or EVENT_FINAL. NULL pointers with a length are CKR_ARGUMENTS_BAD.
 */
MUST_USE CK_RV crypt_step(struct session *session, enum op_kind kind, enum op_event event,
                          const struct op_io *io);
/* C_DigestKey. A key that cannot be fed leaves the digest as it was. */
MUST_USE CK_RV crypt_digest_key(struct session *session, CK_OBJECT_HANDLE key);
/* C_Login(CKU_CONTEXT_SPECIFIC). */
MUST_USE CK_RV crypt_login(struct session *session, const uint8_t *pin, size_t len);
/* C_SessionCancel: the kinds that the flags name. */
void crypt_cancel(struct session *session, CK_FLAGS flags);

#endif
