/*
 * Setting a group up: a master secret is made, both group keys are put on every member and proved, the master
 * secret is split into custodians' shares and wiped, the vault is made, and the transport key is its first
 * record. All or nothing: what fails is undone.
 */
#ifndef REPLICA_CEREMONY_H
#define REPLICA_CEREMONY_H

#include "config/config.h"
#include "pkcs11-headers/pkcs11.h"
#include "vault/shares.h"

struct ceremony {
    const struct config_group *group; /* managed; its vault does not exist yet */
    const struct custodian *custodian;
    size_t custodians;
    unsigned threshold;
    const char *shares_dir;
    const uint8_t *pin; /* the members' user PIN */
    size_t pin_len;
    void (*progress)(void *ctx, const char *step); /* may be NULL */
    void *ctx;
};

/* CKR_OK, or what failed with *ret_why (mem_free): what happened, where, what to do. */
MUST_USE CK_RV ceremony_run(const struct ceremony *ceremony, char **ret_why);

#endif
