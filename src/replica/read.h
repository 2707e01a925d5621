/* C_GetAttributeValue: what is known here is answered here, the rest is asked of a member. */
#ifndef REPLICA_READ_H
#define REPLICA_READ_H

#include "router/group.h"

MUST_USE CK_RV read_attributes(struct group *group, struct object *object, CK_ATTRIBUTE *templ,
                               CK_ULONG count);

#endif
