#include "keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "key_pem.h"

enum { BIGGEST = 512 };

const CK_BYTE keys_p256[10] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
const CK_BYTE keys_p384[7] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
const CK_BYTE keys_p521[7] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
/* SoftHSM 2.6 wants the curve's name, not its OID. */
const CK_BYTE keys_ed25519[14] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};

struct row {
    const char *name, *pem;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    CK_ULONG len; /* of a secret */
    const CK_BYTE *params;
    CK_ULONG params_len;
};
#define PAIR(stem, pem, type, params, len)                              \
    [KEY_##stem] = {#stem, pem, CKO_PRIVATE_KEY, type, 0, params, len}, \
    [KEY_##stem##_PUBLIC] = {#stem "_PUBLIC", pem, CKO_PUBLIC_KEY, type, 0, params, len}
#define SECRET(stem, type, len) [KEY_##stem] = {#stem, NULL, CKO_SECRET_KEY, type, len, NULL, 0}

static const struct row rows[KEYS] = {
    PAIR(RSA, rsa_pem, CKK_RSA, NULL, 0),
    PAIR(EC256, ec256_pem, CKK_EC, keys_p256, sizeof(keys_p256)),
    PAIR(EC384, ec384_pem, CKK_EC, keys_p384, sizeof(keys_p384)),
    PAIR(EC521, ec521_pem, CKK_EC, keys_p521, sizeof(keys_p521)),
    PAIR(ED, ed_pem, CKK_EC_EDWARDS, keys_ed25519, sizeof(keys_ed25519)),
    PAIR(DSA, dsa_pem, CKK_DSA, NULL, 0),
    PAIR(DH, NULL, CKK_DH, NULL, 0),
    SECRET(AES128, CKK_AES, 16),
    SECRET(AES192, CKK_AES, 24),
    SECRET(AES256, CKK_AES, 32),
    SECRET(DES, CKK_DES, 8),
    SECRET(DES2, CKK_DES2, 16),
    SECRET(DES3, CKK_DES3, 24),
    SECRET(GENERIC, CKK_GENERIC_SECRET, 64),
    SECRET(SHORT, CKK_GENERIC_SECRET, 8),
    [KEY_DATA] = {"DATA", NULL, CKO_DATA, 0, 0, NULL, 0},
    [KEY_CERTIFICATE] = {"CERTIFICATE", NULL, CKO_CERTIFICATE, 0, 0, NULL, 0},
};

const char *keys_name(enum key key)
{
    return key == KEY_NONE ? "none" : rows[key].name;
}

EVP_PKEY *keys_pkey(enum key key)
{
    static EVP_PKEY *loaded[KEYS];
    if (!loaded[key] && rows[key].pem) {
        BIO *bio = BIO_new_mem_buf(rows[key].pem, -1);
        loaded[key] = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        if (!loaded[key])
            abort();
    }
    return loaded[key];
}

/* Odd parity in every byte, as DES wants it. */
const CK_BYTE *keys_value(enum key key, CK_ULONG *ret_len)
{
    static CK_BYTE value[64];
    for (unsigned i = 0; i < sizeof(value); i++) {
        CK_BYTE byte = (CK_BYTE)(((i + 1) * 37 + (unsigned)rows[key].type * 2) & 0xfe);
        value[i] = byte | (__builtin_popcount(byte) % 2 == 0);
    }
    *ret_len = rows[key].len;
    return value;
}

static CK_ULONG number(enum key key, const char *name, CK_BYTE *ret)
{
    BIGNUM *bn = NULL;
    if (!EVP_PKEY_get_bn_param(keys_pkey(key), name, &bn))
        abort();
    int len = BN_bn2bin(bn, ret);
    BN_free(bn);
    return (CK_ULONG)len;
}

static void set_number(struct templ *templ, CK_ATTRIBUTE_TYPE type, enum key key, const char *name)
{
    CK_BYTE bytes[BIGGEST];
    CK_ULONG len = number(key, name, bytes);
    templ_set(templ, type, bytes, len);
}

CK_ULONG keys_dh_prime(CK_BYTE *ret)
{
    BIGNUM *bn = BN_get_rfc3526_prime_1536(NULL);
    int len = BN_bn2bin(bn, ret);
    BN_free(bn);
    return (CK_ULONG)len;
}

/* 2^x mod p for the secret's x. */
static CK_ULONG dh_public(CK_BYTE last, CK_BYTE *ret)
{
    CK_BYTE secret[32];
    memset(secret, 0x5a, sizeof(secret));
    secret[31] = last;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = BN_get_rfc3526_prime_1536(NULL), *g = BN_new(), *x = BN_bin2bn(secret, 32, NULL);
    BIGNUM *y = BN_new();
    if (!BN_set_word(g, 2) || !BN_mod_exp(y, g, x, p, ctx))
        abort();
    int len = BN_bn2bin(y, ret);
    BN_free(p);
    BN_free(g);
    BN_free(x);
    BN_free(y);
    BN_CTX_free(ctx);
    return (CK_ULONG)len;
}

CK_ULONG keys_dh_public(CK_BYTE *ret)
{
    return dh_public(2, ret);
}

CK_ULONG keys_point(enum key key, bool wrapped, CK_BYTE *ret, CK_ULONG room)
{
    CK_BYTE point[160];
    size_t len = 0;
    if (rows[key].type == CKK_EC_EDWARDS) {
        len = sizeof(point);
        if (!EVP_PKEY_get_raw_public_key(keys_pkey(key), point, &len))
            abort();
    } else if (!EVP_PKEY_get_octet_string_param(keys_pkey(key), OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                                sizeof(point), &len)) {
        abort();
    }
    CK_ULONG head = !wrapped ? 0 : len < 0x80 ? 2 : 3;
    if (head + len > room)
        abort();
    if (wrapped) {
        ret[0] = 0x04;
        ret[1] = 0x81;
        ret[head - 1] = (CK_BYTE)len;
    }
    memcpy(ret + head, point, len);
    return head + len;
}

static void rsa_templ(enum key key, struct templ *templ)
{
    set_number(templ, CKA_MODULUS, key, OSSL_PKEY_PARAM_RSA_N);
    set_number(templ, CKA_PUBLIC_EXPONENT, key, OSSL_PKEY_PARAM_RSA_E);
    if (rows[key].class == CKO_PUBLIC_KEY)
        return;
    set_number(templ, CKA_PRIVATE_EXPONENT, key, OSSL_PKEY_PARAM_RSA_D);
    set_number(templ, CKA_PRIME_1, key, OSSL_PKEY_PARAM_RSA_FACTOR1);
    set_number(templ, CKA_PRIME_2, key, OSSL_PKEY_PARAM_RSA_FACTOR2);
    set_number(templ, CKA_EXPONENT_1, key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
    set_number(templ, CKA_EXPONENT_2, key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
    set_number(templ, CKA_COEFFICIENT, key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
}

static void ec_templ(enum key key, struct templ *templ)
{
    CK_BYTE bytes[BIGGEST];
    templ_set(templ, CKA_EC_PARAMS, rows[key].params, rows[key].params_len);
    if (rows[key].class == CKO_PUBLIC_KEY) {
        templ_set(templ, CKA_EC_POINT, bytes, keys_point(key, true, bytes, sizeof(bytes)));
    } else if (rows[key].type == CKK_EC_EDWARDS) {
        size_t len = sizeof(bytes);
        if (!EVP_PKEY_get_raw_private_key(keys_pkey(key), bytes, &len))
            abort();
        templ_set(templ, CKA_VALUE, bytes, len);
    } else {
        set_number(templ, CKA_VALUE, key, OSSL_PKEY_PARAM_PRIV_KEY);
    }
}

static void dsa_templ(enum key key, struct templ *templ)
{
    bool public = rows[key].class == CKO_PUBLIC_KEY;
    set_number(templ, CKA_PRIME, key, OSSL_PKEY_PARAM_FFC_P);
    set_number(templ, CKA_SUBPRIME, key, OSSL_PKEY_PARAM_FFC_Q);
    set_number(templ, CKA_BASE, key, OSSL_PKEY_PARAM_FFC_G);
    set_number(templ, CKA_VALUE, key, public ? OSSL_PKEY_PARAM_PUB_KEY : OSSL_PKEY_PARAM_PRIV_KEY);
}

static void dh_templ(enum key key, struct templ *templ)
{
    CK_BYTE bytes[BIGGEST];
    templ_set(templ, CKA_PRIME, bytes, keys_dh_prime(bytes));
    templ_set(templ, CKA_BASE, "\2", 1);
    if (rows[key].class == CKO_PUBLIC_KEY) {
        templ_set(templ, CKA_VALUE, bytes, dh_public(1, bytes));
        return;
    }
    memset(bytes, 0x5a, 32);
    bytes[31] = 1;
    templ_set(templ, CKA_VALUE, bytes, 32);
}

static void usage(const struct row *row, struct templ *templ)
{
    static const CK_ATTRIBUTE_TYPE private[] = {CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP},
                                   public[] = {CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP},
                                   secret[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN,
                                               CKA_VERIFY,  CKA_WRAP,    CKA_UNWRAP};
    const CK_ATTRIBUTE_TYPE *list = row->class == CKO_PRIVATE_KEY  ? private
                                    : row->class == CKO_PUBLIC_KEY ? public
                                                                   : secret;
    for (unsigned i = 0; i < (row->class == CKO_SECRET_KEY ? 6 : 4); i++)
        templ_bool(templ, list[i], CK_TRUE);
    templ_bool(templ, CKA_DERIVE, CK_TRUE);
    if (row->class == CKO_PUBLIC_KEY)
        return;
    templ_bool(templ, CKA_SENSITIVE, CK_FALSE);
    templ_bool(templ, CKA_EXTRACTABLE, CK_TRUE);
}

static void certificate_templ(struct templ *templ)
{
    static const CK_BYTE subject[] = {0x30, 0x12, 0x31, 0x10, 0x30, 0x0e, 0x06, 0x03, 0x55, 0x04,
                                      0x03, 0x0c, 0x07, 'c',  'o',  'n',  'f',  'o',  'r',  'm'};
    CK_BYTE der[1024];
    CK_ULONG len = 0;
    for (; cert_hex[2 * len]; len++) {
        char pair[3] = {cert_hex[2 * len], cert_hex[2 * len + 1], 0};
        der[len] = (CK_BYTE)strtoul(pair, NULL, 16);
    }
    templ_ulong(templ, CKA_CERTIFICATE_TYPE, CKC_X_509);
    templ_set(templ, CKA_VALUE, der, len);
    templ_set(templ, CKA_SUBJECT, subject, sizeof(subject));
    /* Its own; not every token makes one without. */
    templ_set(templ, CKA_ISSUER, subject, sizeof(subject));
    templ_set(templ, CKA_SERIAL_NUMBER, "\2\1\7", 3);
    templ_text(templ, CKA_ID, "cert");
}

void keys_templ(enum key key, struct templ *ret)
{
    const struct row *row = &rows[key];
    CK_ULONG len;
    *ret = (struct templ){.count = 0};
    templ_ulong(ret, CKA_CLASS, row->class);
    templ_bool(ret, CKA_TOKEN, CK_FALSE);
    templ_text(ret, CKA_LABEL, row->name);
    if (key == KEY_DATA) {
        templ_text(ret, CKA_APPLICATION, "conform");
        templ_text(ret, CKA_VALUE, "some data");
        return;
    }
    if (key == KEY_CERTIFICATE) {
        certificate_templ(ret);
        return;
    }
    templ_ulong(ret, CKA_KEY_TYPE, row->type);
    templ_text(ret, CKA_ID, "id");
    usage(row, ret);
    const CK_BYTE *value = keys_value(key, &len);
    if (row->class == CKO_SECRET_KEY)
        templ_set(ret, CKA_VALUE, value, len);
    else if (row->type == CKK_RSA)
        rsa_templ(key, ret);
    else if (row->type == CKK_DSA)
        dsa_templ(key, ret);
    else if (row->type == CKK_DH)
        dh_templ(key, ret);
    else
        ec_templ(key, ret);
}

CK_OBJECT_HANDLE keys_make(enum key key, const struct templ *with)
{
    struct templ templ;
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    keys_templ(key, &templ);
    for (CK_ULONG i = 0; with && i < with->count; i++)
        templ_set(&templ, with->at[i].type, with->at[i].pValue, with->at[i].ulValueLen);
    CK_RV rv = world.p11->C_CreateObject(world.session, templ.at, templ.count, &handle);
    if (rv == CKR_OK)
        return handle;
    record_rv(rows[key].name, rv);
    return CK_INVALID_HANDLE;
}

CK_OBJECT_HANDLE keys_make_with(enum key key, CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
    struct templ with = {.count = 0};
    templ_bool(&with, type, value);
    return keys_make(key, &with);
}
