/*
 * Placing: a record's replicas made or removed on several members at once, on their keepers' threads.
 */
#ifndef REPLICA_PLACE_H
#define REPLICA_PLACE_H

#include "replica/managed.h"

/*
 * Takes over *record (emptied), which is sealed and written. Live: made on all members of the own region that
 * are up or coming up; answers CKR_OK when `copies` have it, the others follow by themselves;
 * CKR_DEVICE_ERROR when the deadline passed before, and the members' answer at once when too many refuse the
 * object as such. Otherwise: removed from all that can be reached, and
 * waits for those. When the last member is done the write lease ends.
 */
MUST_USE CK_RV place_record(struct managed *managed, struct record *record, struct object *object,
                            unsigned copies, uint64_t deadline);

/* Waits until nothing is being placed any more: before a logout, which would leave it half done. */
void place_settle(struct managed *managed, uint64_t deadline);

#endif
