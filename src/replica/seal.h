/* Seals: HMAC-SHA-256 over a record's digest, computed on any member by the seal key. */
#ifndef REPLICA_SEAL_H
#define REPLICA_SEAL_H

#include "replica/managed.h"

/*
 * What the seal of this digest is, told by the member `on`, or by any that is up when it is NULL (those who
 * bring a member up must name it: waiting for others that are coming up too would be waiting for each other).
 * CKR_USER_NOT_LOGGED_IN before login.
 */
MUST_USE CK_RV seal_compute(struct managed *managed, const struct remote *on, const uint8_t digest[32],
                            uint64_t deadline, uint8_t ret[SEAL_LEN]);
/* CKR_OK; RV_GONE if the record's seal is wrong (noted in the vault and logged); else as seal_compute. */
MUST_USE CK_RV seal_check(struct managed *managed, const struct remote *on, const struct record *record,
                          uint64_t deadline);
/* Notes in the vault and logs that the record is refused. */
void seal_refuse(struct managed *managed, const uint8_t uuid[UUID_LEN], uint64_t seq);
/*
 * Seals and writes the record durably as the vault's next one (seq is set here), with a lease `write:SEQ` of
 * ours until it is dropped by seal_written. CKR_OK; CKR_DEVICE_ERROR when the vault is out of reach (logged
 * why); RV_GONE if somebody else changed the object meanwhile.
 */
MUST_USE CK_RV seal_write(struct managed *managed, struct record *record, uint64_t deadline);
/* It is applied on these members (bits by index); the lease ends. */
void seal_written(struct managed *managed, const struct record *record, uint64_t members);

#endif
