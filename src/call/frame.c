#include "call/frame.h"

#include <string.h>

#include "base/secret.h"
#include "call/frame_block.h"

#define ALIGN      16
#define FIXUPS_MAX 256 /* inner pointers of one frame */

size_t frame_room(size_t len)
{
    return len < FRAME_ROOM_MAX ? (len + ALIGN - 1) & ~(size_t)(ALIGN - 1) : FRAME_ROOM_MAX;
}

struct frame *frame_new(enum verb verb, size_t room, size_t out_room)
{
    if (room >= FRAME_ROOM_MAX || out_room >= FRAME_ROOM_MAX)
        return NULL;
    size_t fixup_room = FIXUPS_MAX * sizeof(uint32_t);
    size_t cap = sizeof(struct frame) + frame_room(room) + frame_room(out_room) + fixup_room + ALIGN;
    struct frame *frame = secret_alloc(cap);
    if (!frame)
        return NULL;
    frame->verb = verb;
    frame->refs = 1;
    frame->cap = cap;
    frame->fixup_at = (uint8_t *)frame + cap - fixup_room;
    frame->out = frame->arena + frame_room(room);
    frame->out_cap = out_room;
    return frame;
}

struct frame *frame_ref(struct frame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void frame_unref(struct frame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
        secret_release(frame, frame->cap);
}

void *frame_take(struct frame *frame, size_t len)
{
    uint8_t *p = frame->arena + frame->used;
    frame->used += frame_room(len);
    return p;
}

void frame_note_pointer(struct frame *frame, void *at)
{
    if (frame->fixups < FIXUPS_MAX) {
        uint32_t offset = (uint32_t)((uint8_t *)at - (uint8_t *)frame);
        memcpy(frame->fixup_at + frame->fixups * sizeof(offset), &offset, sizeof(offset));
    }
    frame->fixups++;
}

void frame_set_in(struct frame *frame, unsigned which, const void *data, size_t len)
{
    frame->in[which].data = frame_take(frame, len);
    frame->in[which].len = len;
    if (len)
        memcpy(frame->in[which].data, data, len);
    frame_note_pointer(frame, &frame->in[which].data);
}

struct frame *frame_clone(const struct frame *frame, size_t out_room)
{
    if (frame->fixups > FIXUPS_MAX)
        return NULL; /* a pointer that is not noted would lead back into the original */
    struct frame *clone = frame_new(frame->verb, frame->used, out_room ? out_room : frame->out_cap);
    if (!clone)
        return NULL;
    clone->kind = frame->kind;
    clone->steps = frame->steps;
    clone->mech = frame->mech;
    clone->number_in = frame->number_in;
    clone->param = frame->param;
    clone->param_len = frame->param_len;
    memcpy(clone->templ_count, frame->templ_count, sizeof(clone->templ_count));
    memcpy(clone->templ, frame->templ, sizeof(clone->templ));
    memcpy(clone->in, frame->in, sizeof(clone->in));
    memcpy(clone->arena, frame->arena, frame->used);
    clone->used = frame->used;
    memcpy(clone->inner_at, frame->inner_at, sizeof(clone->inner_at));
    memcpy(clone->made_at, frame->made_at, sizeof(clone->made_at));
    clone->inners = frame->inners;
    clone->mades = frame->mades;
    clone->writes = frame->writes;
    clone->fixups = frame->fixups;
    memcpy(clone->fixup_at, frame->fixup_at, frame->fixups * sizeof(uint32_t));
    for (uint32_t i = 0; i < clone->fixups; i++) {
        uint32_t offset;
        memcpy(&offset, clone->fixup_at + i * sizeof(offset), sizeof(offset));
        uint8_t *at = (uint8_t *)clone + offset, *value;
        memcpy(&value, at, sizeof(value));
        if (value) {
            value = (uint8_t *)clone + (value - (const uint8_t *)frame);
            memcpy(at, &value, sizeof(value));
        }
    }
    return clone;
}

static CK_OBJECT_HANDLE handle_at(const struct frame *frame, uint32_t offset)
{
    CK_OBJECT_HANDLE handle;
    memcpy(&handle, (const uint8_t *)frame + offset, sizeof(handle));
    return handle;
}

CK_OBJECT_HANDLE frame_inner(const struct frame *frame, unsigned which)
{
    return handle_at(frame, frame->inner_at[which]);
}

void frame_set_inner(struct frame *frame, unsigned which, CK_OBJECT_HANDLE real)
{
    memcpy((uint8_t *)frame + frame->inner_at[which], &real, sizeof(real));
}

CK_OBJECT_HANDLE frame_made_inside(const struct frame *frame, unsigned which)
{
    return handle_at(frame, frame->made_at[which]);
}

void frame_give_out(const struct frame *frame, CK_RV rv, uint8_t *out, CK_ULONG *out_len)
{
    if (rv == CKR_OK)
        memcpy(out, frame->out, frame->out_len);
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
        *out_len = frame->out_len;
}

static const char *const verb_names[VERBS] = {
    [VERB_CRYPT] = "crypt",
    [VERB_MESSAGE] = "message",
    [VERB_FIND] = "C_FindObjects",
    [VERB_GET_ATTRIBUTES] = "C_GetAttributeValue",
    [VERB_SET_ATTRIBUTES] = "C_SetAttributeValue",
    [VERB_CREATE] = "C_CreateObject",
    [VERB_COPY] = "C_CopyObject",
    [VERB_DESTROY] = "C_DestroyObject",
    [VERB_OBJECT_SIZE] = "C_GetObjectSize",
    [VERB_GENERATE_KEY] = "C_GenerateKey",
    [VERB_GENERATE_PAIR] = "C_GenerateKeyPair",
    [VERB_WRAP] = "C_WrapKey",
    [VERB_UNWRAP] = "C_UnwrapKey",
    [VERB_WRAP_AUTH] = "C_WrapKeyAuthenticated",
    [VERB_UNWRAP_AUTH] = "C_UnwrapKeyAuthenticated",
    [VERB_ENCAPSULATE] = "C_EncapsulateKey",
    [VERB_DECAPSULATE] = "C_DecapsulateKey",
    [VERB_DERIVE] = "C_DeriveKey",
    [VERB_RANDOM] = "C_GenerateRandom",
    [VERB_SEED_RANDOM] = "C_SeedRandom",
    [VERB_OPEN_SESSION] = "C_OpenSession",
    [VERB_CLOSE_SESSION] = "C_CloseSession",
    [VERB_LOGIN] = "C_Login",
    [VERB_LOGOUT] = "C_Logout",
    [VERB_SET_PIN] = "C_SetPIN",
    [VERB_INIT_PIN] = "C_InitPIN",
    [VERB_INIT_TOKEN] = "C_InitToken",
    [VERB_TOKEN_INFO] = "C_GetTokenInfo",
    [VERB_MECHANISMS] = "C_GetMechanismList",
    [VERB_CONNECT] = "C_Initialize",
};
static const char *const kind_names[OP_KINDS] = {
    [OP_ENCRYPT] = "C_Encrypt",
    [OP_DECRYPT] = "C_Decrypt",
    [OP_SIGN] = "C_Sign",
    [OP_VERIFY] = "C_Verify",
    [OP_DIGEST] = "C_Digest",
    [OP_SIGN_RECOVER] = "C_SignRecover",
    [OP_FIND] = "C_Find",
    [OP_VERIFY_RECOVER] = "C_VerifyRecover",
    [OP_MESSAGE_ENCRYPT] = "C_EncryptMessage",
    [OP_MESSAGE_DECRYPT] = "C_DecryptMessage",
    [OP_MESSAGE_SIGN] = "C_SignMessage",
    [OP_MESSAGE_VERIFY] = "C_VerifyMessage",
};

const char *verb_name(enum verb verb, enum op_kind kind)
{
    return verb == VERB_CRYPT || verb == VERB_MESSAGE ? kind_names[kind] : verb_names[verb];
}
