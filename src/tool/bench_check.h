/* Results computed again by OpenSSL. Every function: is it right? Thread-safe; `peer` is only read. */
#ifndef TOOL_BENCH_CHECK_H
#define TOOL_BENCH_CHECK_H

#include <openssl/evp.h>

#include "base/def.h"

/* signature: r and s, each half of it. */
bool bench_check_ecdsa(EVP_PKEY *peer, const uint8_t *digest, size_t digest_len, const uint8_t *signature,
                       size_t len);
/* PKCS#1 v1.5 over `info`, a whole DigestInfo. */
bool bench_check_rsa(EVP_PKEY *peer, const uint8_t *info, size_t info_len, const uint8_t *signature,
                     size_t len);
/* cipher: "AES-256-CBC" (no padding) or "AES-256-GCM" (a tag of 16 bytes behind). */
bool bench_check_cipher(const char *cipher, const uint8_t *key, const uint8_t *iv, const uint8_t *plain,
                        size_t plain_len, const uint8_t *sealed, size_t len);
bool bench_check_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                      const uint8_t *mac, size_t len);
bool bench_check_digest(const uint8_t *data, size_t data_len, const uint8_t *digest, size_t len);
/* RSA-OAEP with SHA-1. False if it cannot be done; *len is the room, then the length. */
MUST_USE bool bench_check_seal(EVP_PKEY *peer, const uint8_t *plain, size_t plain_len, uint8_t *sealed,
                               size_t *len);

#endif
