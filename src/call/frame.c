#include "call/frame.h"

#include <string.h>

#include "base/secret.h"
#include "call/attrs.h"

#define ALIGN      16
#define FIXUPS_MAX 256 /* inner pointers of one frame */
#define DEPTH_MAX  3   /* parameters inside parameters */
#define FIELD_MAX  (16u << 20)
#define FIELDS_MAX 16              /* of one structure */
#define NEST_MAX   8               /* templates inside templates */
#define ROOM_MAX   (SIZE_MAX / 16) /* more is no memory: sums of some such numbers do not overflow */

static size_t align_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

size_t frame_room(size_t len)
{
    return align_up(len);
}

/* What a field points to; NULL for NULL and for fields that are no pointers. */
static const void *target_of(const struct param_field *field, const void *param)
{
    if (field->kind == PARAM_HANDLE || field->kind == PARAM_HANDLE_OUT || field->kind == PARAM_OPAQUE)
        return NULL;
    const void *target;
    memcpy(&target, (const uint8_t *)param + field->offset, sizeof(target));
    return target;
}

bool frame_mech_has(const CK_MECHANISM *mech, enum param_field_kind kind)
{
    const struct param_shape *shape =
        mech->pParameter ? mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen) : NULL;
    for (size_t i = 0; shape && i < shape->fields; i++)
        if (shape->field[i].kind == kind)
            return true;
    return false;
}

static bool shape_makes(const struct param_shape *shape)
{
    for (size_t i = 0; shape && i < shape->fields; i++)
        if (shape->field[i].kind == PARAM_HANDLE_OUT ||
            (shape->field[i].kind == PARAM_STRUCT && shape_makes(shape->field[i].inner)))
            return true;
    return false;
}

bool frame_mech_makes(const CK_MECHANISM *mech)
{
    return mech->pParameter && shape_makes(mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen));
}

static size_t room_of_mech(const CK_MECHANISM *mech, unsigned depth);

/* Room for all that the fields of `param` point to, SIZE_MAX if that cannot be copied. */
static size_t room_of_fields(const struct param_shape *shape, const void *param, const void *outer,
                             unsigned depth)
{
    size_t room = 0;
    for (size_t i = 0; shape && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_OPAQUE || depth > DEPTH_MAX)
            return SIZE_MAX;
        const void *target = target_of(field, param);
        if (!target)
            continue;
        size_t len = 0, more = 0;
        if (field->kind == PARAM_MECHANISM) {
            len = sizeof(CK_MECHANISM);
            more = room_of_mech(target, depth + 1);
        } else if (field->kind == PARAM_STRUCT) {
            len = field->inner->size;
            more = room_of_fields(field->inner, target, param, depth + 1);
        } else if (!mech_field_len(field, param, outer, &len)) {
            return SIZE_MAX;
        }
        if (len > FIELD_MAX || more == SIZE_MAX)
            return SIZE_MAX;
        room += align_up(len) + more;
    }
    return room;
}

static size_t room_of_mech(const CK_MECHANISM *mech, unsigned depth)
{
    if (!mech->pParameter)
        return 0;
    if (mech->ulParameterLen > FIELD_MAX)
        return SIZE_MAX;
    const struct param_shape *shape = mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen);
    size_t room = room_of_fields(shape, mech->pParameter, NULL, depth);
    return room == SIZE_MAX ? SIZE_MAX : room + align_up(mech->ulParameterLen);
}

CK_RV frame_check_mech(const CK_MECHANISM *mech)
{
    return room_of_mech(mech, 0) == SIZE_MAX ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

size_t frame_room_mech(const CK_MECHANISM *mech)
{
    size_t room = mech ? room_of_mech(mech, 0) : 0;
    return room == SIZE_MAX ? 0 : room;
}

static bool is_template(const CK_ATTRIBUTE *attr)
{
    const struct attr_info *info = attr_lookup(attr->type);
    return info && info->shape == ATTR_TEMPLATE && attr->pValue &&
           attr->ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

static bool is_nested(const CK_ATTRIBUTE *attr)
{
    return is_template(attr) && attr->ulValueLen % sizeof(CK_ATTRIBUTE) == 0;
}

/* In an attribute set a nested template is folded up (attrs.h); as it came from an application it is not. */
enum folding { FOLDED, UNFOLDED };

static size_t room_of_templ(const CK_ATTRIBUTE *templ, CK_ULONG count, enum folding folding, unsigned depth);

static size_t room_of_folded(const CK_ATTRIBUTE *attr, unsigned depth)
{
    AUTO(attrs_free) struct attrs nested = {0};
    if (!attrs_decode(&nested, attr->pValue, attr->ulValueLen))
        return ROOM_MAX;
    return room_of_templ(nested.item, nested.count, FOLDED, depth);
}

static size_t room_of_templ(const CK_ATTRIBUTE *templ, CK_ULONG count, enum folding folding, unsigned depth)
{
    if (count > ROOM_MAX / sizeof(CK_ATTRIBUTE) || depth > NEST_MAX)
        return ROOM_MAX;
    size_t room = align_up(count * sizeof(CK_ATTRIBUTE));
    for (CK_ULONG i = 0; i < count && room < ROOM_MAX; i++) {
        CK_ULONG len = templ[i].ulValueLen;
        if (folding == FOLDED && is_template(&templ[i]))
            room += room_of_folded(&templ[i], depth + 1);
        else if (folding == UNFOLDED && is_nested(&templ[i]))
            room += room_of_templ(templ[i].pValue, len / sizeof(CK_ATTRIBUTE), UNFOLDED, depth + 1);
        else if (len != CK_UNAVAILABLE_INFORMATION)
            room += len < ROOM_MAX ? align_up(len + 1) : ROOM_MAX;
    }
    return size_min(room, ROOM_MAX);
}

size_t frame_room_templ(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return room_of_templ(templ, count, UNFOLDED, 0);
}

size_t frame_room_attrs(const struct attrs *attrs)
{
    return room_of_templ(attrs->item, attrs->count, FOLDED, 0);
}

struct frame *frame_new(enum verb verb, size_t room, size_t out_room)
{
    if (room >= ROOM_MAX || out_room >= ROOM_MAX)
        return NULL;
    size_t fixup_room = FIXUPS_MAX * sizeof(uint32_t);
    size_t cap = sizeof(struct frame) + align_up(room) + align_up(out_room) + fixup_room + ALIGN;
    struct frame *frame = secret_alloc(cap);
    if (!frame)
        return NULL;
    frame->verb = verb;
    frame->refs = 1;
    frame->cap = cap;
    frame->fixup_at = (uint8_t *)frame + cap - fixup_room;
    frame->out = frame->arena + align_up(room);
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

static void *take_room(struct frame *frame, size_t len)
{
    uint8_t *p = frame->arena + frame->used;
    frame->used += align_up(len);
    return p;
}

/* Notes that a pointer into this frame stands at `at`, so that a clone can move it. */
static void note_pointer(struct frame *frame, void *at)
{
    if (frame->fixups < FIXUPS_MAX) {
        uint32_t offset = (uint32_t)((uint8_t *)at - (uint8_t *)frame);
        memcpy(frame->fixup_at + frame->fixups * sizeof(offset), &offset, sizeof(offset));
    }
    frame->fixups++;
}

void frame_set_in(struct frame *frame, unsigned which, const void *data, size_t len)
{
    frame->in[which].data = take_room(frame, len);
    frame->in[which].len = len;
    if (len)
        memcpy(frame->in[which].data, data, len);
    note_pointer(frame, &frame->in[which].data);
}

static void copy_mech(struct frame *frame, CK_MECHANISM *into, const CK_MECHANISM *mech);

static void note_handle(struct frame *frame, const struct param_field *field, uint8_t *param)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    uint8_t *at = param + field->offset;
    uint32_t offset = (uint32_t)(at - (uint8_t *)frame);
    if (field->kind == PARAM_HANDLE_OUT || !mech_handle_counts(field, param))
        memcpy(at, &handle, sizeof(handle));
    memcpy(&handle, at, sizeof(handle));
    if (field->kind == PARAM_HANDLE_OUT) {
        if (frame->mades < FRAME_MADE)
            frame->made_at[frame->mades] = offset;
        frame->mades++;
    } else if (handle != CK_INVALID_HANDLE) {
        if (frame->inners < FRAME_INNER)
            frame->inner_at[frame->inners] = offset;
        frame->inners++;
    }
}

/* `param` is the frame's own copy, whose pointers still lead outside: they are brought in. */
static void copy_fields(struct frame *frame, const struct param_shape *shape, uint8_t *param,
                        const void *outer)
{
    for (size_t i = 0; shape && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_HANDLE || field->kind == PARAM_HANDLE_OUT)
            note_handle(frame, field, param);
        frame->writes = frame->writes || mech_field_writes(field);
        const void *target = target_of(field, param);
        if (!target)
            continue;
        void *copy = NULL;
        size_t len = 0;
        if (field->kind == PARAM_MECHANISM) {
            copy = take_room(frame, sizeof(CK_MECHANISM));
            copy_mech(frame, copy, target);
        } else if (field->kind == PARAM_STRUCT) {
            copy = take_room(frame, field->inner->size);
            memcpy(copy, target, field->inner->size);
            copy_fields(frame, field->inner, copy, param);
        } else if (mech_field_len(field, param, outer, &len)) {
            copy = take_room(frame, len);
            memcpy(copy, target, len);
        }
        memcpy(param + field->offset, &copy, sizeof(copy));
        note_pointer(frame, param + field->offset);
    }
}

static void copy_mech(struct frame *frame, CK_MECHANISM *into, const CK_MECHANISM *mech)
{
    *into = *mech;
    if (!mech->pParameter)
        return;
    uint8_t *param = take_room(frame, mech->ulParameterLen);
    memcpy(param, mech->pParameter, mech->ulParameterLen);
    into->pParameter = param;
    note_pointer(frame, &into->pParameter);
    copy_fields(frame, mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen), param, NULL);
}

void frame_set_mech(struct frame *frame, const CK_MECHANISM *mech)
{
    if (mech)
        copy_mech(frame, &frame->mech, mech);
}

size_t frame_room_param(const struct param_shape *shape, const void *param, size_t len)
{
    if (!param || len > FIELD_MAX)
        return 0;
    size_t room = room_of_fields(shape, param, NULL, 0);
    return room == SIZE_MAX ? 0 : room + align_up(len);
}

void frame_set_param(struct frame *frame, const struct param_shape *shape, const void *param, size_t len)
{
    if (!param || !len)
        return;
    frame->param = take_room(frame, len);
    frame->param_len = len;
    memcpy(frame->param, param, len);
    note_pointer(frame, &frame->param);
    copy_fields(frame, shape, frame->param, NULL);
}

void frame_give_param(const struct frame *frame, const struct param_shape *shape, const void *param)
{
    for (size_t i = 0; shape && frame->param && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        size_t len = 0;
        if (field->kind != PARAM_OUT && field->kind != PARAM_OUT_FIXED)
            continue;
        /* The lengths are the application's: the member may have written others. */
        void *into = (void *)(uintptr_t)target_of(field, param);
        const void *from = target_of(field, frame->param);
        if (into && from && mech_field_len(field, param, NULL, &len) && len)
            memcpy(into, from, len);
    }
}

static CK_ATTRIBUTE *copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count,
                                enum folding folding);

/* Its room was computed from the same bytes: they can be read. */
static void copy_folded(struct frame *frame, CK_ATTRIBUTE *copy, const CK_ATTRIBUTE *attr)
{
    AUTO(attrs_free) struct attrs nested = {0};
    (void)!attrs_decode(&nested, attr->pValue, attr->ulValueLen);
    copy->pValue = copy_templ(frame, nested.item, nested.count, FOLDED);
    copy->ulValueLen = nested.count * sizeof(CK_ATTRIBUTE);
}

static CK_ATTRIBUTE *copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count,
                                enum folding folding)
{
    CK_ATTRIBUTE *copy = take_room(frame, count * sizeof(CK_ATTRIBUTE));
    for (CK_ULONG i = 0; i < count; i++) {
        copy[i] = templ[i];
        if (templ[i].ulValueLen == CK_UNAVAILABLE_INFORMATION) {
            copy[i].pValue = NULL;
            continue;
        }
        if (folding == FOLDED && is_template(&templ[i])) {
            copy_folded(frame, &copy[i], &templ[i]);
        } else if (folding == UNFOLDED && is_nested(&templ[i])) {
            copy[i].pValue =
                copy_templ(frame, templ[i].pValue, templ[i].ulValueLen / sizeof(CK_ATTRIBUTE), UNFOLDED);
        } else if (templ[i].ulValueLen == 0) {
            copy[i].pValue = take_room(frame, 1);
        } else {
            copy[i].pValue = take_room(frame, templ[i].ulValueLen + 1);
            if (templ[i].pValue)
                memcpy(copy[i].pValue, templ[i].pValue, templ[i].ulValueLen);
        }
        note_pointer(frame, &copy[i].pValue);
    }
    return copy;
}

void frame_set_templ(struct frame *frame, unsigned which, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    frame->templ[which] = copy_templ(frame, templ, count, UNFOLDED);
    frame->templ_count[which] = count;
    note_pointer(frame, &frame->templ[which]);
}

void frame_set_attrs(struct frame *frame, unsigned which, const struct attrs *attrs)
{
    frame->templ[which] = copy_templ(frame, attrs->item, attrs->count, FOLDED);
    frame->templ_count[which] = attrs->count;
    note_pointer(frame, &frame->templ[which]);
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

static void give_fields(const struct param_shape *shape, const uint8_t *from, uint8_t *to, const void *outer,
                        const CK_OBJECT_HANDLE **made)
{
    /* Before anything is written: one field may be another one's length. */
    size_t len[FIELDS_MAX] = {0};
    for (size_t i = 0; i < shape->fields && i < FIELDS_MAX; i++)
        if (shape->field[i].kind == PARAM_OUT || shape->field[i].kind == PARAM_OUT_FIXED)
            (void)!mech_field_len(&shape->field[i], to, outer, &len[i]);
    for (size_t i = 0; i < shape->fields && i < FIELDS_MAX; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_HANDLE_OUT) {
            memcpy(to + field->offset, (*made)++, sizeof(**made));
            continue;
        }
        const uint8_t *source = target_of(field, from);
        uint8_t *into = (uint8_t *)(uintptr_t)target_of(field, to);
        if (!source || !into)
            continue;
        if (field->kind == PARAM_STRUCT)
            give_fields(field->inner, source, into, to, made);
        else if (len[i])
            memcpy(into, source, len[i]);
    }
}

void frame_give_back(const struct frame *frame, const CK_MECHANISM *mech, const CK_OBJECT_HANDLE *made)
{
    const struct param_shape *shape =
        mech->pParameter ? mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen) : NULL;
    if (shape && frame->writes)
        give_fields(shape, frame->mech.pParameter, mech->pParameter, NULL, &made);
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
