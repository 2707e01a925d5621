/*
 * The master secret in M-of-N shares (libgfshare), each a CMS file for one custodian: for a certificate
 * (EnvelopedData, RSA or EC) or a passphrase (PasswordRecipientInfo, PBKDF2, AES-256), so that `openssl cms
 * -decrypt` opens it. The share inside carries a heading, the group's uuid, M, N, its number, and a check of
 * the whole, so that a foreign or damaged one is named. And the keys that come of it: HKDF-SHA-256 with the
 * group's uuid as salt.
 */
#ifndef VAULT_SHARES_H
#define VAULT_SHARES_H

#include "vault/record.h"

#define MASTER_LEN    32
#define GROUP_KEY_LEN 32

struct custodian {
    const char *name;            /* letters, digits, . _ - */
    const char *certificate;     /* PEM file, or NULL */
    const char *passphrase_file; /* its first line is the passphrase; or NULL */
};

/* Fresh from OpenSSL's private generator, in secret memory (secret_free). NULL without memory or randomness.
 */
MUST_USE uint8_t *master_new(void);
/* *ret (GROUP_KEY_LEN bytes in secret memory). `what` is "group key" or "seal key", `number` the KEK's. */
MUST_USE int master_derive(const uint8_t *master, const uint8_t group[UUID_LEN], const char *what,
                           uint32_t number, uint8_t **ret);

/* Writes dir/NAME.share.p7m for each, mode 0600, all or none. *ret_why (mem_free) explains a failure. 1 <=
 * threshold <= count <= 255. */
MUST_USE int shares_write(const uint8_t *master, const uint8_t group[UUID_LEN],
                          const struct custodian *custodian, size_t count, unsigned threshold,
                          const char *dir, char **ret_why);

/* One opened share, in secret memory (secret_free). key_file: the private key (PEM) of a certificate's share;
 * else passphrase_file. */
struct share;
MUST_USE int share_open(const char *file, const char *certificate, const char *key_file,
                        const char *passphrase_file, struct share **ret, char **ret_why);
void share_free(struct share *share);
const uint8_t *share_group(const struct share *share);
unsigned share_threshold(const struct share *share);
unsigned share_number(const struct share *share);
/* The master secret of at least `threshold` shares of one group (secret memory); -EINVAL with *ret_why
 * otherwise. */
MUST_USE int shares_combine(struct share *const *share, size_t count, uint8_t **ret_master, char **ret_why);

#endif
