/*
 * Catch-up: every record behind a member's synced_seq, in order: its replica made, changed or destroyed
 * there, then the mark moves on. Idempotent, resumable, one worker at a time (a lease in the vault).
 */
#ifndef REPLICA_CATCHUP_H
#define REPLICA_CATCHUP_H

#include "replica/managed.h"

/* On the member's keeper thread. CKR_OK when it is at the vault's head; else what stopped it. */
MUST_USE CK_RV catchup_member(struct managed *managed, struct member *member);
/* Applies one record (its seal is checked) to one member. RV_GONE: the record was refused. */
MUST_USE CK_RV catchup_apply(struct managed *managed, struct remote remote, const struct record *record);
/* Is that answer of catchup_apply one to the record itself? Then to repeat it is no use. */
bool catchup_refused(CK_RV rv);
/* How many records the member is behind; 0 at the head. */
MUST_USE CK_RV catchup_lag(struct managed *managed, const struct member *member, uint64_t *ret);

/* Is another process just putting that record on this member, or catching it up? */
bool catchup_elsewhere(struct managed *managed, const struct member *member, uint64_t seq);

#endif
