/* Changing and copying token objects of a managed group. */
#ifndef REPLICA_CHANGE_H
#define REPLICA_CHANGE_H

#include "replica/managed.h"

/* C_SetAttributeValue: tried on one member and read back, then recorded as the next version, then brought to
 * the others. */
MUST_USE CK_RV change_object(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ,
                             CK_ULONG count);
/* C_CopyObject to the token: tried as a session copy on one member; the new record carries the same wrapped
 * key. */
MUST_USE CK_RV change_copy(struct managed *managed, struct object *object, const CK_ATTRIBUTE *templ,
                           CK_ULONG count, CK_OBJECT_HANDLE *ret);

#endif
