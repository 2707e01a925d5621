/*
 * The CKA_ID of a key's replica. Not every token keeps two keys of one class with one CKA_ID apart: softokn
 * writes the second over the first. There the replica of a record with RECORD_OWN_ID has its uuid instead.
 * And a key that no proof tells from others has it on all members: it is found by nothing else.
 */
#ifndef REPLICA_NAMING_H
#define REPLICA_NAMING_H

#include "replica/managed.h"
#include "replica/remote.h"

/* Does the token write such keys over each other? Found out once, with two small keys, and only where it has
 * to be known. */
MUST_USE CK_RV naming_find_out(struct managed *managed, struct remote remote, bool *ret);
/* The uuid is the CKA_ID of its replicas wherever they are. */
bool naming_is_uuid(const struct record *record);
/* Takes RECORD_OWN_ID off a view of a record where the member needs no such name. */
MUST_USE CK_RV naming_settle(struct managed *managed, struct remote remote, struct record *view);
/* What RECORD_OWN_ID does to a template for a member, which has room for `max`; returns its count. */
size_t naming_apply(const struct record *record, CK_ATTRIBUTE *templ, size_t count, size_t max);

#endif
