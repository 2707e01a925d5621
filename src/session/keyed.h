/*
 * Digests that keys go into (C_DigestKey). A key whose value may be read is hashed here; any other one only a
 * member can feed, so the digest moves there, with all that was fed before.
 */
#ifndef SESSION_KEYED_H
#define SESSION_KEYED_H

#include "session/operation.h"

/* CKR_KEY_INDIGESTIBLE and CKR_KEY_HANDLE_INVALID leave the digest as it was. */
MUST_USE CK_RV keyed_feed(struct operation *op, struct object *key);
/* A real session on some member, held, that was fed all data and keys up to now. What was fed is still kept.
 */
MUST_USE CK_RV keyed_bring(struct operation *op);

#endif
