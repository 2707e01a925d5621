/*
 * A secret for one custodian as a CMS file (EnvelopedData, AES-256-CBC, PEM): for a certificate (RSA-OAEP, or
 * ECDH with SHA-256) or a passphrase (PBKDF2, HMAC-SHA-1 as CMS in OpenSSL fixes it, hence its many rounds).
 * `openssl cms -decrypt -inform PEM` opens it.
 *
 * Plaintext and passphrase stay in secret memory here. OpenSSL's own working copies (cipher state, the
 * session key, a private key's numbers) are on its heap, which is neither locked nor kept out of core files;
 * it wipes them when it frees them. Failures: -errno, with *ret_why (mem_free) a phrase.
 */
#ifndef VAULT_ENVELOPE_H
#define VAULT_ENVELOPE_H

#include "base/buf.h"

/* The first line of a file, in secret memory (secret_free). */
MUST_USE int envelope_passphrase(const char *file, char **ret, char **ret_why);

/* Exactly one of certificate (PEM file) and passphrase is given. *out gets the PEM text. */
MUST_USE int envelope_seal(const char *certificate, const char *passphrase, const void *data, size_t len,
                           struct buf *out, char **ret_why);
/*
 * With key_file (PEM; passphrase then opens the key if it is encrypted, and may be NULL) and the certificate,
 * which may be NULL; or with the passphrase alone. At most `max` bytes into `out`; the CMS has no check of
 * its own, so the caller's content must.
 */
MUST_USE int envelope_open(const char *file, const char *certificate, const char *key_file,
                           const char *passphrase, void *out, size_t max, size_t *ret_len, char **ret_why);

#endif
