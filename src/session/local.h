/*
 * What is done here and not on a member: digests, and the hashing of hash-and-sign mechanisms that split, of
 * which only the last step goes to a member, whatever was fed.
 */
#ifndef SESSION_LOCAL_H
#define SESSION_LOCAL_H

#include "session/operation.h"

/* Decides the engine of an operation whose mechanism and key are set, and prepares it. */
MUST_USE CK_RV local_plan(struct operation *op);
/* Hashes that too; nothing is kept of it. */
MUST_USE CK_RV local_feed(struct operation *op, const uint8_t *in, size_t len);
/* Steps of ENGINE_LOCAL and ENGINE_SPLIT. EVENT_ONE_SHOT, EVENT_UPDATE or EVENT_FINAL. */
MUST_USE CK_RV local_step(struct operation *op, enum op_event event, const struct op_io *io);

#endif
