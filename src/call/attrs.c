#include "call/attrs.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

/* A template may hold a template; an application's could hold itself. */
#define NESTING 4

static const struct attr_info known[] = {
#define ATTR(name, shape, flags) {CKA_##name, "CKA_" #name, ATTR_##shape, flags},
#include "call/attrs.def"
};

static const struct class_attrs {
    CK_OBJECT_CLASS class;
    CK_ULONG subtype;
    size_t count;
    const CK_ATTRIBUTE_TYPE *type;
} of_class[] = {
#define OF_CLASS(class, subtype, ...)                                 \
    {class, subtype, ARRAY_LEN(((CK_ATTRIBUTE_TYPE[]){__VA_ARGS__})), \
     (const CK_ATTRIBUTE_TYPE[]){__VA_ARGS__}},
#include "call/attrs_class.def"
};

const struct attr_info *attr_lookup(CK_ATTRIBUTE_TYPE type)
{
    size_t low = 0, high = ARRAY_LEN(known);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (known[mid].type < type)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ARRAY_LEN(known) && known[low].type == type ? &known[low] : NULL;
}

const CK_ATTRIBUTE_TYPE *attrs_of_class(CK_OBJECT_CLASS class, CK_ULONG subtype, size_t *ret_count)
{
    const struct class_attrs *row = of_class;

    /* The last row fits everything. */
    while ((row->class != class && row->class != CK_UNAVAILABLE_INFORMATION) ||
           (row->subtype != subtype && row->subtype != CK_UNAVAILABLE_INFORMATION))
        row++;
    *ret_count = row->count;
    return row->type;
}

static enum attr_shape type_shape(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_info *info = attr_lookup(type);

    return info ? info->shape : ATTR_BYTES;
}

static bool type_secret(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_info *info = attr_lookup(type);

    return info && (info->flags & ATTR_SENSITIVE);
}

static void value_free(CK_ATTRIBUTE *item)
{
    if (type_secret(item->type))
        secret_release(item->pValue, item->ulValueLen);
    else
        mem_free(item->pValue);
}

/* The place of that type, or where it would be. */
static size_t place_of(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
    size_t low = 0, high = attrs->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (attrs->item[mid].type < type)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool reserve(struct attrs *attrs, size_t more)
{
    size_t need = attrs->count + more, cap = attrs->cap ? attrs->cap : 8;
    CK_ATTRIBUTE *item;

    if (need <= attrs->cap)
        return true;
    while (cap < need)
        cap *= 2;
    item = attrs->item ? mem_resize(attrs->item, cap, sizeof(*item)) : mem_new(cap, sizeof(*item));
    if (!item)
        return false;
    attrs->item = item;
    attrs->cap = cap;
    return true;
}

/* Owns the value from now on; there is room for it. */
static void put(struct attrs *attrs, CK_ATTRIBUTE item)
{
    size_t at = place_of(attrs, item.type);

    if (at < attrs->count && attrs->item[at].type == item.type) {
        value_free(&attrs->item[at]);
    } else {
        memmove(&attrs->item[at + 1], &attrs->item[at], (attrs->count - at) * sizeof(item));
        attrs->count++;
    }
    attrs->item[at] = item;
}

/* Moves all of `from` over `into`, or changes nothing. */
static CK_RV absorb(struct attrs *into, struct attrs *from)
{
    if (!reserve(into, from->count))
        return CKR_HOST_MEMORY;
    for (size_t i = 0; i < from->count; i++)
        put(into, from->item[i]);
    from->count = 0;
    return CKR_OK;
}

void attrs_free(struct attrs *attrs)
{
    for (size_t i = 0; i < attrs->count; i++)
        value_free(&attrs->item[i]);
    mem_free(attrs->item);
    *attrs = (struct attrs){0};
}

CK_RV attrs_set(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    CK_ATTRIBUTE item = {.type = type, .ulValueLen = len};

    if (len && !value)
        return CKR_ARGUMENTS_BAD;
    if (!reserve(attrs, 1))
        return CKR_HOST_MEMORY;
    if (len) {
        item.pValue = type_secret(type) ? secret_alloc(len) : mem_new(len, 1);
        if (!item.pValue)
            return CKR_HOST_MEMORY;
        memcpy(item.pValue, value, len);
    }
    put(attrs, item);
    return CKR_OK;
}

CK_RV attrs_set_bool(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
    CK_BBOOL flag = value ? CK_TRUE : CK_FALSE;

    return attrs_set(attrs, type, &flag, sizeof(flag));
}

CK_RV attrs_set_ulong(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
    return attrs_set(attrs, type, &value, sizeof(value));
}

void attrs_drop(struct attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
    size_t at = place_of(attrs, type);

    if (at == attrs->count || attrs->item[at].type != type)
        return;
    value_free(&attrs->item[at]);
    attrs->count--;
    memmove(&attrs->item[at], &attrs->item[at + 1], (attrs->count - at) * sizeof(*attrs->item));
}

static bool bytes_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || secret_equal(a, b, a_len));
}

static bool value_equal(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b)
{
    const uint8_t *av = a->pValue, *bv = b->pValue;
    size_t a_len = a->ulValueLen, b_len = b->ulValueLen;

    switch (type_shape(a->type)) {
    case ATTR_BOOL:
        if (a_len == 1 && b_len == 1)
            return !*av == !*bv;
        break;
    case ATTR_BIGINT:
        /* Vendors differ in leading zeros. */
        for (; a_len && !*av; a_len--)
            av++;
        for (; b_len && !*bv; b_len--)
            bv++;
        break;
    default:
        break;
    }
    return bytes_equal(av, a_len, bv, b_len);
}

static CK_RV fold(struct attrs *into, const CK_ATTRIBUTE *templ, CK_ULONG count, unsigned depth);

/* One attribute of an application: a nested template becomes its encoding. */
static CK_RV fold_one(struct attrs *into, const CK_ATTRIBUTE *from, unsigned depth)
{
    AUTO(attrs_free) struct attrs nested = {0};
    AUTO(buf_free) struct buf encoded = {0};
    CK_RV rv;

    if (from->ulValueLen && !from->pValue)
        return CKR_ARGUMENTS_BAD;
    if (from->ulValueLen == CK_UNAVAILABLE_INFORMATION)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (type_shape(from->type) != ATTR_TEMPLATE)
        return attrs_set(into, from->type, from->pValue, from->ulValueLen);
    if (from->ulValueLen % sizeof(CK_ATTRIBUTE) || depth == 0)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    rv = fold(&nested, from->pValue, from->ulValueLen / sizeof(CK_ATTRIBUTE), depth - 1);
    if (rv != CKR_OK)
        return rv;
    attrs_encode(&nested, &encoded);
    return encoded.failed ? CKR_HOST_MEMORY : attrs_set(into, from->type, encoded.data, encoded.len);
}

static CK_RV fold(struct attrs *into, const CK_ATTRIBUTE *templ, CK_ULONG count, unsigned depth)
{
    if (count && !templ)
        return CKR_ARGUMENTS_BAD;
    for (CK_ULONG i = 0; i < count; i++) {
        AUTO(attrs_free) struct attrs one = {0};
        const CK_ATTRIBUTE *before = attrs_get(into, templ[i].type);
        CK_RV rv = fold_one(&one, &templ[i], depth);

        if (rv == CKR_OK && before && !value_equal(before, &one.item[0]))
            rv = CKR_TEMPLATE_INCONSISTENT;
        if (rv == CKR_OK)
            rv = absorb(into, &one);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

CK_RV attrs_merge(struct attrs *attrs, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    AUTO(attrs_free) struct attrs fresh = {0};
    CK_RV rv = fold(&fresh, templ, count, NESTING);

    return rv == CKR_OK ? absorb(attrs, &fresh) : rv;
}

CK_RV attrs_copy(struct attrs *into, const struct attrs *from)
{
    AUTO(attrs_free) struct attrs fresh = {0};

    for (size_t i = 0; i < from->count; i++) {
        const CK_ATTRIBUTE *item = &from->item[i];
        CK_RV rv = attrs_set(&fresh, item->type, item->pValue, item->ulValueLen);

        if (rv != CKR_OK)
            return rv;
    }
    return absorb(into, &fresh);
}

static bool value_bool(const CK_ATTRIBUTE *item, bool if_missing)
{
    if (!item || item->ulValueLen != sizeof(CK_BBOOL) || !item->pValue)
        return if_missing;
    return *(const CK_BBOOL *)item->pValue != CK_FALSE;
}

static CK_ULONG value_ulong(const CK_ATTRIBUTE *item, CK_ULONG if_missing)
{
    CK_ULONG value;

    if (!item || item->ulValueLen != sizeof(value) || !item->pValue)
        return if_missing;
    memcpy(&value, item->pValue, sizeof(value));
    return value;
}

const CK_ATTRIBUTE *attrs_get(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
    size_t at = place_of(attrs, type);

    return at < attrs->count && attrs->item[at].type == type ? &attrs->item[at] : NULL;
}

bool attrs_bool(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type, bool if_missing)
{
    return value_bool(attrs_get(attrs, type), if_missing);
}

CK_ULONG attrs_ulong(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG if_missing)
{
    return value_ulong(attrs_get(attrs, type), if_missing);
}

const CK_ATTRIBUTE *template_get(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; templ && i < count; i++)
        if (templ[i].type == type)
            return &templ[i];
    return NULL;
}

bool template_bool(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type, bool if_missing)
{
    return value_bool(template_get(templ, count, type), if_missing);
}

CK_ULONG template_ulong(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type,
                        CK_ULONG if_missing)
{
    return value_ulong(template_get(templ, count, type), if_missing);
}

static bool match_one(const CK_ATTRIBUTE *have, const CK_ATTRIBUTE *wanted)
{
    AUTO(attrs_free) struct attrs folded = {0};

    if (!have || (wanted->ulValueLen && !wanted->pValue) || wanted->ulValueLen == CK_UNAVAILABLE_INFORMATION)
        return false;
    if (type_shape(wanted->type) != ATTR_TEMPLATE)
        return value_equal(have, wanted);
    return fold_one(&folded, wanted, NESTING) == CKR_OK && value_equal(have, &folded.item[0]);
}

bool attrs_match(const struct attrs *attrs, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    if (count && !templ)
        return false;
    for (CK_ULONG i = 0; i < count; i++)
        if (!match_one(attrs_get(attrs, templ[i].type), &templ[i]))
            return false;
    return true;
}

bool attrs_equal(const struct attrs *a, const struct attrs *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->item[i].type != b->item[i].type || !value_equal(&a->item[i], &b->item[i]))
            return false;
    return true;
}

/* How a value is written: numbers do not depend on the width of CK_ULONG. */
enum form { FORM_BYTES, FORM_BOOL, FORM_ULONG, FORM_ULONGS };

static enum form value_form(const CK_ATTRIBUTE *item)
{
    switch (type_shape(item->type)) {
    case ATTR_BOOL:
        return item->ulValueLen == 1 && *(const uint8_t *)item->pValue <= 1 ? FORM_BOOL : FORM_BYTES;
    case ATTR_ULONG:
        return item->ulValueLen == sizeof(CK_ULONG) ? FORM_ULONG : FORM_BYTES;
    case ATTR_MECHS:
        return item->ulValueLen % sizeof(CK_ULONG) == 0 ? FORM_ULONGS : FORM_BYTES;
    default:
        return FORM_BYTES;
    }
}

static CK_ULONG ulong_at(const CK_ATTRIBUTE *item, size_t n)
{
    CK_ULONG value;

    memcpy(&value, (const uint8_t *)item->pValue + n * sizeof(value), sizeof(value));
    return value;
}

void attrs_encode(const struct attrs *attrs, struct buf *out)
{
    buf_u32(out, (uint32_t)attrs->count);
    for (size_t i = 0; i < attrs->count; i++) {
        const CK_ATTRIBUTE *item = &attrs->item[i];
        size_t ulongs = item->ulValueLen / sizeof(CK_ULONG);
        enum form form = value_form(item);

        buf_u64(out, item->type);
        buf_u8(out, (uint8_t)form);
        switch (form) {
        case FORM_BOOL:
            buf_u8(out, *(const uint8_t *)item->pValue);
            break;
        case FORM_ULONGS:
            buf_u32(out, (uint32_t)ulongs);
            __attribute__((fallthrough));
        case FORM_ULONG:
            for (size_t n = 0; n < ulongs; n++)
                buf_u64(out, ulong_at(item, n));
            break;
        case FORM_BYTES:
            buf_blob(out, item->pValue, item->ulValueLen);
            break;
        }
    }
}

static bool decode_ulongs(struct attrs *into, CK_ATTRIBUTE_TYPE type, struct reader *r, size_t n)
{
    AUTO(mem_free) CK_ULONG *value = NULL;

    if (n > r->left / sizeof(uint64_t))
        return false;
    value = mem_new(n ? n : 1, sizeof(*value));
    if (!value)
        return false;
    for (size_t i = 0; i < n; i++)
        value[i] = reader_u64(r);
    return attrs_set(into, type, value, n * sizeof(*value)) == CKR_OK;
}

static bool decode_one(struct attrs *into, struct reader *r)
{
    CK_ATTRIBUTE_TYPE type = reader_u64(r);
    uint8_t form = reader_u8(r), flag;
    const uint8_t *data;
    size_t len;

    /* Rising types: no two encodings of one set. */
    if (r->failed || (into->count && into->item[into->count - 1].type >= type))
        return false;
    switch (form) {
    case FORM_BOOL:
        flag = reader_u8(r);
        return !r->failed && flag <= 1 && attrs_set_bool(into, type, flag) == CKR_OK;
    case FORM_ULONG:
        return decode_ulongs(into, type, r, 1);
    case FORM_ULONGS:
        return decode_ulongs(into, type, r, reader_u32(r));
    case FORM_BYTES:
        data = reader_blob(r, &len);
        return !r->failed && attrs_set(into, type, data, len) == CKR_OK;
    default:
        return false;
    }
}

bool attrs_decode(struct attrs *ret, const uint8_t *data, size_t len)
{
    AUTO(attrs_free) struct attrs attrs = {0};
    struct reader r = {.data = data, .left = len};
    uint32_t count = reader_u32(&r);

    for (uint32_t i = 0; i < count; i++)
        if (!decode_one(&attrs, &r))
            return false;
    if (r.failed || r.left)
        return false;
    *ret = attrs;
    attrs = (struct attrs){0};
    return true;
}
