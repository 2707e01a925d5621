#include <string.h>

#include "call/frame_block.h"

#define DEPTH_MAX  3            /* parameters inside parameters */
#define FIELD_MAX  (256u << 20) /* bytes; what claims to be longer is garbage that must not be read */
#define FIELDS_MAX 16           /* of one structure */

/* What a field points to; NULL for NULL and for fields that are no pointers. */
static const void *target_of(const struct param_field *field, const void *param)
{
    if (!mech_field_points(field))
        return NULL;
    const void *target;
    memcpy(&target, (const uint8_t *)param + field->offset, sizeof(target));
    return target;
}

static const struct param_shape *shape_of(const CK_MECHANISM *mech)
{
    return mech->pParameter ? mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen) : NULL;
}

static bool has_handles(const struct param_shape *shape)
{
    for (size_t i = 0; shape && i < shape->fields; i++) {
        enum param_field_kind kind = shape->field[i].kind;
        if (kind == PARAM_HANDLE || kind == PARAM_HANDLE_AT || kind == PARAM_MECHANISM ||
            has_handles(shape->field[i].inner))
            return true;
    }
    return false;
}

bool frame_mech_handles(const CK_MECHANISM *mech)
{
    return has_handles(shape_of(mech));
}

/* Of the structures that a field points to, the k-th; NULL behind the last one. */
static const uint8_t *inner_of(const struct param_field *field, const void *param, size_t k)
{
    size_t count;
    if (!field->inner || !mech_field_count(field, param, &count) || k >= count)
        return NULL;
    return (const uint8_t *)target_of(field, param) + k * field->inner->size;
}

/* Is a handle to be written, or asked for on the token by a template of its own if `token`? */
static bool fields_make(const struct param_shape *shape, const void *param, bool token)
{
    for (size_t i = 0; shape && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        const uint8_t *inner;
        size_t count;
        if (field->kind == PARAM_HANDLE_OUT && !token)
            return true;
        if (field->kind == PARAM_TEMPLATE && token && mech_field_count(field, param, &count) &&
            template_bool(target_of(field, param), count, CKA_TOKEN, false))
            return true;
        for (size_t k = 0; (inner = inner_of(field, param, k)); k++)
            if (fields_make(field->inner, inner, token))
                return true;
    }
    return false;
}

bool frame_mech_makes(const CK_MECHANISM *mech)
{
    return fields_make(shape_of(mech), mech->pParameter, false);
}

bool frame_mech_makes_token(const CK_MECHANISM *mech)
{
    return fields_make(shape_of(mech), mech->pParameter, true);
}

static size_t room_of_mech(const CK_MECHANISM *mech, unsigned depth);

static size_t room_of_fields(const struct param_shape *shape, const void *param, const void *outer,
                             unsigned depth);

static size_t room_of_inner(const struct param_field *field, const void *param, unsigned depth)
{
    const uint8_t *inner;
    size_t count, room = 0;
    if (!mech_field_count(field, param, &count))
        return SIZE_MAX;
    for (size_t k = 0; (inner = inner_of(field, param, k)); k++) {
        size_t more = room_of_fields(field->inner, inner, param, depth);
        if (more == SIZE_MAX || room > FIELD_MAX)
            return SIZE_MAX;
        room += more;
    }
    return room + frame_room(count * field->inner->size);
}

static size_t room_of_template(const struct param_field *field, const void *param)
{
    size_t count, room;
    if (!mech_field_count(field, param, &count))
        return SIZE_MAX;
    room = frame_room_templ(target_of(field, param), count);
    return room <= FIELD_MAX ? room : SIZE_MAX;
}

/* The bytes where a handle should be, if one should be there, are one. */
static bool is_handle(const struct param_field *field, const void *param)
{
    size_t len;
    return !mech_handle_counts(field, param) ||
           (mech_field_len(field - 1, param, NULL, &len) && len == sizeof(CK_OBJECT_HANDLE));
}

/* Room for all that the fields of `param` point to, SIZE_MAX if that cannot be copied. */
static size_t room_of_fields(const struct param_shape *shape, const void *param, const void *outer,
                             unsigned depth)
{
    size_t room = 0;
    for (size_t i = 0; shape && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_OPAQUE || depth > DEPTH_MAX ||
            (field->kind == PARAM_HANDLE_AT && !is_handle(field, param)))
            return SIZE_MAX;
        const void *target = target_of(field, param);
        if (!target)
            continue;
        size_t len = 0, more = 0;
        if (field->kind == PARAM_MECHANISM) {
            len = sizeof(CK_MECHANISM);
            more = room_of_mech(target, depth + 1);
        } else if (field->inner) {
            more = room_of_inner(field, param, depth + 1);
        } else if (field->kind == PARAM_TEMPLATE) {
            more = room_of_template(field, param);
        } else if (!mech_field_len(field, param, outer, &len)) {
            return SIZE_MAX;
        }
        if (len > FIELD_MAX || more == SIZE_MAX)
            return SIZE_MAX;
        room += frame_room(len) + more;
    }
    return room;
}

static size_t room_of_mech(const CK_MECHANISM *mech, unsigned depth)
{
    if (!mech->pParameter)
        return 0;
    if (mech->ulParameterLen > FIELD_MAX)
        return SIZE_MAX;
    size_t room = room_of_fields(shape_of(mech), mech->pParameter, NULL, depth);
    return room == SIZE_MAX ? SIZE_MAX : room + frame_room(mech->ulParameterLen);
}

CK_RV frame_check_mech(const CK_MECHANISM *mech)
{
    return room_of_mech(mech, 0) == SIZE_MAX ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

size_t frame_room_mech(const CK_MECHANISM *mech)
{
    return mech ? size_min(room_of_mech(mech, 0), FRAME_ROOM_MAX) : 0;
}

static void copy_mech(struct frame *frame, CK_MECHANISM *into, const CK_MECHANISM *mech);

static void note_handle(struct frame *frame, const struct param_field *field, uint8_t *param)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    uint8_t *at = param + field->offset;
    if (field->kind == PARAM_HANDLE_AT) {
        if (!mech_handle_counts(field, param))
            return;
        memcpy(&at, param + field->offset, sizeof(at));
    }
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

static void copy_fields(struct frame *frame, const struct param_shape *shape, uint8_t *param,
                        const void *outer);

static void *copy_inner(struct frame *frame, const struct param_field *field, uint8_t *param)
{
    size_t count, size = field->inner->size;
    if (!mech_field_count(field, param, &count))
        return NULL;
    uint8_t *copy = frame_take(frame, count * size);
    memcpy(copy, target_of(field, param), count * size);
    for (size_t k = 0; k < count; k++)
        copy_fields(frame, field->inner, copy + k * size, param);
    return copy;
}

/* `param` is the frame's own copy, whose pointers still lead outside: they are brought in. */
static void copy_fields(struct frame *frame, const struct param_shape *shape, uint8_t *param,
                        const void *outer)
{
    for (size_t i = 0; shape && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (!mech_field_points(field) && field->kind != PARAM_OPAQUE)
            note_handle(frame, field, param);
        frame->writes = frame->writes || mech_field_writes(field);
        const void *target = target_of(field, param);
        if (!target)
            continue;
        void *copy = NULL;
        size_t len = 0;
        if (field->kind == PARAM_MECHANISM) {
            copy = frame_take(frame, sizeof(CK_MECHANISM));
            copy_mech(frame, copy, target);
        } else if (field->inner) {
            copy = copy_inner(frame, field, param);
        } else if (field->kind == PARAM_TEMPLATE) {
            if (mech_field_count(field, param, &len))
                copy = frame_copy_templ(frame, target, len);
        } else if (mech_field_len(field, param, outer, &len)) {
            copy = frame_take(frame, len);
            memcpy(copy, target, len);
        }
        memcpy(param + field->offset, &copy, sizeof(copy));
        frame_note_pointer(frame, param + field->offset);
    }
}

static void copy_mech(struct frame *frame, CK_MECHANISM *into, const CK_MECHANISM *mech)
{
    *into = *mech;
    if (!mech->pParameter)
        return;
    uint8_t *param = frame_take(frame, mech->ulParameterLen);
    memcpy(param, mech->pParameter, mech->ulParameterLen);
    into->pParameter = param;
    frame_note_pointer(frame, &into->pParameter);
    copy_fields(frame, shape_of(mech), param, NULL);
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
    return room == SIZE_MAX ? 0 : room + frame_room(len);
}

void frame_set_param(struct frame *frame, const struct param_shape *shape, const void *param, size_t len)
{
    if (!param || !len)
        return;
    frame->param = frame_take(frame, len);
    frame->param_len = len;
    memcpy(frame->param, param, len);
    frame_note_pointer(frame, &frame->param);
    copy_fields(frame, shape, frame->param, NULL);
}

void frame_give_param(const struct frame *frame, const struct param_shape *shape, const void *param)
{
    for (size_t i = 0; shape && frame->param && i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        size_t len = 0, made = 0;
        if (field->kind != PARAM_OUT && field->kind != PARAM_OUT_FIXED)
            continue;
        /* The application may have changed its lengths since the call was made, the member written others. */
        void *into = (void *)(uintptr_t)target_of(field, param);
        const void *from = target_of(field, frame->param);
        if (into && from && mech_field_len(field, param, NULL, &len) &&
            mech_field_len(field, frame->param, NULL, &made) && len && made)
            memcpy(into, from, size_min(len, made));
    }
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
        const uint8_t *source, *into;
        for (size_t k = 0; (source = inner_of(field, from, k)) && (into = inner_of(field, to, k)); k++)
            give_fields(field->inner, source, (uint8_t *)(uintptr_t)into, to, made);
        source = target_of(field, from);
        into = target_of(field, to);
        if (source && into && len[i])
            memcpy((uint8_t *)(uintptr_t)into, source, len[i]);
    }
}

void frame_give_back(const struct frame *frame, const CK_MECHANISM *mech, const CK_OBJECT_HANDLE *made)
{
    const struct param_shape *shape = shape_of(mech);
    if (shape && frame->writes)
        give_fields(shape, frame->mech.pParameter, mech->pParameter, NULL, &made);
}
