/*
 * Recipes: how a session object's replica is made on a member that has none. Either the call that made the
 * object is made once more there, with the base objects' replicas of that member (lineage), or the key comes
 * out of a record that is kept in memory (a generated key, wrapped under the group key: rescue.h). A recipe
 * holds references to its base objects, so that these serve their descendants after they were destroyed.
 */
#ifndef REPLICA_RECIPE_H
#define REPLICA_RECIPE_H

#include "replica/managed.h"

/* A chain of derivations that is longer ends in a key without lineage. */
#define RECIPE_DEPTH 16

enum recipe_sort { RECIPE_NONE, RECIPE_CALL, RECIPE_RECORD };

struct recipe {
    _Atomic int sort; /* enum recipe_sort; a rescue turns NONE into RECORD, nothing else changes it */
    struct frame *call;
    unsigned which; /* of what the call makes: 0 the key itself, n the n-th handle in its parameter */
    struct object *key[FRAME_KEYS]; /* whose handles go into the call, in order; referenced */
    unsigned depth;
    struct record record;
    struct attrs public_part; /* of a private key, where it is known: for the key's copy to the token */

    _Atomic bool
        rescuing;         /* its wrapping is under way: the job destroys the real object if it is gone then */
    _Atomic bool told;    /* that it is lost */
    struct lock lock;     /* LOCK_OBJECT */
    struct attrs changes; /* set since it was made, under `lock` */
};

/* NULL for token objects and plain copies. */
static inline struct recipe *recipe_of(const struct object *object)
{
    return object->token || object->original ? NULL : object->recipe;
}

/* Of a key that no call makes again. NULL without memory. */
MUST_USE struct recipe *recipe_new(void);
/* Keeps the frame and the objects (references of its own); key NULL: the call needs none. */
MUST_USE struct recipe *recipe_of_call(struct frame *call, unsigned which, struct object *const *key);
/* C_CreateObject with these attributes: for public keys. */
MUST_USE struct recipe *recipe_of_attrs(const struct attrs *attrs);
/* Takes it over (object not shared yet). NULL: the object has none. */
void recipe_give(struct object *object, struct recipe *recipe);
void recipe_free(struct recipe *recipe);
AUTO_DEFINE(recipe_free, struct recipe)

/* How long a recipe that needs these would be; 1 with token objects only. */
unsigned recipe_depth(struct object *const key[FRAME_KEYS]);
/*
 * Makes the session object on the member: its real handle. RV_NOT_HERE if it cannot be made there. managed
 * may be NULL with sync = external. Not recorded as a replica.
 */
MUST_USE CK_RV recipe_make(struct group *group, struct managed *managed, struct object *object,
                           struct remote remote, CK_OBJECT_HANDLE *ret);
/* The same by its call, but extractable, so that it can be wrapped. RV_NOT_HERE: it has no such call. */
MUST_USE CK_RV recipe_make_extractable(struct managed *managed, struct object *object, struct remote remote,
                                       CK_OBJECT_HANDLE *ret);
/* What the application has set on the object; for the replicas to come. */
MUST_USE CK_RV recipe_note_change(struct recipe *recipe, const CK_ATTRIBUTE *templ, CK_ULONG count);

#endif
