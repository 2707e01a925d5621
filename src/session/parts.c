#include "session/parts.h"

#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "session/keyed.h"
#include "session/reach.h"
#include "session/single.h"

#define SLACK 512 /* room beyond what is expected: a member may have held back some output */

void parts_forget(struct op_parts *parts)
{
    secret_free(TAKE(parts->in));
    secret_free(TAKE(parts->out));
    parts->in_len = parts->in_cap = parts->out_len = parts->out_cap = 0;
}

/* Room for `more` bytes behind `len`. */
static bool grow(uint8_t **data, size_t *cap, size_t len, size_t more)
{
    if (len + more <= *cap)
        return true;
    uint8_t *larger = secret_alloc((len + more) * 2);
    if (!larger)
        return false;
    if (len)
        memcpy(larger, *data, len);
    secret_free(*data);
    *data = larger;
    *cap = secret_size(larger);
    return true;
}

static bool append(uint8_t **data, size_t *cap, size_t *len, const uint8_t *more, size_t more_len)
{
    if (more_len == 0)
        return true;
    if (!grow(data, cap, *len, more_len))
        return false;
    memcpy(*data + *len, more, more_len);
    *len += more_len;
    return true;
}

/* The application has got `out` for `in`. */
static void commit(struct operation *op, const struct op_io *io, const uint8_t *out, size_t out_len)
{
    struct op_parts *parts = &op->parts;
    parts->fed += io->in_len;
    parts->given += out_len;
    if (parts->dropped)
        return;
    size_t kept = parts->in_len + parts->out_len + io->in_len + out_len;
    if (kept > op->token->config->replay_limit ||
        !append(&parts->in, &parts->in_cap, &parts->in_len, io->in, io->in_len) ||
        !append(&parts->out, &parts->out_cap, &parts->out_len, out, out_len)) {
        parts_forget(parts);
        parts->dropped = true;
    }
}

void parts_keep(struct operation *op, const uint8_t *in, size_t len)
{
    commit(op, &(struct op_io){.in = in, .in_len = len}, NULL, 0);
}

static bool has_output(const struct operation *op)
{
    return op->kind == OP_ENCRYPT || op->kind == OP_DECRYPT;
}

/* `given`: how much of it the member has given already. */
static size_t room_for(const struct operation *op, size_t in_len, size_t given, bool final)
{
    if (!has_output(op))
        return final ? SLACK : 0;
    return SLACK +
           length_of_part(op->kind, &op->there, &op->facts.length, op->parts.fed + in_len, given, final);
}

static CK_RV lost_for_good(const struct operation *op, const char *why)
{
    log_event(LOG_ERROR, "operation-lost", "group=%s call=%s fed=%zu why=%s", op->token->config->name,
              verb_name(VERB_CRYPT, op->kind), op->parts.fed, why);
    return CKR_DEVICE_ERROR;
}

/*
 * All that was fed and this once more, from the start, on whichever member. The frame's in[0] is then longer
 * than io's by *ret_before.
 */
static CK_RV replay(struct operation *op, unsigned steps, const struct op_io *io, struct frame **ret,
                    size_t *ret_before)
{
    struct op_parts *parts = &op->parts;
    const uint8_t *in = io->in;
    if (parts->dropped)
        return lost_for_good(op, "the input was longer than replay-limit and is not kept");
    if (op->stateful && parts->fed)
        return lost_for_good(op, "the key's state may have been used up");
    if (parts->in_len) {
        if (!grow(&parts->in, &parts->in_cap, parts->in_len, io->in_len))
            return CKR_HOST_MEMORY;
        if (io->in_len)
            memcpy(parts->in + parts->in_len, io->in, io->in_len);
        in = parts->in;
    }
    size_t in_len = parts->in_len + io->in_len;
    bool final = steps & STEP_FINAL;
    if (in_len)
        steps |= STEP_UPDATE;
    AUTO(frame_unref)
    struct frame *frame =
        reach_frame(op, steps | reach_first_steps(op), in, in_len, io, room_for(op, io->in_len, 0, final));
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = reach_anew(op, &frame, !final);
    if (rv != CKR_OK)
        return rv;
    parts->stream = 0;
    *ret_before = parts->in_len;
    *ret = TAKE(frame);
    return CKR_OK;
}

/* From the start on another member. A digest with keys in it is first brought to where it was. */
static CK_RV run_anew(struct operation *op, unsigned step, const struct op_io *io, struct frame **ret,
                      size_t *ret_before)
{
    if (op->fed_count == 0)
        return replay(op, step, io, ret, ret_before);
    if (op->parts.dropped)
        return lost_for_good(op, "the input was longer than replay-limit and is not kept");
    for (unsigned tries = 0; tries <= op->token->group->count; tries++) {
        CK_RV rv = keyed_bring(op);
        bool lost;
        AUTO(frame_unref)
        struct frame *frame = reach_frame(op, step, io->in, io->in_len, io, room_for(op, 0, 0, true));
        if (rv != CKR_OK || !frame)
            return rv == CKR_OK ? CKR_HOST_MEMORY : rv;
        rv = reach_held(op, &frame, &lost);
        if (lost)
            continue;
        if (step == STEP_FINAL)
            reach_let_go(op, rv == CKR_OK);
        if (rv != CKR_OK)
            return rv;
        *ret_before = 0;
        *ret = TAKE(frame);
        return CKR_OK;
    }
    return CKR_DEVICE_ERROR;
}

/* One step, in the held session or by replay. */
static CK_RV run(struct operation *op, unsigned step, const struct op_io *io, struct frame **ret,
                 size_t *ret_before)
{
    if (!op->real)
        return run_anew(op, step, io, ret, ret_before);
    bool lost;
    AUTO(frame_unref)
    struct frame *frame = reach_frame(op, step, io->in, io->in_len, io,
                                      room_for(op, io->in_len, op->parts.stream, step == STEP_FINAL));
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = reach_held(op, &frame, &lost);
    if (lost) {
        log_event(LOG_INFO, "operation-moved", "group=%s call=%s fed=%zu", op->token->config->name,
                  verb_name(VERB_CRYPT, op->kind), op->parts.fed);
        return op->stateful ? CKR_DEVICE_ERROR : run_anew(op, step, io, ret, ret_before);
    }
    if (step == STEP_FINAL)
        reach_let_go(op, rv == CKR_OK || rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE);
    if (rv != CKR_OK)
        return rv;
    *ret_before = 0;
    *ret = TAKE(frame);
    return CKR_OK;
}

/* Takes the frame over as a result, without what the application already has of it. */
static CK_RV absorb(struct operation *op, enum op_event event, struct frame *frame, size_t before)
{
    struct op_parts *parts = &op->parts;
    size_t made = frame->out_len;
    size_t known = parts->given > parts->stream ? size_min(made, parts->given - parts->stream) : 0;
    bool equal =
        known == 0 || (!parts->dropped && memcmp(frame->out, parts->out + parts->stream, known) == 0);
    parts->stream += made;
    operation_keep_result(
        op, (struct op_result){
                .frame = frame, .event = event, .offset = known, .len = made - known, .in_offset = before});
    if (!equal || (event == EVENT_FINAL && parts->stream < parts->given))
        return lost_for_good(op, "another member gave other output for the same input");
    return CKR_OK;
}

static CK_RV deliver(struct operation *op, const struct op_io *io)
{
    if (!io->out_len) {
        operation_drop_result(op);
        commit(op, io, NULL, 0);
        return CKR_OK;
    }
    CK_RV rv = operation_deliver(op, io);
    if (rv == CKR_OK && io->out)
        commit(op, io, io->out, *io->out_len);
    return rv;
}

/* A result that nobody came for, of other input than now: that input was never given. */
static void undo_pending(struct operation *op)
{
    if (op->result.frame)
        reach_let_go(op, false);
    operation_drop_result(op);
}

static void answer_length(const struct operation *op, const struct op_io *io, bool final)
{
    *io->out_len = length_of_part(op->kind, &op->there, &op->facts.length, op->parts.fed + io->in_len,
                                  op->parts.given, final);
}

CK_RV parts_update(struct operation *op, const struct op_io *io)
{
    if (operation_has_result(op, EVENT_UPDATE, io))
        return deliver(op, io);
    undo_pending(op);
    if (io_is_query(io)) {
        answer_length(op, io, false);
        return CKR_OK;
    }
    if (io->in_len == 0) {
        if (io->out_len)
            *io->out_len = 0;
        return CKR_OK;
    }
    struct frame *frame;
    size_t before;
    CK_RV rv = run(op, STEP_UPDATE, io, &frame, &before);
    if (rv == CKR_OK)
        rv = absorb(op, EVENT_UPDATE, frame, before);
    return rv == CKR_OK ? deliver(op, io) : rv;
}

CK_RV parts_final(struct operation *op, const struct op_io *io)
{
    CK_RV rv;
    if (operation_has_result(op, EVENT_FINAL, io))
        return operation_deliver(op, io);
    undo_pending(op);
    if (!has_output(op) && single_answers(op, io, &rv))
        return rv;
    if (has_output(op) && io_is_query(io)) {
        answer_length(op, io, true);
        return CKR_OK;
    }
    struct frame *frame;
    size_t before;
    rv = run(op, STEP_FINAL, io, &frame, &before);
    if (rv == CKR_OK)
        rv = absorb(op, EVENT_FINAL, frame, before);
    if (rv != CKR_OK || !io->out_len)
        return rv;
    return operation_deliver(op, io);
}
