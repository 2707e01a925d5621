#include "test/fuzz/make.h"

#include <string.h>

#include "call/attrs.h"
#include "call/mechs.h"

#define DEPTH 3
#define LONG  80 /* bytes of a value */

static const CK_ATTRIBUTE_TYPE types[] = {
#define ATTR(name, shape, flags) CKA_##name,
#include "call/attrs.def"
};

static const CK_MECHANISM_TYPE mechanisms[] = {
#define MECH(name, shape, flags)               CKM_##name,
#define SPLIT(name, shape, digest, raw, flags) CKM_##name,
#define OTHER(value, name, shape, flags)       value,
#include "call/mechs.def"
};

static CK_ATTRIBUTE *template_at(struct bytes *in, int depth, CK_ULONG *ret_count);

static void make_value(struct bytes *in, int depth, CK_ATTRIBUTE *item)
{
    const struct attr_info *info = attr_lookup(item->type);
    uint8_t how = bytes_one(in);
    if (how % 8 == 0) {
        item->ulValueLen = how < 128 ? 0 : how < 192 ? 7 : CK_UNAVAILABLE_INFORMATION;
    } else if (info && info->shape == ATTR_TEMPLATE && depth < DEPTH) {
        CK_ULONG count = 0;
        item->pValue = template_at(in, depth + 1, &count);
        item->ulValueLen = item->pValue ? count * sizeof(CK_ATTRIBUTE) : 0;
    } else if (info && info->shape == ATTR_TEMPLATE) {
        item->ulValueLen = 0;
    } else {
        bool fits = info && how % 8 != 1;
        item->ulValueLen = fits && info->shape == ATTR_BOOL    ? sizeof(CK_BBOOL)
                           : fits && info->shape == ATTR_ULONG ? sizeof(CK_ULONG)
                                                               : bytes_one(in) % LONG;
        item->pValue = bytes_block(in, item->ulValueLen);
        if (fits && info->shape == ATTR_ULONG && how % 8 < 6 && item->pValue)
            *(CK_ULONG *)item->pValue = bytes_one(in);
    }
}

static CK_ATTRIBUTE *template_at(struct bytes *in, int depth, CK_ULONG *ret_count)
{
    *ret_count = bytes_one(in) % 24;
    CK_ATTRIBUTE *templ = bytes_room(in, *ret_count * sizeof(*templ));
    if (!templ)
        *ret_count = 0;
    for (CK_ULONG i = 0; i < *ret_count; i++) {
        uint8_t which = bytes_one(in);
        templ[i].type = which < 250 ? types[which % ARRAY_LEN(types)] : bytes_ulong(in);
        make_value(in, depth, &templ[i]);
    }
    return templ;
}

CK_ATTRIBUTE *make_template(struct bytes *in, CK_ULONG *ret_count)
{
    return template_at(in, 0, ret_count);
}

static bool make_into(struct bytes *in, int depth, CK_MECHANISM *mech);

static void put_ulong(uint8_t *at, CK_ULONG value)
{
    memcpy(at, &value, sizeof(value));
}

static void put_pointer(uint8_t *at, const void *pointer)
{
    memcpy(at, &pointer, sizeof(pointer));
}

/* Lengths first: two pointers may share one. Now and then one that cannot be, and then nothing may be read.
 */
static void make_length(struct bytes *in, const struct param_field *field, uint8_t *param, uint8_t *outer)
{
    uint8_t how = bytes_one(in);
    CK_ULONG len = how == 255 ? ~(CK_ULONG)bytes_one(in) : how % LONG;
    if (field->length == PARAM_COUNT)
        put_ulong(param + field->len_offset, len);
    else if (field->length == PARAM_BITS)
        put_ulong(param + field->len_offset, how == 255 ? len : len * 8);
    else if (field->length == PARAM_OUTER_BITS && outer)
        put_ulong(outer + field->len_offset, len % LONG * 8);
}

static uint8_t *make_struct(struct bytes *in, int depth, const struct param_shape *shape, uint8_t *outer);

static uint8_t *make_array(struct bytes *in, int depth, const struct param_field *field, uint8_t *param)
{
    size_t size = field->inner->size;
    CK_ULONG want = bytes_one(in) % 4, count = 0;
    uint8_t *array = bytes_room(in, want * size), *item;
    for (; array && count < want && (item = make_struct(in, depth, field->inner, param)); count++)
        memcpy(array + count * size, item, size);
    put_ulong(param + field->len_offset, bytes_one(in) == 255 ? ~(CK_ULONG)0 : count);
    return array;
}

static CK_ATTRIBUTE *make_attributes(struct bytes *in, int depth, const struct param_field *field,
                                     uint8_t *param)
{
    CK_ULONG count = 0;
    CK_ATTRIBUTE *templ = template_at(in, depth, &count);
    put_ulong(param + field->len_offset, count);
    return templ;
}

static void *make_pointed(struct bytes *in, int depth, const struct param_field *field, uint8_t *param,
                          uint8_t *outer)
{
    size_t len = 0;
    if (field->kind == PARAM_STRUCT)
        return make_struct(in, depth + 1, field->inner, param);
    if (field->kind == PARAM_ARRAY)
        return make_array(in, depth + 1, field, param);
    if (field->kind == PARAM_TEMPLATE)
        return make_attributes(in, depth + 1, field, param);
    if (field->kind == PARAM_MECHANISM) {
        CK_MECHANISM *mech = bytes_room(in, sizeof(*mech));
        return mech && make_into(in, depth + 1, mech) ? mech : NULL;
    }
    if (field->kind == PARAM_FIXED || field->kind == PARAM_OUT_FIXED) {
        uint8_t *block = bytes_block(in, field->unit);
        /* It may be the counter of another one. */
        if (block && field->unit == sizeof(CK_ULONG))
            put_ulong(block, block[0] % LONG);
        return block;
    }
    if (field->length == PARAM_TEXT) {
        char *text = bytes_block(in, LONG);
        if (text)
            text[LONG - 1] = 0;
        return text;
    }
    put_pointer(param + field->offset, param);
    return mech_field_len(field, param, outer, &len) && len <= 4096 ? bytes_block(in, len)
                                                                    : bytes_room(in, 0);
}

static uint8_t *make_struct(struct bytes *in, int depth, const struct param_shape *shape, uint8_t *outer)
{
    uint8_t *param = bytes_block(in, shape->size);
    if (!param || depth > DEPTH)
        return NULL;
    for (size_t i = 0; i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (!mech_field_points(field))
            continue;
        if (field->kind == PARAM_POINTER || field->kind == PARAM_OUT)
            make_length(in, field, param, outer);
        put_pointer(param + field->offset, NULL);
    }
    for (size_t i = 0; i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        void *pointed = NULL;
        if (mech_field_points(field) && bytes_one(in) % 8 != 0) {
            pointed = make_pointed(in, depth, field, param, outer);
            put_pointer(param + field->offset, pointed);
        }
        /* What is pointed to is a handle. */
        CK_OBJECT_HANDLE *handle = field->kind == PARAM_HANDLE_AT ? bytes_room(in, sizeof(*handle)) : NULL;
        if (handle && bytes_one(in) % 2 == 0) {
            *handle = bytes_one(in);
            put_pointer(param + field->offset, handle);
            put_ulong(param + field[-1].len_offset, sizeof(*handle));
            put_ulong(param + field->len_offset, field->unit);
        }
    }
    return param;
}

static bool make_into(struct bytes *in, int depth, CK_MECHANISM *mech)
{
    uint8_t how = bytes_one(in);
    CK_ULONG which = (CK_ULONG)bytes_one(in) << 8 | bytes_one(in);
    mech->mechanism = how == 255 ? bytes_ulong(in) : mechanisms[which % ARRAY_LEN(mechanisms)];
    const struct mech_info *info = mech_lookup(mech->mechanism);
    const struct param_shape *shape = info ? info->shape : NULL;
    for (int i = how % 4; shape && shape->also && i > 0; i--)
        shape = shape->also;
    if (shape && shape->size > 0 && how % 16 != 0) {
        mech->pParameter = make_struct(in, depth, shape, NULL);
        mech->ulParameterLen = mech->pParameter ? shape->size : 0;
        return true;
    }
    mech->ulParameterLen = bytes_one(in) % LONG;
    /* Any bytes are no pointers: such a length is not that of a structure that has some. */
    for (const struct param_shape *same;
         (same = mech_shape(info, mech->ulParameterLen)) && same->size == mech->ulParameterLen;)
        mech->ulParameterLen++;
    mech->pParameter = mech->ulParameterLen ? bytes_block(in, mech->ulParameterLen) : NULL;
    if (how == 16)
        mech->pParameter = NULL;
    return true;
}

CK_MECHANISM *make_mechanism(struct bytes *in)
{
    CK_MECHANISM *mech = bytes_one(in) == 255 ? NULL : bytes_room(in, sizeof(*mech));
    if (mech)
        (void)make_into(in, 0, mech);
    return mech;
}
