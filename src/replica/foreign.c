#include "replica/foreign.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/secret.h"

#define SECRET_MAX  256
#define DES3_BYTES  24
#define RAW_KEY_MAX 64

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
} rsa_parts[] = {
    {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
    {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
    {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
    {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
    {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
    {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
    {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

static CK_RV set_kind(struct attrs *ret, CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
    CK_RV rv = attrs_set_ulong(ret, CKA_CLASS, class);
    return rv == CKR_OK ? attrs_set_ulong(ret, CKA_KEY_TYPE, type) : rv;
}

/* Every byte of a DES key has an odd number of ones. */
static void set_parity(uint8_t *key, size_t len)
{
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)((key[i] & 0xfe) | !__builtin_parity(key[i] & 0xfe));
}

static CK_RV secret_key(CK_KEY_TYPE type, CK_ULONG size, struct attrs *ret)
{
    size_t len = type == CKK_DES3 ? DES3_BYTES : size;
    uint8_t *value = len && len <= SECRET_MAX ? secret_alloc(len) : NULL;
    CK_RV rv = value ? set_kind(ret, CKO_SECRET_KEY, type) : CKR_HOST_MEMORY;
    if (rv == CKR_OK && RAND_priv_bytes(value, (int)len) != 1)
        rv = CKR_FUNCTION_FAILED;
    if (rv == CKR_OK && type == CKK_DES3)
        set_parity(value, len);
    if (rv == CKR_OK)
        rv = attrs_set(ret, CKA_VALUE, value, len);
    secret_free(value);
    return rv;
}

static CK_RV set_number(const EVP_PKEY *key, const char *name, CK_ATTRIBUTE_TYPE type, struct attrs *ret)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
        return CKR_FUNCTION_FAILED;
    size_t len = (size_t)BN_num_bytes(number);
    uint8_t *value = secret_alloc(len + 1);
    CK_RV rv = value ? CKR_OK : CKR_HOST_MEMORY;
    if (rv == CKR_OK) {
        (void)BN_bn2bin(number, value);
        rv = attrs_set(ret, type, value, len);
    }
    secret_free(value);
    BN_clear_free(number);
    return rv;
}

static CK_RV set_raw(const EVP_PKEY *key, struct attrs *ret)
{
    size_t len = RAW_KEY_MAX;
    uint8_t *value = secret_alloc(len);
    CK_RV rv = value ? CKR_OK : CKR_HOST_MEMORY;
    if (rv == CKR_OK && EVP_PKEY_get_raw_private_key(key, value, &len) != 1)
        rv = CKR_FUNCTION_FAILED;
    if (rv == CKR_OK)
        rv = attrs_set(ret, CKA_VALUE, value, len);
    secret_free(value);
    return rv;
}

static CK_RV private_key(CK_KEY_TYPE type, CK_ULONG size, const char *curve, struct attrs *ret)
{
    EVP_PKEY *key = type == CKK_RSA  ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)size)
                    : type == CKK_EC ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve)
                                     : EVP_PKEY_Q_keygen(NULL, NULL, curve);
    CK_RV rv = key ? set_kind(ret, CKO_PRIVATE_KEY, type) : CKR_FUNCTION_FAILED;
    for (size_t i = 0; type == CKK_RSA && i < ARRAY_LEN(rsa_parts) && rv == CKR_OK; i++)
        rv = set_number(key, rsa_parts[i].name, rsa_parts[i].type, ret);
    if (rv == CKR_OK && type == CKK_EC)
        rv = set_number(key, OSSL_PKEY_PARAM_PRIV_KEY, CKA_VALUE, ret);
    else if (rv == CKR_OK && type != CKK_RSA)
        rv = set_raw(key, ret);
    EVP_PKEY_free(key);
    return rv;
}

CK_RV foreign_key(CK_KEY_TYPE type, CK_ULONG size, const char *curve, struct attrs *ret)
{
    if (type == CKK_RSA || curve)
        return private_key(type, size, curve, ret);
    return secret_key(type, size, ret);
}
