/*
 * A managed group: the vault is the truth, the catalogue its picture, the replicas follow. Made above the
 * router: it gives the group its hooks. A background thread (the tender) follows other processes' changes,
 * catches members up that lag, and purges. No lock of its own is held while a member or the disk works, but
 * the vault's while the disk does.
 */
#ifndef REPLICA_MANAGED_H
#define REPLICA_MANAGED_H

#include "replica/keyring.h"
#include "router/group.h"
#include "vault/vault.h"

struct managed {
    struct group *group;
    struct vault *vault;
    struct keyring keyring;
    uint8_t transport[UUID_LEN]; /* of the transport key's private half, zero = none */
    char owner[64];              /* process and start, for leases */

    struct lock refresh_lock; /* LOCK_GROUP: one thread follows the vault at a time (a busy flag, not held) */
    struct cond refreshed;
    bool refreshing;
    _Atomic uint64_t loaded;                    /* every record up to this seq is in the catalogue */
    _Atomic uint32_t placing;                   /* batches of place.c under way; waited on */
    _Atomic uint32_t rescues;                   /* under way (rescue.h) */
    _Atomic uint8_t naming[CONFIG_MEMBERS_MAX]; /* what is known of each (naming.c) */

    struct managed_tender *tender;
};

/* Opens the vault of the group's configuration. *ret_why (mem_free) explains a failure. */
MUST_USE CK_RV managed_new(struct group *group, struct managed **ret, char **ret_why);
/* The hooks to start the group with; then managed_start starts the tender. */
struct group_hooks managed_hooks(struct managed *managed);
MUST_USE CK_RV managed_start(struct managed *managed);
bool managed_stop(struct managed *managed, uint64_t deadline);
void managed_free(struct managed *managed);

/* Follows the vault if another process has written (or `all`). Failures leave the catalogue as it is and are
 * logged. */
void managed_refresh(struct managed *managed, bool all);

/* Is this object's record what we once sealed? CKR_OK; RV_GONE if it was refused; CKR_USER_NOT_LOGGED_IN:
 * cannot be told yet. */
MUST_USE CK_RV managed_verify(struct managed *managed, struct object *object, uint64_t deadline);
/* The current record of an object, its seal checked (`on`: as seal_compute). RV_GONE if it is not live any
 * more; CKR_DEVICE_ERROR when the vault is out of reach. */
MUST_USE CK_RV managed_record(struct managed *managed, const struct remote *on, struct object *object,
                              uint64_t deadline, struct record *ret);
/* Changed or destroyed since this record was read, by whichever process. */
bool managed_is_stale(struct managed *managed, const struct record *record);
bool managed_is_destroyed(struct managed *managed, const struct record *record);
/* A new object of a live record, not yet in the catalogue. */
MUST_USE CK_RV managed_object(struct managed *managed, const struct record *record, struct object **ret);

#endif
