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

/* May that be changed, as far as it is kept here? CKR_ACTION_PROHIBITED, CKR_ATTRIBUTE_READ_ONLY,
 * CKR_ATTRIBUTE_TYPE_INVALID for a nested template. */
MUST_USE CK_RV change_may(const struct attrs *now, const CK_ATTRIBUTE *templ, CK_ULONG count);

#endif
