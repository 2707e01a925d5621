#include "member/verbs.h"

#include <string.h>

#include "base/mem.h"
#include "member/messages.h"

typedef CK_RV (*init_fn)(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
typedef CK_RV (*single_fn)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV (*final_fn)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV (*eat_fn)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);

/* The functions of each kind; what a kind does not have is NULL. */
struct kind {
    init_fn init;
    single_fn single;    /* data in, result out */
    single_fn update;    /* data in, part of the result out */
    eat_fn eat;          /* data in, nothing out */
    final_fn final;      /* rest of the result out */
    CK_C_Verify verify;  /* data and signature in */
    eat_fn verify_final; /* signature in */
};

static struct kind kind_of(const CK_FUNCTION_LIST *f, enum op_kind kind)
{
    switch (kind) {
    case OP_ENCRYPT:
        return (struct kind){
            f->C_EncryptInit, f->C_Encrypt, f->C_EncryptUpdate, NULL, f->C_EncryptFinal, NULL, NULL};
    case OP_DECRYPT:
        return (struct kind){
            f->C_DecryptInit, f->C_Decrypt, f->C_DecryptUpdate, NULL, f->C_DecryptFinal, NULL, NULL};
    case OP_SIGN:
        return (struct kind){f->C_SignInit, f->C_Sign, NULL, f->C_SignUpdate, f->C_SignFinal, NULL, NULL};
    case OP_VERIFY:
        return (struct kind){f->C_VerifyInit, NULL, NULL, f->C_VerifyUpdate, NULL, f->C_Verify,
                             f->C_VerifyFinal};
    case OP_DIGEST:
        return (struct kind){NULL, f->C_Digest, NULL, f->C_DigestUpdate, f->C_DigestFinal, NULL, NULL};
    case OP_SIGN_RECOVER:
        return (struct kind){f->C_SignRecoverInit, f->C_SignRecover, NULL, NULL, NULL, NULL, NULL};
    case OP_VERIFY_RECOVER:
        return (struct kind){f->C_VerifyRecoverInit, f->C_VerifyRecover, NULL, NULL, NULL, NULL, NULL};
    default:
        return (struct kind){0};
    }
}

static CK_RV run_init(const CK_FUNCTION_LIST *f, const struct kind *kind, struct frame *frame)
{
    if (frame->kind == OP_DIGEST)
        return f->C_DigestInit(frame->session, &frame->mech);
    return kind->init(frame->session, &frame->mech, frame->key[0]);
}

/* The room behind what is already in `out`. */
static CK_ULONG room_left(const struct frame *frame)
{
    return frame->out_cap - frame->out_len;
}

static CK_RV run_update(const struct kind *kind, struct frame *frame)
{
    struct span *in = &frame->in[0];
    if (!kind->update)
        return kind->eat(frame->session, in->data, in->len);
    CK_ULONG len = room_left(frame);
    CK_RV rv = kind->update(frame->session, in->data, in->len, frame->out + frame->out_len, &len);
    frame->out_len = rv == CKR_OK ? frame->out_len + len : len;
    return rv;
}

static CK_RV run_final(const struct kind *kind, struct frame *frame)
{
    if (kind->verify_final)
        return kind->verify_final(frame->session, frame->in[1].data, frame->in[1].len);
    CK_ULONG len = room_left(frame);
    CK_RV rv = kind->final(frame->session, frame->out + frame->out_len, &len);
    frame->out_len = rv == CKR_OK ? frame->out_len + len : len;
    return rv;
}

static CK_RV run_single(const struct kind *kind, struct frame *frame)
{
    struct span *in = &frame->in[0];
    if (kind->verify)
        return kind->verify(frame->session, in->data, in->len, frame->in[1].data, frame->in[1].len);
    CK_ULONG len = frame->out_cap;
    CK_RV rv = kind->single(frame->session, in->data, in->len, frame->out, &len);
    frame->out_len = len;
    return rv;
}

CK_RV verb_context_login(CK_C_Login login, struct frame *frame)
{
    CK_RV rv = login(frame->session, CKU_CONTEXT_SPECIFIC, frame->in[2].data, frame->in[2].len);
    frame->number = rv == CKR_USER_ALREADY_LOGGED_IN;
    return frame->number ? CKR_OK : rv;
}

static CK_RV run_step(const CK_FUNCTION_LIST *f, const struct kind *kind, struct frame *frame, unsigned step)
{
    switch (step) {
    case STEP_INIT:
        return run_init(f, kind, frame);
    case STEP_LOGIN:
        return verb_context_login(f->C_Login, frame);
    case STEP_UPDATE:
        return run_update(kind, frame);
    case STEP_KEY:
        return f->C_DigestKey(frame->session, frame->key[0]);
    case STEP_FINAL:
        return run_final(kind, frame);
    default:
        return run_single(kind, frame);
    }
}

static CK_RV run_crypt(const CK_FUNCTION_LIST *f, struct frame *frame)
{
    struct kind kind = kind_of(f, frame->kind);
    CK_RV rv = CKR_OK;
    for (unsigned step = STEP_INIT; step <= STEP_SINGLE && rv == CKR_OK; step <<= 1) {
        if (!(frame->steps & step))
            continue;
        frame->step_reached = step;
        rv = run_step(f, &kind, frame, step);
    }
    return rv;
}

static CK_RV run_find(const CK_FUNCTION_LIST *f, struct frame *frame)
{
    CK_RV rv = f->C_FindObjectsInit(frame->session, frame->templ[0], frame->templ_count[0]);
    if (rv != CKR_OK)
        return rv;
    CK_OBJECT_HANDLE *found = (void *)frame->out;
    CK_ULONG room = frame->out_cap / sizeof(*found), total = 0, count = 0;
    do {
        CK_OBJECT_HANDLE spare[16];
        bool full = total >= room;
        rv = f->C_FindObjects(frame->session, full ? spare : found + total, full ? 16 : room - total, &count);
        if (rv == CKR_OK)
            total += count;
    } while (rv == CKR_OK && count > 0);
    f->C_FindObjectsFinal(frame->session);
    frame->number = total;
    frame->out_len = (total < room ? total : room) * sizeof(*found);
    return rv == CKR_OK && total > room ? CKR_BUFFER_TOO_SMALL : rv;
}

/* The answer is made in `out`, so that the inputs stay as they were for a clone. */
static CK_RV run_get_attributes(const CK_FUNCTION_LIST *f, struct frame *frame)
{
    CK_ATTRIBUTE *answer = (void *)frame->out;
    uint8_t *room = frame->out + frame_room(frame->templ_count[0] * sizeof(*answer));
    for (CK_ULONG i = 0; i < frame->templ_count[0]; i++) {
        answer[i] = frame->templ[0][i];
        if (answer[i].pValue) {
            answer[i].pValue = answer[i].ulValueLen ? room : NULL;
            room += frame_room(answer[i].ulValueLen + 1);
        }
    }
    return f->C_GetAttributeValue(frame->session, frame->key[0], answer, frame->templ_count[0]);
}

#define MESSAGE_FLAGS \
    (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE)

static CK_RV run_mechanisms(const struct module *module, struct frame *frame)
{
    const CK_FUNCTION_LIST *f = module->f;
    struct frame_mechanism *into = (void *)frame->out;
    CK_ULONG count = frame->out_cap / sizeof(*into);
    CK_MECHANISM_TYPE *type = mem_new(count, sizeof(*type));
    if (!type)
        return CKR_HOST_MEMORY;
    CK_RV rv = f->C_GetMechanismList(frame->slot, type, &count);
    frame->number = count;
    CK_ULONG kept = 0;
    bool failed = false;
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        into[kept].type = type[i];
        CK_RV said = f->C_GetMechanismInfo(frame->slot, type[i], &into[kept].info);
        if (!module->f3)
            into[kept].info.flags &= ~(CK_FLAGS)MESSAGE_FLAGS;
        kept += said == CKR_OK;
        failed |= said != CKR_OK && said != CKR_MECHANISM_INVALID;
    }
    /* A token that fails meanwhile must not pass for one that has little: what all have is offered. */
    CK_TOKEN_INFO token;
    if (failed)
        rv = f->C_GetTokenInfo(frame->slot, &token);
    frame->out_len = kept * sizeof(*into);
    mem_free(type);
    return rv;
}

static CK_RV run_login(const struct module *module, struct frame *frame)
{
    const struct span *pin = &frame->in[0], *name = &frame->in[1];
    if (name->len == 0)
        return module->f->C_Login(frame->session, frame->number_in, pin->data, pin->len);
    if (!module->f3)
        return CKR_FUNCTION_NOT_SUPPORTED;
    return module->f3->C_LoginUser(frame->session, frame->number_in, pin->data, pin->len, name->data,
                                   name->len);
}

/* What 3.2 has added. */
static CK_RV run_32(const CK_FUNCTION_LIST_3_2 *f, struct frame *frame)
{
    struct span *in = &frame->in[0], *aad = &frame->in[1];
    CK_ATTRIBUTE *templ = frame->templ[0];
    CK_ULONG count = frame->templ_count[0];
    CK_RV rv;
    if (!f)
        return CKR_FUNCTION_NOT_SUPPORTED;
    frame->out_len = frame->out_cap;
    switch (frame->verb) {
    case VERB_WRAP_AUTH:
        rv = f->C_WrapKeyAuthenticated(frame->session, &frame->mech, frame->key[0], frame->key[1], aad->data,
                                       aad->len, frame->out, &frame->out_len);
        break;
    case VERB_UNWRAP_AUTH:
        rv = f->C_UnwrapKeyAuthenticated(frame->session, &frame->mech, frame->key[0], in->data, in->len,
                                         templ, count, aad->data, aad->len, &frame->made[0]);
        break;
    case VERB_ENCAPSULATE:
        rv = f->C_EncapsulateKey(frame->session, &frame->mech, frame->key[0], templ, count,
                                 frame->out_cap ? frame->out : NULL, &frame->out_len, &frame->made[0]);
        break;
    default:
        rv = f->C_DecapsulateKey(frame->session, &frame->mech, frame->key[0], templ, count, in->data, in->len,
                                 &frame->made[0]);
    }
    return rv;
}

static CK_RV run(const struct module *module, struct frame *frame)
{
    const CK_FUNCTION_LIST *f = module->f;
    CK_ULONG len = frame->out_cap;
    CK_RV rv;
    switch (frame->verb) {
    case VERB_CRYPT:
        return run_crypt(f, frame);
    case VERB_MESSAGE:
        return message_run(module, frame);
    case VERB_FIND:
        return run_find(f, frame);
    case VERB_GET_ATTRIBUTES:
        return run_get_attributes(f, frame);
    case VERB_SET_ATTRIBUTES:
        return f->C_SetAttributeValue(frame->session, frame->key[0], frame->templ[0], frame->templ_count[0]);
    case VERB_CREATE:
        return f->C_CreateObject(frame->session, frame->templ[0], frame->templ_count[0], &frame->made[0]);
    case VERB_COPY:
        return f->C_CopyObject(frame->session, frame->key[0], frame->templ[0], frame->templ_count[0],
                               &frame->made[0]);
    case VERB_DESTROY:
        return f->C_DestroyObject(frame->session, frame->key[0]);
    case VERB_OBJECT_SIZE:
        return f->C_GetObjectSize(frame->session, frame->key[0], &frame->number);
    case VERB_GENERATE_KEY:
        return f->C_GenerateKey(frame->session, &frame->mech, frame->templ[0], frame->templ_count[0],
                                &frame->made[0]);
    case VERB_GENERATE_PAIR:
        return f->C_GenerateKeyPair(frame->session, &frame->mech, frame->templ[0], frame->templ_count[0],
                                    frame->templ[1], frame->templ_count[1], &frame->made[0], &frame->made[1]);
    case VERB_WRAP:
        rv = f->C_WrapKey(frame->session, &frame->mech, frame->key[0], frame->key[1], frame->out, &len);
        frame->out_len = len;
        return rv;
    case VERB_UNWRAP:
        return f->C_UnwrapKey(frame->session, &frame->mech, frame->key[0], frame->in[0].data,
                              frame->in[0].len, frame->templ[0], frame->templ_count[0], &frame->made[0]);
    case VERB_WRAP_AUTH:
    case VERB_UNWRAP_AUTH:
    case VERB_ENCAPSULATE:
    case VERB_DECAPSULATE:
        return run_32(module->f32, frame);
    case VERB_DERIVE:
        return f->C_DeriveKey(frame->session, &frame->mech, frame->key[0], frame->templ[0],
                              frame->templ_count[0], &frame->made[0]);
    case VERB_RANDOM:
        frame->out_len = frame->out_cap;
        return f->C_GenerateRandom(frame->session, frame->out, frame->out_cap);
    case VERB_SEED_RANDOM:
        return f->C_SeedRandom(frame->session, frame->in[0].data, frame->in[0].len);
    case VERB_OPEN_SESSION:
        return f->C_OpenSession(frame->slot, frame->number_in, NULL, NULL, &frame->session);
    case VERB_CLOSE_SESSION:
        return f->C_CloseSession(frame->session);
    case VERB_LOGIN:
        return run_login(module, frame);
    case VERB_LOGOUT:
        return f->C_Logout(frame->session);
    case VERB_SET_PIN:
        return f->C_SetPIN(frame->session, frame->in[0].data, frame->in[0].len, frame->in[1].data,
                           frame->in[1].len);
    case VERB_INIT_PIN:
        return f->C_InitPIN(frame->session, frame->in[0].data, frame->in[0].len);
    case VERB_INIT_TOKEN:
        f->C_CloseAllSessions(frame->slot);
        return f->C_InitToken(frame->slot, frame->in[0].data, frame->in[0].len, frame->in[1].data);
    case VERB_TOKEN_INFO:
        return f->C_GetTokenInfo(frame->slot, (CK_TOKEN_INFO *)(void *)frame->out);
    case VERB_MECHANISMS:
        return run_mechanisms(module, frame);
    default:
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
}

void verb_run(const struct module *module, struct frame *frame)
{
    frame->rv = run(module, frame);
}
