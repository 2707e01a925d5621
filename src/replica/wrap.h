/*
 * How a key travels: RFC 5649 under the group key by the member's own mechanism number, or RSA-OAEP under the
 * transport key when its length is not a multiple of 8. All on one given member.
 */
#ifndef REPLICA_WRAP_H
#define REPLICA_WRAP_H

#include "replica/managed.h"

/* Wraps the real (extractable) key of record->attrs into record (wrap, wrapped). CKR_KEY_NOT_WRAPPABLE etc.
 * if this member cannot. */
MUST_USE CK_RV wrap_key(struct managed *managed, struct remote remote, CK_OBJECT_HANDLE key,
                        struct record *record);
/* A session object of the record's key with those attributes. */
MUST_USE CK_RV wrap_restore(struct managed *managed, struct remote remote, const struct record *record,
                            const CK_ATTRIBUTE *templ, size_t count, CK_OBJECT_HANDLE *ret);
/* Would the answer of C_WrapKey mean that such keys can never be replicated (and not that the member is in
 * trouble)? */
bool wrap_never(CK_RV rv);

#endif
