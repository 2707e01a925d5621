/*
 * Rescue: a session key that was generated on a member, and that no call makes again, is wrapped under the
 * group key in the background, so that it outlives that member (`session-keys = recoverable`).
 */
#ifndef REPLICA_RESCUE_H
#define REPLICA_RESCUE_H

#include "replica/recipe.h"

/*
 * Before the object is in the catalogue: from now on only the job of rescue_begin removes the real object.
 * Then rescue_begin, with the member and epoch where it is. The key must be extractable there.
 */
void rescue_expect(struct recipe *recipe);
void rescue_begin(struct managed *managed, struct object *object, struct member *home, uint32_t epoch);

#endif
