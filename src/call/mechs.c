#include "call/mechs.h"

#include <assert.h>
#include <string.h>

/* No parameter is longer; what claims to be is garbage that must not be read. */
#define LENGTH_MAX (SIZE_MAX / 16)
#define ITEMS_MAX  256

struct gcm_params_old {
    CK_BYTE_PTR pIv;
    CK_ULONG ulIvLen;
    CK_BYTE_PTR pAAD;
    CK_ULONG ulAADLen;
    CK_ULONG ulTagBits;
};

struct nss_aead {
    CK_BYTE_PTR pNonce;
    CK_ULONG ulNonceLen;
    CK_BYTE_PTR pAAD;
    CK_ULONG ulAADLen;
    CK_ULONG ulTagLen;
};

struct nss_hkdf {
    CK_BBOOL bExtract;
    CK_BYTE_PTR pSalt;
    CK_ULONG ulSaltLen;
    CK_BBOOL bExpand;
    CK_BYTE_PTR pInfo;
    CK_ULONG ulInfoLen;
};

struct nss_mac {
    CK_MECHANISM_TYPE macAlg;
    CK_ULONG ulBodyTotalLen;
    CK_BYTE_PTR pHeader;
    CK_ULONG ulHeaderLen;
};

#define FIELD(k, how, type, name, at, bytes)                                                        \
    {                                                                                               \
        .kind = PARAM_##k, .length = PARAM_##how, .offset = offsetof(type, name), .len_offset = at, \
        .unit = bytes                                                                               \
    }
#define POINTER(type, name, len)         FIELD(POINTER, COUNT, type, name, offsetof(type, len), 1)
#define OUT(type, name, len)             FIELD(OUT, COUNT, type, name, offsetof(type, len), 1)
#define OUT_AT(type, name, len)          FIELD(OUT, COUNT_AT, type, name, offsetof(type, len), 1)
#define OUT_BITS(type, name, len)        FIELD(OUT, BITS, type, name, offsetof(type, len), 1)
#define BITS(type, name, len)            FIELD(POINTER, BITS, type, name, offsetof(type, len), 1)
#define TEXT(type, name)                 FIELD(POINTER, TEXT, type, name, 0, 1)
#define OUTER_BITS(type, name, outer, n) FIELD(OUT, OUTER_BITS, type, name, offsetof(outer, n), 1)
#define FIXED(type, name, bytes)         FIELD(FIXED, COUNT, type, name, 0, bytes)
#define OUT_FIXED(type, name, bytes)     FIELD(OUT_FIXED, COUNT, type, name, 0, bytes)
#define HANDLE(type, name)               FIELD(HANDLE, ALWAYS, type, name, 0, 0)
#define HANDLE_IF(type, name, flag)      FIELD(HANDLE, IF_TRUE, type, name, offsetof(type, flag), 0)
#define HANDLE_IS(type, name, at, value) FIELD(HANDLE, IF_IS, type, name, offsetof(type, at), value)
#define HANDLE_OUT(type, name)           FIELD(HANDLE_OUT, COUNT, type, name, 0, 0)
#define MECHANISM(type, name)            FIELD(MECHANISM, COUNT, type, name, 0, 0)
#define STRUCT(type, name, id)                                                     \
    {                                                                              \
        .kind = PARAM_STRUCT, .offset = offsetof(type, name), .inner = &shape_##id \
    }
#define ARRAY(type, name, n, id)                                                              \
    {                                                                                         \
        .kind = PARAM_ARRAY, .offset = offsetof(type, name), .len_offset = offsetof(type, n), \
        .inner = &shape_##id                                                                  \
    }
#define TEMPLATE(type, name, n)             FIELD(TEMPLATE, COUNT, type, name, offsetof(type, n), 0)
#define HANDLE_AT_IS(type, name, at, value) FIELD(HANDLE_AT, IF_IS, type, name, offsetof(type, at), value)
#define RANDOMS(type)                                                      \
    POINTER(type, RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen), \
        POINTER(type, RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen)

#define SHAPE_OF(id, text, bytes, next, ...)                       \
    static const struct param_field fields_##id[] = {__VA_ARGS__}; \
    static const struct param_shape shape_##id = {                 \
        .name = text, .size = bytes, .fields = ARRAY_LEN(fields_##id), .field = fields_##id, .also = next};
#define SHAPE(id, type, ...)            SHAPE_OF(id, #type, sizeof(type), NULL, __VA_ARGS__)
#define SHAPE_ALSO(id, type, next, ...) SHAPE_OF(id, #type, sizeof(type), &shape_##next, __VA_ARGS__)
#define OPAQUE(id)                      SHAPE_OF(id, "", 0, NULL, {.kind = PARAM_OPAQUE})
#define FLAT(id, type)                  static const struct param_shape shape_##id = {.name = #type, .size = sizeof(type)};
#define SAME_PLACE(a, b, name)          static_assert(offsetof(a, name) == offsetof(b, name), #a " and " #b " differ");
#include "call/mechs_shape.def"

static const struct param_shape shape_NONE = {.name = ""};

static const struct mech_info table[] = {
#define MECH(name, shape, flags) {CKM_##name, "CKM_" #name, &shape_##shape, NO_SPLIT, NO_SPLIT, flags},
#define SPLIT(name, shape, digest, raw, flags) \
    {CKM_##name, "CKM_" #name, &shape_##shape, CKM_##digest, CKM_##raw, flags},
#define OTHER(value, name, shape, flags) {value, "CKM_" #name, &shape_##shape, NO_SPLIT, NO_SPLIT, flags},
#define NO_SPLIT                         CK_UNAVAILABLE_INFORMATION
#include "call/mechs.def"
};

#undef MECH
#undef SPLIT
#undef OTHER
static const CK_MECHANISM_TYPE split_types[] = {
#define MECH(name, shape, flags)
#define SPLIT(name, shape, digest, raw, flags) CKM_##name,
#define OTHER(value, name, shape, flags)
#include "call/mechs.def"
};

const CK_MECHANISM_TYPE *mech_splits(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(split_types);
    return split_types;
}

const struct mech_info *mech_lookup(CK_MECHANISM_TYPE type)
{
    size_t low = 0, high = ARRAY_LEN(table);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (table[mid].type < type)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ARRAY_LEN(table) && table[low].type == type ? &table[low] : NULL;
}

const struct param_shape *mech_shape(const struct mech_info *info, size_t len)
{
    if (!info || !len)
        return NULL;
    for (const struct param_shape *shape = info->shape; shape; shape = shape->also)
        if (shape->fields && (!shape->size || shape->size == len))
            return shape;
    return NULL;
}

const struct param_shape *mech_message_shape(CK_MECHANISM_TYPE type, size_t len)
{
    static const struct {
        CK_MECHANISM_TYPE type;
        const struct param_shape *shape;
    } shapes[] = {
        {CKM_AES_GCM, &shape_GCM_MESSAGE},
        {CKM_AES_CCM, &shape_CCM_MESSAGE},
        {CKM_CHACHA20_POLY1305, &shape_POLY1305_MESSAGE},
        {CKM_SALSA20_POLY1305, &shape_POLY1305_MESSAGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (shapes[i].type == type && shapes[i].shape->size == len)
            return shapes[i].shape;
    return NULL;
}

bool mech_message_counts(CK_MECHANISM_TYPE type, const void *param, size_t len)
{
    const struct param_shape *shape = param ? mech_message_shape(type, len) : NULL;
    CK_GENERATOR_FUNCTION how = CKG_NO_GENERATE;
    if (shape == &shape_GCM_MESSAGE)
        memcpy(&how, (const uint8_t *)param + offsetof(CK_GCM_MESSAGE_PARAMS, ivGenerator), sizeof(how));
    if (shape == &shape_CCM_MESSAGE)
        memcpy(&how, (const uint8_t *)param + offsetof(CK_CCM_MESSAGE_PARAMS, nonceGenerator), sizeof(how));
    return how != CKG_NO_GENERATE && how != CKG_GENERATE_RANDOM;
}

static CK_ULONG ulong_at(const void *base, size_t offset)
{
    CK_ULONG value;

    memcpy(&value, (const uint8_t *)base + offset, sizeof(value));
    return value;
}

static const void *pointer_at(const void *base, size_t offset)
{
    const void *value;

    memcpy(&value, (const uint8_t *)base + offset, sizeof(value));
    return value;
}

bool mech_field_len(const struct param_field *field, const void *param, const void *outer, size_t *ret_len)
{
    const void *pointed = pointer_at(param, field->offset), *counter;
    size_t len = 0;

    if (!pointed) {
        *ret_len = 0;
        return true;
    }
    if (field->kind == PARAM_FIXED || field->kind == PARAM_OUT_FIXED) {
        *ret_len = field->unit;
        return true;
    }
    switch (field->length) {
    case PARAM_COUNT:
        if (__builtin_mul_overflow(ulong_at(param, field->len_offset), field->unit, &len))
            return false;
        break;
    case PARAM_OUTER_BITS:
        if (!outer)
            return false;
        param = outer;
        __attribute__((fallthrough));
    case PARAM_BITS:
        len = ulong_at(param, field->len_offset);
        len = len / 8 + (len % 8 != 0);
        break;
    case PARAM_COUNT_AT:
        counter = pointer_at(param, field->len_offset);
        if (!counter)
            return false;
        len = ulong_at(counter, 0);
        break;
    case PARAM_TEXT:
        len = strlen(pointed) + 1;
        break;
    default:
        return false;
    }
    if (len > LENGTH_MAX)
        return false;
    *ret_len = len;
    return true;
}

bool mech_field_count(const struct param_field *field, const void *param, size_t *ret)
{
    *ret = 0;
    if (!pointer_at(param, field->offset))
        return true;
    *ret = field->kind == PARAM_STRUCT ? 1 : ulong_at(param, field->len_offset);
    return *ret <= ITEMS_MAX;
}

bool mech_field_points(const struct param_field *field)
{
    return field->kind != PARAM_HANDLE && field->kind != PARAM_HANDLE_OUT && field->kind != PARAM_HANDLE_AT &&
           field->kind != PARAM_OPAQUE;
}

bool mech_field_writes(const struct param_field *field)
{
    return field->kind == PARAM_OUT || field->kind == PARAM_OUT_FIXED || field->kind == PARAM_HANDLE_OUT;
}

bool mech_handle_counts(const struct param_field *field, const void *param)
{
    switch (field->length) {
    case PARAM_IF_TRUE:
        return *((const uint8_t *)param + field->len_offset) != CK_FALSE;
    case PARAM_IF_IS:
        return ulong_at(param, field->len_offset) == field->unit;
    default:
        return true;
    }
}

bool mech_random(const struct mech_info *info, enum op_kind kind)
{
    switch (kind) {
    case OP_SIGN:
    case OP_SIGN_RECOVER:
        return !info || (info->flags & MECH_RANDOM_SIGN);
    case OP_ENCRYPT:
        return !info || (info->flags & MECH_RANDOM_ENCRYPT);
    default:
        return false;
    }
}

/* The DigestInfo prefix: algorithm identifier with NULL parameters, then the octet string's head. */
#define PREFIX_NIST(number, size)                                                                          \
    19,                                                                                                    \
    {                                                                                                      \
        0x30, 17 + (size), 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, number, \
            0x05, 0x00, 0x04, size                                                                         \
    }

static const struct digest {
    CK_MECHANISM_TYPE type;
    const char *name;
    uint8_t size, prefix_len, prefix[19];
} digests[] = {
    {CKM_SHA_1,
     "SHA1",
     20,
     15,
     {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}},
    {CKM_SHA224, "SHA224", 28, PREFIX_NIST(4, 28)},
    {CKM_SHA256, "SHA256", 32, PREFIX_NIST(1, 32)},
    {CKM_SHA384, "SHA384", 48, PREFIX_NIST(2, 48)},
    {CKM_SHA512, "SHA512", 64, PREFIX_NIST(3, 64)},
    {CKM_SHA512_224, "SHA512-224", 28, PREFIX_NIST(5, 28)},
    {CKM_SHA512_256, "SHA512-256", 32, PREFIX_NIST(6, 32)},
    {CKM_SHA3_224, "SHA3-224", 28, PREFIX_NIST(7, 28)},
    {CKM_SHA3_256, "SHA3-256", 32, PREFIX_NIST(8, 32)},
    {CKM_SHA3_384, "SHA3-384", 48, PREFIX_NIST(9, 48)},
    {CKM_SHA3_512, "SHA3-512", 64, PREFIX_NIST(10, 64)},
    {CKM_MD5,
     "MD5",
     16,
     18,
     {0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04,
      0x10}},
    {CKM_BLAKE2B_512, "BLAKE2B-512", 64, 0, {0}},
};

const CK_MECHANISM_TYPE mech_local_digests[MECH_LOCAL_DIGESTS] = {
    CKM_MD5,      CKM_SHA_1,    CKM_SHA224,   CKM_SHA256,   CKM_SHA384,     CKM_SHA512,
    CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512, CKM_SHA512_224, CKM_SHA512_256,
};

static const struct digest *digest_lookup(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < ARRAY_LEN(digests); i++)
        if (digests[i].type == type)
            return &digests[i];
    return NULL;
}

const char *mech_digest_name(CK_MECHANISM_TYPE digest)
{
    const struct digest *row = digest_lookup(digest);

    return row ? row->name : NULL;
}

const uint8_t *mech_digest_info(CK_MECHANISM_TYPE digest, size_t *ret_len)
{
    const struct digest *row = digest_lookup(digest);

    if (!row || !row->prefix_len)
        return NULL;
    *ret_len = row->prefix_len;
    return row->prefix;
}

size_t mech_digest_size(CK_MECHANISM_TYPE digest)
{
    const struct digest *row = digest_lookup(digest);

    return row ? row->size : 0;
}

/* Keys that come in pairs; all others are secret keys. */
static bool key_is_pair(CK_KEY_TYPE type)
{
    switch (type) {
    case CKK_RSA:
    case CKK_DSA:
    case CKK_DH:
    case CKK_EC:
    case CKK_X9_42_DH:
    case CKK_KEA:
    case CKK_GOSTR3410:
    case CKK_EC_EDWARDS:
    case CKK_EC_MONTGOMERY:
    case CKK_HSS:
    case CKK_XMSS:
    case CKK_XMSSMT:
    case CKK_ML_KEM:
    case CKK_ML_DSA:
    case CKK_SLH_DSA:
        return true;
    default:
        return false;
    }
}

enum work_class mech_work(enum op_kind kind, CK_KEY_TYPE key_type, unsigned bits)
{
    if (kind == OP_FIND)
        return WORK_OBJECT;
    if (kind == OP_DIGEST || !key_is_pair(key_type))
        return WORK_SYMMETRIC;
    if (kind == OP_ENCRYPT || kind == OP_VERIFY || kind == OP_VERIFY_RECOVER || kind == OP_MESSAGE_ENCRYPT ||
        kind == OP_MESSAGE_VERIFY)
        return WORK_PUBLIC;
    if (key_type != CKK_RSA)
        return WORK_EC;
    return bits <= 2048 ? WORK_RSA_2048 : bits <= 3072 ? WORK_RSA_3072 : WORK_RSA_4096;
}

const char *work_name(enum work_class work)
{
    static const char *const names[WORK_CLASSES] = {
        [WORK_RSA_2048] = "rsa-2048",   [WORK_RSA_3072] = "rsa-3072",
        [WORK_RSA_4096] = "rsa-4096",   [WORK_EC] = "ec",
        [WORK_SYMMETRIC] = "symmetric", [WORK_PUBLIC] = "public",
        [WORK_KEYGEN] = "keygen",       [WORK_OBJECT] = "object",
        [WORK_RANDOM] = "random",
    };

    return (unsigned)work < WORK_CLASSES ? names[work] : "?";
}
