/*
 * One object's replica on one member: found, proved, made, brought in line, destroyed. Idempotent: what is
 * there already is used.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "replica/managed.h"

/*
 * The router's way to a real handle (group_hooks.resolve): group keys, session objects, managed token
 * objects. One thread at a time per object and member.
 */
MUST_USE CK_RV replica_resolve(struct managed *managed, struct object *object, struct member *member,
                               uint64_t deadline, CK_OBJECT_HANDLE *ret);

/* The record's replica on the member, proved, whatever its attributes are now. CKR_OBJECT_HANDLE_INVALID:
 * there is none. */
MUST_USE CK_RV replica_find(struct managed *managed, struct remote remote, const struct record *record,
                            struct object *object, CK_OBJECT_HANDLE *ret);
/* Makes one, proves it before it is on the token. */
MUST_USE CK_RV replica_make(struct managed *managed, struct remote remote, const struct record *record,
                            CK_OBJECT_HANDLE *ret);
/* The same as a session object, which the caller destroys: would it go? */
MUST_USE CK_RV replica_rehearse(struct managed *managed, struct remote remote, const struct record *record,
                                CK_OBJECT_HANDLE *ret);
/* Finds or makes it, and brings its attributes in line with the record. */
MUST_USE CK_RV replica_ensure(struct managed *managed, struct remote remote, const struct record *record,
                              struct object *object, CK_OBJECT_HANDLE *ret);
/* Gone from the member when CKR_OK. `twins` = how many other live objects have the same identity: their
 * replicas stay. */
MUST_USE CK_RV replica_remove(struct managed *managed, struct remote remote, const struct record *record,
                              size_t twins);

#endif
