/* Taking objects of a managed group away: a tombstone first, then the replicas; and purging what was kept for
 * recovery. */
#ifndef REPLICA_DESTROY_H
#define REPLICA_DESTROY_H

#include "replica/managed.h"

/* A token object. CKR_OK when the tombstone is durable; members that are away lose it before they serve
 * again. */
MUST_USE CK_RV destroy_object(struct managed *managed, struct object *object);
/* Purges records that were destroyed longer ago than `soft-delete`: their wrapped keys are overwritten. */
void destroy_expired(struct managed *managed);

#endif
