/*
 * Proofs: small values computed with a key on a member, the same on all replicas or the replica is wrong.
 * Secret keys: a block encrypted (AES, DES3) or an HMAC. Private keys: an operation checked here, by OpenSSL,
 * against the public part.
 */
#ifndef REPLICA_PROOF_H
#define REPLICA_PROOF_H

#include "replica/remote.h"
#include "vault/record.h"

/* Which proof a key of these attributes can give; PROOF_NONE with CKR_KEY_TYPE_INCONSISTENT for a key that
 * can give none. */
MUST_USE CK_RV proof_choose(const struct attrs *attrs, enum record_proof *ret_kind,
                            CK_MECHANISM_TYPE *ret_mech);

/* Computes it with the real object and stores it in record (kind and mech chosen by its attrs; public_part
 * set before). */
MUST_USE CK_RV proof_make(struct remote remote, CK_OBJECT_HANDLE object, struct record *record);
/* False: neither a proof nor its public attributes tell this key from another one of its type, because of
 * what it is or what it may do. */
bool proof_tells(const struct record *record);
/* Finds the EC_POINT of an EC private key whose record has only EC_PARAMS in its public_part, by signatures
 * of the real object. CKR_TEMPLATE_INCOMPLETE for other keys, and for one that may not sign. */
MUST_USE CK_RV proof_find_point(struct remote remote, CK_OBJECT_HANDLE object, struct record *record);
/* CKR_OK if the object is the record's; CKR_KEY_CHANGED if it is not; else what the member said. */
MUST_USE CK_RV proof_check(struct remote remote, CK_OBJECT_HANDLE object, const struct record *record);

#endif
