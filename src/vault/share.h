/* One share in the clear: in secret memory only. */
#ifndef VAULT_SHARE_H
#define VAULT_SHARE_H

#include "vault/shares.h"

#define SHARE_TEXT_MAX 512
#define SHARE_SUM_LEN  32

struct share {
    uint8_t group[UUID_LEN];
    unsigned threshold, count, number; /* number: 1 .. count, also its place on the curve */
    uint8_t value[MASTER_LEN];
    uint8_t check[MASTER_LEN]; /* of the whole: derived from the master secret, tells nothing about it */
};

/* Lines of text with a checksum of their own, so that a custodian who decrypts it by hand sees what it is. 0
 * on failure. */
MUST_USE size_t share_print(const struct share *share, char out[SHARE_TEXT_MAX]);
MUST_USE bool share_parse(struct share *ret, const char *text, size_t len);
/* The check of a master secret, in secret memory. */
MUST_USE int share_check(const uint8_t *master, const uint8_t group[UUID_LEN], uint8_t **ret);

#endif
