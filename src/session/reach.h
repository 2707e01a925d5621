/*
 * How an operation reaches a member: in the real session that it holds, where its Init has been done, or from
 * the start on whichever member the router picks.
 */
#ifndef SESSION_REACH_H
#define SESSION_REACH_H

#include "session/operation.h"

/*
 * A frame of the operation: its mechanism, `in` as in[0], the signature to verify if io has one, the PIN if
 * one is held. NULL without memory.
 */
MUST_USE struct frame *reach_frame(const struct operation *op, unsigned steps, const uint8_t *in,
                                   size_t in_len, const struct op_io *io, size_t out_room);
/* STEP_INIT, and STEP_LOGIN if a PIN is held: what an operation from the start begins with. */
unsigned reach_first_steps(const struct operation *op);

/*
 * Runs the frame in the session that is held; with more room if it wants more. *ret_lost: the session is
 * gone, the answer is not the application's, and the operation goes on elsewhere or fails.
 */
MUST_USE CK_RV reach_held(struct operation *op, struct frame **frame, bool *ret_lost);
/* Runs the frame from the start; with `hold` its session stays with the operation. */
MUST_USE CK_RV reach_anew(struct operation *op, struct frame **frame, bool hold);
/* The true answer to Init. Nothing is sent if a member has accepted the like before. */
MUST_USE CK_RV reach_init(struct operation *op);
/* C_Login(CKU_CONTEXT_SPECIFIC): one attempt; the PIN is kept if it was accepted. */
MUST_USE CK_RV reach_login(struct operation *op, const uint8_t *pin, size_t len);
/* The held session, if any, goes back; `clean`: no operation is left in it. */
void reach_let_go(struct operation *op, bool clean);

#endif
