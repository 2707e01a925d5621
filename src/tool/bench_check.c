#include "tool/bench_check.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/mem.h"

#define TAG_LEN 16

AUTO_DEFINE(EVP_PKEY_CTX_free, EVP_PKEY_CTX)
AUTO_DEFINE(EVP_CIPHER_CTX_free, EVP_CIPHER_CTX)
AUTO_DEFINE(EVP_CIPHER_free, EVP_CIPHER)
AUTO_DEFINE(ECDSA_SIG_free, ECDSA_SIG)

bool bench_check_ecdsa(EVP_PKEY *peer, const uint8_t *digest, size_t digest_len, const uint8_t *signature,
                       size_t len)
{
    AUTO(ECDSA_SIG_free) ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, (int)(len / 2), NULL);
    BIGNUM *s = BN_bin2bn(signature + len / 2, (int)(len / 2), NULL);
    if (len % 2 || !pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    unsigned char *der = NULL;
    int der_len = i2d_ECDSA_SIG(pair, &der);
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
    bool good = der_len > 0 && ctx && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_verify(ctx, der, (size_t)der_len, digest, digest_len) == 1;
    OPENSSL_free(der);
    return good;
}

bool bench_check_rsa(EVP_PKEY *peer, const uint8_t *info, size_t info_len, const uint8_t *signature,
                     size_t len)
{
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
    return ctx && EVP_PKEY_verify_init(ctx) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_verify(ctx, signature, len, info, info_len) == 1;
}

bool bench_check_cipher(const char *cipher, const uint8_t *key, const uint8_t *iv, const uint8_t *plain,
                        size_t plain_len, const uint8_t *sealed, size_t len)
{
    AUTO(EVP_CIPHER_free) EVP_CIPHER *kind = EVP_CIPHER_fetch(NULL, cipher, NULL);
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    AUTO(mem_free) uint8_t *again = mem_new(plain_len + 2 * TAG_LEN, 1);
    if (!kind || !ctx || !again)
        return false;
    size_t tag = EVP_CIPHER_get_mode(kind) == EVP_CIPH_GCM_MODE ? TAG_LEN : 0;
    int done = 0;
    int rest = 0;
    return len == plain_len + tag && EVP_EncryptInit_ex2(ctx, kind, key, iv, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
           EVP_EncryptUpdate(ctx, again, &done, plain, (int)plain_len) == 1 &&
           EVP_EncryptFinal_ex(ctx, again + done, &rest) == 1 &&
           (!tag || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, again + plain_len) == 1) &&
           memcmp(again, sealed, len) == 0;
}

bool bench_check_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                      const uint8_t *mac, size_t len)
{
    uint8_t again[EVP_MAX_MD_SIZE];
    unsigned again_len = 0;
    return HMAC(EVP_sha256(), key, (int)key_len, data, data_len, again, &again_len) && again_len == len &&
           memcmp(again, mac, len) == 0;
}

bool bench_check_digest(const uint8_t *data, size_t data_len, const uint8_t *digest, size_t len)
{
    uint8_t again[EVP_MAX_MD_SIZE];
    unsigned again_len = 0;
    return EVP_Digest(data, data_len, again, &again_len, EVP_sha256(), NULL) == 1 && again_len == len &&
           memcmp(again, digest, len) == 0;
}

bool bench_check_seal(EVP_PKEY *peer, const uint8_t *plain, size_t plain_len, uint8_t *sealed, size_t *len)
{
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
    return ctx && EVP_PKEY_encrypt_init(ctx) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_encrypt(ctx, sealed, len, plain, plain_len) == 1;
}
