/* Single-part operations on a member: one hand-over. */
#ifndef SESSION_SINGLE_H
#define SESSION_SINGLE_H

#include "session/operation.h"

/* True if *ret answers the call without a member: the length is known, and asked for or larger than the
 * caller's room. */
bool single_answers(const struct operation *op, const struct op_io *io, CK_RV *ret);
/* Runs it. A result that the caller has no room for is kept (operation_deliver); `event` is what it is kept
 * under. */
MUST_USE CK_RV single_run(struct operation *op, enum op_event event, const struct op_io *io);

#endif
