#include "session/single.h"

#include "session/reach.h"

#define SLACK 512 /* room for a result of unknown length, beyond the input's */

bool single_answers(const struct operation *op, const struct op_io *io, CK_RV *ret)
{
    if (!io->out_len)
        return false;
    struct length length = length_of(op->kind, &op->there, &op->facts.length, io->in_len);
    bool query = io_is_query(io) && length.sort != LENGTH_UNKNOWN;
    bool short_of = io->out && length.sort == LENGTH_EXACT && *io->out_len < length.bytes;
    if (!query && !short_of)
        return false;
    *io->out_len = length.bytes;
    *ret = query ? CKR_OK : CKR_BUFFER_TOO_SMALL;
    return true;
}

static CK_RV execute(struct operation *op, struct frame **frame)
{
    bool lost = true;
    CK_RV rv = CKR_OK;
    if (op->real) {
        rv = reach_held(op, frame, &lost);
        if (!lost)
            reach_let_go(op, rv == CKR_OK || rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE);
        if (!lost || op->stateful)
            return lost ? CKR_DEVICE_ERROR : rv;
    }
    (*frame)->steps |= reach_first_steps(op);
    return reach_anew(op, frame, false);
}

CK_RV single_run(struct operation *op, enum op_event event, const struct op_io *io)
{
    CK_RV rv;
    if (operation_has_result(op, event, io))
        return operation_deliver(op, io);
    operation_drop_result(op);
    if (single_answers(op, io, &rv))
        return rv;
    struct length length = length_of(op->kind, &op->there, &op->facts.length, io->in_len);
    size_t room = length.sort == LENGTH_UNKNOWN ? io->in_len + SLACK : length.bytes;
    AUTO(frame_unref)
    struct frame *frame = reach_frame(op, STEP_SINGLE, io->in, io->in_len, io, io->out_len ? room : 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    rv = execute(op, &frame);
    if (rv != CKR_OK || !io->out_len)
        return rv;
    size_t len = frame->out_len;
    operation_keep_result(op, (struct op_result){.frame = TAKE(frame), .event = event, .len = len});
    return operation_deliver(op, io);
}
