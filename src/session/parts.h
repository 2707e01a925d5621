/*
 * Multi-part operations on a member: it runs in one real session, and what it was fed is kept up to
 * `replay-limit`, so that another member can be brought to the same point when this one fails. Output that
 * the application already has must come out the same there.
 */
#ifndef SESSION_PARTS_H
#define SESSION_PARTS_H

#include "session/operation.h"

MUST_USE CK_RV parts_update(struct operation *op, const struct op_io *io);
/* With io->signature: verification. */
MUST_USE CK_RV parts_final(struct operation *op, const struct op_io *io);
/* Keeps what was fed elsewhere than to a member, as long as there is room. */
void parts_keep(struct operation *op, const uint8_t *in, size_t len);
/* Wipes and releases what is kept. */
void parts_forget(struct op_parts *parts);

#endif
