#include "session/message.h"

#include "base/clock.h"
#include "base/log.h"
#include "session/reach.h"

#define SLACK 512 /* room for a result of unknown length, beyond the input's */

static CK_RV enter(struct session *session, enum op_kind kind, enum op_phase phase, const struct op_io *io,
                   struct operation **ret)
{
    struct operation *op = session->op[kind];
    if (!op || op->phase == PHASE_IDLE || (op->key->private && !token_user_in(op->token)))
        return CKR_OPERATION_NOT_INITIALIZED;
    if (op->phase != phase)
        return op->phase == PHASE_PARTS ? CKR_OPERATION_ACTIVE : CKR_OPERATION_NOT_INITIALIZED;
    if ((!io->in && io->in_len) || (!io->aad && io->aad_len) || (!io->signature && io->signature_len) ||
        (!io->param && io->param_len))
        return CKR_ARGUMENTS_BAD;
    if (io->param_len &&
        !frame_room_param(mech_message_shape(op->mech.mechanism, io->param_len), io->param, io->param_len))
        return CKR_MECHANISM_PARAM_INVALID;
    if (op->facts.always_authenticate && !op->pin && !io_is_query(io))
        return CKR_USER_NOT_LOGGED_IN;
    op->deadline = clock_after(op->token->config->call_timeout);
    *ret = op;
    return CKR_OK;
}

/* How long the result is, at most; *ret_exact: not less. AEADs put their tag elsewhere. */
static size_t length_here(const struct operation *op, size_t in_len, bool *ret_exact)
{
    if (op->kind == OP_MESSAGE_SIGN) {
        struct length length = length_of(OP_SIGN, &op->mech, &op->facts.length, in_len);
        *ret_exact = length.sort == LENGTH_EXACT;
        return length.sort == LENGTH_UNKNOWN ? SLACK : length.bytes;
    }
    *ret_exact = mech_message_shape(op->mech.mechanism, sizeof(CK_GCM_MESSAGE_PARAMS)) ||
                 mech_message_shape(op->mech.mechanism, sizeof(CK_CCM_MESSAGE_PARAMS)) ||
                 mech_message_shape(op->mech.mechanism, sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS));
    return *ret_exact ? in_len : in_len + SLACK;
}

static CK_RV lost(const struct operation *op, const char *why)
{
    log_event(LOG_ERROR, "operation-lost", "group=%s call=%s why=%s", op->token->config->name,
              verb_name(VERB_MESSAGE, op->kind), why);
    return CKR_DEVICE_ERROR;
}

/* In the held session, or from the start; with `hold` it is held from then on. */
static CK_RV run(struct operation *op, unsigned step, bool hold, struct frame **frame)
{
    if (op->real) {
        bool gone;
        (*frame)->steps = hold ? step : step | MESSAGE_END;
        CK_RV rv = reach_held(op, frame, &gone);
        if (!gone) {
            if (!hold && *frame)
                reach_let_go(op, (*frame)->step_reached == MESSAGE_END);
            return rv;
        }
    }
    if (op->counted)
        return lost(op, "the member that counts its nonces has failed, and no other may go on counting");
    (*frame)->steps = reach_first_steps(op) | step | (hold ? 0u : MESSAGE_END);
    return reach_anew(op, frame, hold);
}

static void give_param(const struct operation *op, const struct frame *frame, const struct op_io *io)
{
    if (io->param && op->kind == OP_MESSAGE_ENCRYPT)
        frame_give_param(frame, mech_message_shape(op->mech.mechanism, io->param_len), io->param);
}

CK_RV message_once(struct session *session, enum op_kind kind, const struct op_io *io)
{
    struct operation *op;
    CK_RV rv = enter(session, kind, PHASE_READY, io, &op);
    if (rv != CKR_OK)
        return rv;
    if (kind != OP_MESSAGE_VERIFY && !io->out_len)
        return CKR_ARGUMENTS_BAD;
    bool exact = false;
    size_t room = io->out_len ? length_here(op, io->in_len, &exact) : 0;
    if (io->out_len && (!io->out || (exact && *io->out_len < room))) {
        *io->out_len = room;
        return io->out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    }
    bool counts = mech_message_counts(op->mech.mechanism, io->param, io->param_len);
    AUTO(frame_unref) struct frame *frame = reach_frame(op, 0, io->in, io->in_len, io, room + 1);
    if (!frame)
        return CKR_HOST_MEMORY;
    rv = run(op, MESSAGE_ONCE, counts || op->counted, &frame);
    if (rv != CKR_OK)
        return rv;
    op->counted = op->counted || counts;
    if (io->out_len) {
        operation_keep_result(op, (struct op_result){.frame = frame_ref(frame), .len = frame->out_len});
        rv = operation_deliver(op, io);
        operation_drop_result(op);
    }
    if (rv == CKR_OK)
        give_param(op, frame, io);
    return rv;
}

CK_RV message_begin(struct session *session, enum op_kind kind, const struct op_io *io)
{
    struct operation *op;
    CK_RV rv = enter(session, kind, PHASE_READY, io, &op);
    if (rv != CKR_OK)
        return rv;
    AUTO(frame_unref) struct frame *frame = reach_frame(op, 0, NULL, 0, io, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    rv = run(op, MESSAGE_BEGIN, true, &frame);
    if (rv != CKR_OK)
        return rv;
    op->counted = op->counted || mech_message_counts(op->mech.mechanism, io->param, io->param_len);
    op->phase = PHASE_PARTS;
    give_param(op, frame, io);
    return CKR_OK;
}

/* The message is over, the operation is not. */
static void end_message(struct operation *op, bool clean)
{
    op->phase = PHASE_READY;
    operation_drop_result(op);
    if (!clean)
        reach_let_go(op, false);
}

static CK_RV deliver_next(struct operation *op, const struct op_io *io)
{
    AUTO(frame_unref) struct frame *held = frame_ref(op->result.frame);
    CK_RV rv = io->out_len ? operation_deliver(op, io) : CKR_OK;
    if (rv != CKR_OK)
        return rv;
    give_param(op, held, io);
    if (io->flags & CKF_END_OF_MESSAGE)
        end_message(op, true);
    else
        operation_drop_result(op);
    return CKR_OK;
}

CK_RV message_next(struct session *session, enum op_kind kind, const struct op_io *io)
{
    struct operation *op;
    CK_RV rv = enter(session, kind, PHASE_PARTS, io, &op);
    if (rv != CKR_OK)
        return rv;
    bool cipher = kind == OP_MESSAGE_ENCRYPT || kind == OP_MESSAGE_DECRYPT, exact;
    if (cipher && !io->out_len)
        return CKR_ARGUMENTS_BAD;
    size_t room = length_here(op, io->in_len, &exact) + SLACK;
    if (io_is_query(io)) {
        *io->out_len = exact ? room - SLACK : room;
        return CKR_OK;
    }
    if (operation_has_result(op, EVENT_UPDATE, io))
        return deliver_next(op, io);
    operation_drop_result(op);
    AUTO(frame_unref) struct frame *frame = reach_frame(op, MESSAGE_NEXT, io->in, io->in_len, io, room);
    if (!frame)
        return CKR_HOST_MEMORY;
    bool gone = !op->real;
    if (!gone)
        rv = reach_held(op, &frame, &gone);
    if (gone || rv != CKR_OK) {
        end_message(op, false);
        return gone ? lost(op, "its member failed in the middle of a message") : rv;
    }
    operation_keep_result(
        op, (struct op_result){.frame = frame_ref(frame), .event = EVENT_UPDATE, .len = frame->out_len});
    return deliver_next(op, io);
}

CK_RV message_final(struct session *session, enum op_kind kind)
{
    struct operation *op = session->op[kind];
    if (!op || op->phase == PHASE_IDLE)
        return CKR_OPERATION_NOT_INITIALIZED;
    operation_end(op);
    return CKR_OK;
}
