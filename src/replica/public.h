/* Public parts, by OpenSSL: what a private key's signature is checked against. Pure but for allocation. */
#ifndef REPLICA_PUBLIC_H
#define REPLICA_PUBLIC_H

#include "call/attrs.h"

/* The attributes of a public part: MODULUS and PUBLIC_EXPONENT, EC_PARAMS and EC_POINT, or PRIME, SUBPRIME,
 * BASE and VALUE. */
MUST_USE CK_RV public_part(const struct attrs *public_key, struct attrs *ret);
/* Of a private key that is imported in clear (its own template): computed. CKR_TEMPLATE_INCOMPLETE if that
 * cannot be. */
MUST_USE CK_RV public_of_private(const struct attrs *private_key, struct attrs *ret);
/* Of an EC private key that a token has and that tells no point: `part` has its EC_PARAMS. A signature by
 * CKM_ECDSA fits two public keys, one for each `odd`: the one of `ret`, which gets a copy of part's, and the
 * other. Another signature tells which is right. CKR_TEMPLATE_INCOMPLETE if that cannot be computed. */
MUST_USE CK_RV public_of_signature(const struct attrs *part, const uint8_t *data, size_t len,
                                   const uint8_t *signature, size_t signature_len, bool odd,
                                   struct attrs *ret);
/* Is `signature` (raw, as PKCS#11 gives it: CKM_RSA_PKCS, CKM_ECDSA, CKM_DSA) one of `data` by that key? */
MUST_USE bool public_verifies(const struct attrs *public_part, CK_MECHANISM_TYPE mech, const uint8_t *data,
                              size_t len, const uint8_t *signature, size_t signature_len);

#endif
