#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include "base/secret.h"
#include "vault/shares.h"

uint8_t *master_new(void)
{
    uint8_t *master = secret_alloc(MASTER_LEN);

    if (master && RAND_priv_bytes(master, MASTER_LEN) != 1) {
        secret_free(master);
        return NULL;
    }
    return master;
}

static bool hkdf(const uint8_t *master, const uint8_t group[UUID_LEN], const char *info, uint8_t *out)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)master, MASTER_LEN),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)group, UUID_LEN),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool good = ctx && EVP_KDF_derive(ctx, out, GROUP_KEY_LEN, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

int master_derive(const uint8_t *master, const uint8_t group[UUID_LEN], const char *what, uint32_t number,
                  uint8_t **ret)
{
    char info[64];
    uint8_t *key;
    int len = snprintf(info, sizeof info, "p11ha %s %u", what, number);

    if (len < 0 || (size_t)len >= sizeof info)
        return -EINVAL;
    key = secret_alloc(GROUP_KEY_LEN);
    if (!key)
        return -ENOMEM;
    if (!hkdf(master, group, info, key)) {
        secret_free(key);
        return -EIO;
    }
    *ret = key;
    return 0;
}
