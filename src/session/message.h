/*
 * Message-based operations (3.0): one Init, which is crypt_init, then many messages, each with a nonce of its
 * own. A whole message is one hand-over to whichever member. Two things bind the operation to a member: a
 * message in parts, until its end, and a nonce that the member counts from message to message, for good:
 * another member would begin to count anew, and use a nonce twice.
 */
#ifndef SESSION_MESSAGE_H
#define SESSION_MESSAGE_H

#include "session/session.h"

/* A whole message: io's in, aad, signature, param, out. A failure does not end the operation. */
MUST_USE CK_RV message_once(struct session *session, enum op_kind kind, const struct op_io *io);
MUST_USE CK_RV message_begin(struct session *session, enum op_kind kind, const struct op_io *io);
/* With CKF_END_OF_MESSAGE in io->flags the message ends. Lost with its member: CKR_DEVICE_ERROR. */
MUST_USE CK_RV message_next(struct session *session, enum op_kind kind, const struct op_io *io);
MUST_USE CK_RV message_final(struct session *session, enum op_kind kind);

#endif
