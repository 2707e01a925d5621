/*
 * OpenSSL's digests, in a library context of our own with only its default provider: an application whose own
 * providers lead to p11ha does not come round in a circle.
 */
#ifndef SESSION_DIGESTS_H
#define SESSION_DIGESTS_H

#include <openssl/evp.h>

#include "call/mechs.h"

struct digests;

/* NULL without memory or provider. */
MUST_USE struct digests *digests_new(void);
void digests_free(struct digests *digests);
/* NULL if it is not one that can be computed here. Lives as long as `digests`. */
const EVP_MD *digests_get(const struct digests *digests, CK_MECHANISM_TYPE type);

#endif
