/*
 * The catalogue of a group: which objects exist, indexed by handle, label, id and uuid. Knows neither members
 * nor the vault. Lock: LOCK_CATALOG for attributes, lists and indexes; LOCK_OBJECT for who is making a
 * replica. No call to a member inside.
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "catalog/object.h"

struct catalog;

MUST_USE struct catalog *catalog_new(unsigned members);
/* Drops all objects. */
void catalog_free(struct catalog *catalog);
unsigned catalog_members(const struct catalog *catalog);

/* Adds it and gives it its handle; the caller keeps its own reference. If one with its uuid is there already,
 * *object becomes that one, and the caller's reference passes over. CKR_HOST_MEMORY. */
MUST_USE CK_RV catalog_add(struct catalog *catalog, struct object **object);
/* Takes it out: its handle is dead at once, `gone` is set. Those who hold a reference may go on reading it.
 */
void catalog_remove(struct catalog *catalog, struct object *object);
/* Counted, or NULL. Internal objects are found too: entries hide them by object_visible. */
MUST_USE struct object *catalog_ref(struct catalog *catalog, CK_OBJECT_HANDLE handle);
MUST_USE struct object *catalog_by_uuid(struct catalog *catalog, const uint8_t uuid[16]);

/* May this application see it now? */
bool object_visible(const struct object *object, bool logged_in);

/* Handles of all visible objects that match, in order of arrival; *ret (mem_free), *ret_count.
 * CKR_HOST_MEMORY. */
MUST_USE CK_RV catalog_find(struct catalog *catalog, const CK_ATTRIBUTE *templ, CK_ULONG count,
                            bool logged_in, CK_OBJECT_HANDLE **ret, size_t *ret_count);
/* How many live token objects carry the same identity (identity.h) as this one, itself included; `own`: those
 * too that have an id of their own on some members. */
size_t catalog_twins(struct catalog *catalog, const struct object *object, bool own);
/* Has another key on the token, of the same class, that CKA_ID? `by`: the one that is to have it, or NULL. */
bool catalog_id_is_taken(struct catalog *catalog, const struct attrs *attrs, const struct object *by);
/* A copy of the object's attributes. */
MUST_USE CK_RV catalog_attrs(struct catalog *catalog, const struct object *object, struct attrs *ret);
/* Replaces them (attrs is emptied) with their seq and version; indexes follow. */
void catalog_set_attrs(struct catalog *catalog, struct object *object, struct attrs *attrs, uint64_t seq,
                       uint64_t version);
/* More of its attributes have become known (attrs is emptied); what it is does not change. */
void catalog_learn(struct catalog *catalog, struct object *object, struct attrs *attrs);
/* Visits every object (referenced, no lock held) until visit returns false. */
void catalog_each(struct catalog *catalog, bool (*visit)(struct object *object, void *ctx), void *ctx);
size_t catalog_count(struct catalog *catalog);
/* How many session objects there are; no lock. */
size_t catalog_session_objects(const struct catalog *catalog);
/* The object with that replica, or NULL. Linear: for external groups' finds. */
MUST_USE struct object *catalog_by_replica(struct catalog *catalog, unsigned member, uint32_t epoch,
                                           CK_OBJECT_HANDLE handle);

/*
 * One thread at a time makes an object's replica on a member: true if the caller is to do it (then
 * catalog_make_end), false if another one has just done so or the deadline passed (look again by
 * object_replica).
 */
MUST_USE bool catalog_make_begin(struct catalog *catalog, struct object *object, unsigned member,
                                 uint64_t deadline);
void catalog_make_end(struct catalog *catalog, struct object *object, unsigned member);

#endif
