#include "session/length.h"

#include <string.h>

#define SLACK 64 /* what an unknown mechanism may add: padding, a tag */

/* Named curves: the OID's DER, tag and length included. */
static const struct {
    uint8_t len, oid[12];
    uint16_t order;
} curves[] = {
    {10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01}, 192},       /* P-192 */
    {10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 256},       /* P-256 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21}, 224},                          /* P-224 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}, 384},                          /* P-384 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}, 521},                          /* P-521 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a}, 256},                          /* secp256k1 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x20}, 225},                          /* secp224k1 */
    {7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x1f}, 192},                          /* secp192k1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x03}, 192}, /* brainpoolP192r1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x05}, 224}, /* brainpoolP224r1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07}, 256}, /* brainpoolP256r1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x09}, 320}, /* brainpoolP320r1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b}, 384}, /* brainpoolP384r1 */
    {11, {0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d}, 512}, /* brainpoolP512r1 */
};

unsigned length_curve_order(const uint8_t *params, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++)
        if (curves[i].len == len && memcmp(curves[i].oid, params, len) == 0)
            return curves[i].order;
    return 0;
}

/* How input becomes output. */
enum manner {
    MANNER_RSA,
    MANNER_PAIR,      /* two numbers below the order */
    MANNER_MAC,       /* `size` bytes, or of the digest */
    MANNER_MAC_PARAM, /* as many bytes as the parameter says */
    MANNER_DIGEST,
    MANNER_SAME,  /* as long as the input */
    MANNER_BLOCK, /* the same, whole blocks of `size` bytes */
    MANNER_PAD,   /* padded to whole blocks of `size` bytes */
    MANNER_GCM
};

static const struct row {
    CK_MECHANISM_TYPE type;
    enum manner manner;
    unsigned size;
    CK_MECHANISM_TYPE digest;
} rows[] = {
    {CKM_RSA_PKCS, MANNER_RSA, 0, 0},
    {CKM_RSA_PKCS_OAEP, MANNER_RSA, 0, 0},
    {CKM_RSA_X_509, MANNER_RSA, 0, 0},
    {CKM_RSA_PKCS_PSS, MANNER_RSA, 0, 0},
    {CKM_ECDSA, MANNER_PAIR, 0, 0},
    {CKM_ECDSA_SHA1, MANNER_PAIR, 0, 0},
    {CKM_DSA, MANNER_PAIR, 0, 0},
    {CKM_DSA_SHA1, MANNER_PAIR, 0, 0},
    {CKM_DSA_SHA224, MANNER_PAIR, 0, 0},
    {CKM_DSA_SHA256, MANNER_PAIR, 0, 0},
    {CKM_DSA_SHA384, MANNER_PAIR, 0, 0},
    {CKM_DSA_SHA512, MANNER_PAIR, 0, 0},
    {CKM_MD5_HMAC, MANNER_MAC, 0, CKM_MD5},
    {CKM_SHA_1_HMAC, MANNER_MAC, 0, CKM_SHA_1},
    {CKM_SHA224_HMAC, MANNER_MAC, 0, CKM_SHA224},
    {CKM_SHA256_HMAC, MANNER_MAC, 0, CKM_SHA256},
    {CKM_SHA384_HMAC, MANNER_MAC, 0, CKM_SHA384},
    {CKM_SHA512_HMAC, MANNER_MAC, 0, CKM_SHA512},
    {CKM_SHA3_224_HMAC, MANNER_MAC, 0, CKM_SHA3_224},
    {CKM_SHA3_256_HMAC, MANNER_MAC, 0, CKM_SHA3_256},
    {CKM_SHA3_384_HMAC, MANNER_MAC, 0, CKM_SHA3_384},
    {CKM_SHA3_512_HMAC, MANNER_MAC, 0, CKM_SHA3_512},
    {CKM_AES_CMAC, MANNER_MAC, 16, 0},
    {CKM_DES3_CMAC, MANNER_MAC, 8, 0},
    {CKM_MD5_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_SHA_1_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_SHA224_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_SHA256_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_SHA384_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_SHA512_HMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_AES_CMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_DES3_CMAC_GENERAL, MANNER_MAC_PARAM, 0, 0},
    {CKM_AES_ECB, MANNER_BLOCK, 16, 0},
    {CKM_AES_CBC, MANNER_BLOCK, 16, 0},
    {CKM_AES_CBC_PAD, MANNER_PAD, 16, 0},
    {CKM_AES_CTR, MANNER_SAME, 0, 0},
    {CKM_AES_OFB, MANNER_SAME, 0, 0},
    {CKM_AES_CFB8, MANNER_SAME, 0, 0},
    {CKM_AES_CFB128, MANNER_SAME, 0, 0},
    {CKM_AES_GCM, MANNER_GCM, 0, 0},
    {CKM_DES_ECB, MANNER_BLOCK, 8, 0},
    {CKM_DES_CBC, MANNER_BLOCK, 8, 0},
    {CKM_DES_CBC_PAD, MANNER_PAD, 8, 0},
    {CKM_DES3_ECB, MANNER_BLOCK, 8, 0},
    {CKM_DES3_CBC, MANNER_BLOCK, 8, 0},
    {CKM_DES3_CBC_PAD, MANNER_PAD, 8, 0},
};

/* Hash-and-sign mechanisms are as long as what they sign with. */
static bool row_of(enum op_kind kind, CK_MECHANISM_TYPE type, struct row *ret)
{
    if (kind == OP_DIGEST) {
        *ret = (struct row){type, MANNER_DIGEST, 0, type};
        return true;
    }
    const struct mech_info *info = mech_lookup(type);
    CK_MECHANISM_TYPE raw = info && info->raw != CK_UNAVAILABLE_INFORMATION ? info->raw : type;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].type == raw) {
            *ret = rows[i];
            return true;
        }
    return false;
}

static struct length exact(size_t bytes)
{
    return (struct length){LENGTH_EXACT, bytes};
}

static struct length exact_if_known(size_t bytes)
{
    return (struct length){bytes ? LENGTH_EXACT : LENGTH_UNKNOWN, bytes};
}

static struct length at_most(size_t bytes)
{
    return (struct length){LENGTH_LIMIT, bytes};
}

static struct length length_rsa(enum op_kind kind, CK_MECHANISM_TYPE type, const struct length_key *key)
{
    size_t modulus = (key->bits + 7) / 8;
    if (key->type != CKK_RSA || modulus == 0)
        return (struct length){0};
    return (kind == OP_DECRYPT || kind == OP_VERIFY_RECOVER) && type != CKM_RSA_X_509 ? at_most(modulus)
                                                                                      : exact(modulus);
}

static struct length length_gcm(enum op_kind kind, const CK_MECHANISM *mech, size_t in_len)
{
    if (!mech->pParameter || mech->ulParameterLen != sizeof(CK_GCM_PARAMS))
        return (struct length){0};
    CK_GCM_PARAMS params;
    memcpy(&params, mech->pParameter, sizeof(params));
    size_t tag = (params.ulTagBits + 7) / 8;
    if (tag > 16)
        return (struct length){0};
    if (kind == OP_ENCRYPT)
        return exact(in_len + tag);
    return exact(in_len > tag ? in_len - tag : 0);
}

static struct length length_param(const CK_MECHANISM *mech)
{
    CK_ULONG bytes = 0;
    if (mech->pParameter && mech->ulParameterLen == sizeof(bytes))
        memcpy(&bytes, mech->pParameter, sizeof(bytes));
    return exact_if_known(bytes <= 64 ? bytes : 0);
}

struct length length_of(enum op_kind kind, const CK_MECHANISM *mech, const struct length_key *key,
                        size_t in_len)
{
    struct row row;
    if (!row_of(kind, mech->mechanism, &row))
        return (struct length){0};
    switch (row.manner) {
    case MANNER_RSA:
        return length_rsa(kind, mech->mechanism, key);
    case MANNER_PAIR:
        return exact_if_known(2 * ((size_t)(key->order_bits + 7) / 8));
    case MANNER_MAC:
        return exact_if_known(row.size ? row.size : mech_digest_size(row.digest));
    case MANNER_MAC_PARAM:
        return length_param(mech);
    case MANNER_DIGEST:
        return exact_if_known(mech_digest_size(row.digest));
    case MANNER_SAME:
    case MANNER_BLOCK:
        return exact(in_len);
    case MANNER_PAD:
        return kind == OP_ENCRYPT ? exact((in_len / row.size + 1) * row.size) : at_most(in_len);
    case MANNER_GCM:
        return length_gcm(kind, mech, in_len);
    }
    return (struct length){0};
}

size_t length_of_part(enum op_kind kind, const CK_MECHANISM *mech, const struct length_key *key, size_t in,
                      size_t out, bool final)
{
    struct row row;
    struct length whole = length_of(kind, mech, key, in);
    size_t most = whole.sort == LENGTH_UNKNOWN ? in + SLACK : whole.bytes;
    if (!final && whole.sort != LENGTH_UNKNOWN && row_of(kind, mech->mechanism, &row))
        most = row.manner == MANNER_BLOCK || row.manner == MANNER_PAD ? in - in % row.size : in;
    return most > out ? most - out : 0;
}
