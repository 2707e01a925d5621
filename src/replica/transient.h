/*
 * Session objects: made on one member, brought to others when they are needed there (recipe.h), gone from all
 * of them with their session.
 */
#ifndef REPLICA_TRANSIENT_H
#define REPLICA_TRANSIENT_H

#include "replica/recipe.h"

/* The part of group_hooks.resolve for session objects. managed may be NULL with sync = external. */
MUST_USE CK_RV transient_resolve(struct group *group, struct managed *managed, struct object *object,
                                 struct member *member, uint64_t deadline, CK_OBJECT_HANDLE *ret);
/*
 * An object that a call has just made on route->member, its own handle `real`. `recipe` (taken over, also on
 * failure; may be NULL) decides whether it is pinned there; `attrs` is emptied. Its virtual handle in *ret,
 * and a reference in *ret_object if that is not NULL.
 */
struct made {
    struct member *member;
    uint32_t epoch;
    CK_OBJECT_HANDLE real;
    uint32_t session; /* virtual, the owner */
    bool partial;     /* attrs are not all */
};
MUST_USE CK_RV transient_add(struct group *group, const struct made *made, struct attrs *attrs,
                             struct recipe *recipe, CK_OBJECT_HANDLE *ret, struct object **ret_object);
/* Gone for the application at once, and from every member that can be reached. */
void transient_destroy(struct group *group, struct object *object);
/* Its real object on that member, if it is still there and nobody else removes it. */
void transient_remove(struct object *object, struct member *member, uint64_t deadline);
/* C_SetAttributeValue, on every member that has it. */
MUST_USE CK_RV transient_set(struct group *group, struct object *object, const CK_ATTRIBUTE *templ,
                             CK_ULONG count);
/* Reads what only members know of it, so that it can be found by it. Best effort. */
void transient_complete(struct group *group, struct object *object);
/*
 * Before a token object is destroyed: the session objects that need it for their lineage are made on all
 * members that can be used, as long as they can be.
 */
void transient_spread(struct group *group, struct object *base);
/* The application has logged out: public session objects keep their handles (members have not forgotten
 * them).
 */
void transient_carry(struct group *group);

#endif
