/* Keys made here by OpenSSL, as templates for C_CreateObject. Their values are in secret memory while they
 * are ours. */
#ifndef REPLICA_FOREIGN_H
#define REPLICA_FOREIGN_H

#include "call/attrs.h"

/*
 * A fresh key: class, type and all secret and public numbers that its import needs, but not CKA_EC_PARAMS.
 * `size`: bits of RSA, bytes of AES and generic secrets. `curve`: OpenSSL's name ("P-256", "ED25519").
 */
MUST_USE CK_RV foreign_key(CK_KEY_TYPE type, CK_ULONG size, const char *curve, struct attrs *ret);

#endif
