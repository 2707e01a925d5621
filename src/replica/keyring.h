/*
 * The group's own keys on the members: group key (wraps), seal key (authenticates records), transport key
 * pair (RSA, for secrets whose length AES key wrap would not keep). They are not in the catalogue: no virtual
 * handle leads to them. What each member needs to wrap (its mechanism) is probed and kept per member and
 * epoch.
 */
#ifndef REPLICA_KEYRING_H
#define REPLICA_KEYRING_H

#include "replica/remote.h"
#include "vault/vault.h"

#define GROUP_KEY_BYTES    32
#define KEYRING_LABEL_KEK  "p11ha group key"
#define KEYRING_LABEL_SEAL "p11ha seal key"

struct keyring {
    const struct vault_meta *meta;
    struct object *kek, *seal;
    _Atomic uint64_t
        wrap_mech[CONFIG_MEMBERS_MAX]; /* CK_MECHANISM_TYPE of RFC 5649 there; 0 = not known yet */
};

MUST_USE CK_RV keyring_init(struct keyring *keyring, const struct vault_meta *meta, unsigned members);
void keyring_end(struct keyring *keyring);
/* Is this one of them? (Their handles are found by keyring_find, not by the ordinary ways.) */
bool keyring_owns(const struct keyring *keyring, const struct object *object);

/* Finds and remembers the real handle. RV_MISFIT if the member has none or several. */
MUST_USE CK_RV keyring_find(struct keyring *keyring, const struct object *object, struct remote remote,
                            CK_OBJECT_HANDLE *ret);
/* HMAC-SHA-256 of 32 bytes with the member's seal key. RV_MISFIT if it has none, or what the member said. */
MUST_USE CK_RV keyring_mac(struct keyring *keyring, struct remote remote, const uint8_t text[32],
                           uint8_t ret[32]);
/* Both keys are there, right, and the wrap mechanism is known. CKR_OK, RV_MISFIT, or what the member said. */
MUST_USE CK_RV keyring_prove(struct keyring *keyring, struct remote remote);

/* For p11ha init: puts both keys on a member (raw values), and the values by which they are known. */
MUST_USE CK_RV keyring_place(struct remote remote, const struct vault_meta *meta, const uint8_t *kek,
                             const uint8_t *seal);
MUST_USE CK_RV keyring_checks(const uint8_t *kek, const uint8_t *seal, struct vault_meta *meta);
/* Templates that find any p11ha key, whatever the group: for external finds and for `init` to see what is
 * there already. */
bool keyring_is_hidden(const struct attrs *attrs);

#endif
