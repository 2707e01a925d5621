#include "member/messages.h"

#include "member/verbs.h"

typedef CK_RV (*init_fn)(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
typedef CK_RV (*end_fn)(CK_SESSION_HANDLE);

static CK_RV run_init(const CK_FUNCTION_LIST_3_0 *f, struct frame *frame)
{
    const init_fn init[] = {f->C_MessageEncryptInit, f->C_MessageDecryptInit, f->C_MessageSignInit,
                            f->C_MessageVerifyInit};
    return init[frame->kind - OP_MESSAGE_ENCRYPT](frame->session, &frame->mech, frame->key[0]);
}

static CK_RV run_end(const CK_FUNCTION_LIST_3_0 *f, const struct frame *frame)
{
    const end_fn end[] = {f->C_MessageEncryptFinal, f->C_MessageDecryptFinal, f->C_MessageSignFinal,
                          f->C_MessageVerifyFinal};
    return end[frame->kind - OP_MESSAGE_ENCRYPT](frame->session);
}

static CK_RV run_once(const CK_FUNCTION_LIST_3_0 *f, struct frame *frame)
{
    const struct span *in = &frame->in[0], *more = &frame->in[1];
    CK_ULONG len = frame->out_cap;
    CK_RV rv;
    switch (frame->kind) {
    case OP_MESSAGE_ENCRYPT:
        rv = f->C_EncryptMessage(frame->session, frame->param, frame->param_len, more->data, more->len,
                                 in->data, in->len, frame->out, &len);
        break;
    case OP_MESSAGE_DECRYPT:
        rv = f->C_DecryptMessage(frame->session, frame->param, frame->param_len, more->data, more->len,
                                 in->data, in->len, frame->out, &len);
        break;
    case OP_MESSAGE_SIGN:
        rv = f->C_SignMessage(frame->session, frame->param, frame->param_len, in->data, in->len, frame->out,
                              &len);
        break;
    default:
        len = 0;
        rv = f->C_VerifyMessage(frame->session, frame->param, frame->param_len, in->data, in->len, more->data,
                                more->len);
    }
    frame->out_len = len;
    return rv;
}

static CK_RV run_begin(const CK_FUNCTION_LIST_3_0 *f, struct frame *frame)
{
    const struct span *aad = &frame->in[1];
    switch (frame->kind) {
    case OP_MESSAGE_ENCRYPT:
        return f->C_EncryptMessageBegin(frame->session, frame->param, frame->param_len, aad->data, aad->len);
    case OP_MESSAGE_DECRYPT:
        return f->C_DecryptMessageBegin(frame->session, frame->param, frame->param_len, aad->data, aad->len);
    case OP_MESSAGE_SIGN:
        return f->C_SignMessageBegin(frame->session, frame->param, frame->param_len);
    default:
        return f->C_VerifyMessageBegin(frame->session, frame->param, frame->param_len);
    }
}

/* A signature is asked for, or given, only with the last part: CKF_END_OF_MESSAGE says so here too. */
static CK_RV run_next(const CK_FUNCTION_LIST_3_0 *f, struct frame *frame)
{
    const struct span *in = &frame->in[0], *signature = &frame->in[1];
    bool last = frame->number_in & CKF_END_OF_MESSAGE;
    CK_ULONG len = frame->out_cap;
    CK_RV rv;
    switch (frame->kind) {
    case OP_MESSAGE_ENCRYPT:
        rv = f->C_EncryptMessageNext(frame->session, frame->param, frame->param_len, in->data, in->len,
                                     frame->out, &len, frame->number_in);
        break;
    case OP_MESSAGE_DECRYPT:
        rv = f->C_DecryptMessageNext(frame->session, frame->param, frame->param_len, in->data, in->len,
                                     frame->out, &len, frame->number_in);
        break;
    case OP_MESSAGE_SIGN:
        rv = f->C_SignMessageNext(frame->session, frame->param, frame->param_len, in->data, in->len,
                                  last ? frame->out : NULL, last ? &len : NULL);
        len = last ? len : 0;
        break;
    default:
        len = 0;
        rv = f->C_VerifyMessageNext(frame->session, frame->param, frame->param_len, in->data, in->len,
                                    last ? signature->data : NULL, last ? signature->len : 0);
    }
    frame->out_len = len;
    return rv;
}

static CK_RV run_step(const CK_FUNCTION_LIST_3_0 *f, struct frame *frame, unsigned step)
{
    switch (step) {
    case MESSAGE_INIT:
        return run_init(f, frame);
    case MESSAGE_LOGIN:
        return verb_context_login(f->C_Login, frame);
    case MESSAGE_ONCE:
        return run_once(f, frame);
    case MESSAGE_BEGIN:
        return run_begin(f, frame);
    default:
        return run_next(f, frame);
    }
}

CK_RV message_run(const struct module *module, struct frame *frame)
{
    const CK_FUNCTION_LIST_3_0 *f = module->f3;
    CK_RV rv = f ? CKR_OK : CKR_FUNCTION_NOT_SUPPORTED;
    for (unsigned step = MESSAGE_INIT; step < MESSAGE_END && rv == CKR_OK; step <<= 1) {
        if (!(frame->steps & step))
            continue;
        frame->step_reached = step;
        rv = run_step(f, frame, step);
    }
    bool running = f && frame->step_reached != MESSAGE_INIT;
    if (frame->steps & MESSAGE_END && running && run_end(f, frame) == CKR_OK)
        frame->step_reached = MESSAGE_END;
    return rv;
}
