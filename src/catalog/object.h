/*
 * A logical object: what the application sees under one virtual handle, and where its replicas are.
 * Fields set once may be read by anyone who holds a reference; attributes and indexes under the catalogue's
 * lock (catalog.h).
 */
#ifndef CATALOG_OBJECT_H
#define CATALOG_OBJECT_H

#include <stdatomic.h>

#include "base/map.h"
#include "base/table.h"
#include "call/attrs.h"
#include "call/mechs.h"

#define OBJECT_PROVEN 8

/* A real copy on one member. Readers: object_replica. Writers: one at a time (catalog_make_begin). */
struct replica {
    _Atomic uint32_t epoch; /* the member's epoch that the handle is of; 0 = absent */
    _Atomic CK_OBJECT_HANDLE handle;
    _Atomic uint32_t bad; /* epoch in which its proof failed; not looked at again in that epoch */
};

struct object {
    struct table_item item; /* its virtual handle */

    CK_OBJECT_CLASS class;
    CK_ULONG subtype; /* key or certificate type */
    unsigned bits;    /* key size; 0 if not known */
    bool token, private, internal;
    uint32_t session;        /* owner of a session object, virtual handle */
    _Atomic int pinned;      /* index of the one member that it lives on, -1 = replicated */
    uint8_t uuid[16];        /* of a managed group's token object; else zero */
    struct object *original; /* a plain copy shares this one's replicas; referenced */
    void *recipe;            /* how a replica is made: the replica floor's; a session object's is set once */
    void (*recipe_free)(void *recipe);

    struct attrs attrs; /* under the catalogue's lock */
    uint64_t seq, version;

    _Atomic bool partial;                   /* attributes: only what its template said, members know more */
    _Atomic uint32_t uses;                  /* of a session object, as far as the router counts */
    _Atomic uint32_t descendants;           /* session objects whose recipes need this one */
    _Atomic bool gone;                      /* destroyed: nobody makes a replica any more */
    _Atomic bool verified;                  /* its record's seal was checked (for this version) */
    _Atomic bool refused;                   /* its record's seal is wrong */
    _Atomic bool own_id;                    /* another key of its class had its CKA_ID */
    _Atomic uint64_t proven[OBJECT_PROVEN]; /* (kind, mechanism) whose Init a member has accepted */

    struct map_node by_label, by_id, by_uuid;
    struct object *next, *prev; /* the catalogue's list, in order of arrival */
    bool listed;
    unsigned members;
    uint64_t making; /* members on which a replica is being made, one bit each; under LOCK_OBJECT */
    struct replica replica[];
};

MUST_USE struct object *object_new(unsigned members);
static inline struct object *object_of(struct table_item *item)
{
    return item ? container_of(item, struct object, item) : NULL;
}
static inline struct object *object_ref(struct object *object)
{
    table_reref(&object->item);
    return object;
}
static inline void object_unref(struct object *object)
{
    if (object)
        table_unref(&object->item);
}
AUTO_DEFINE(object_unref, struct object)

/* Takes over `attrs` (which is emptied) and derives class, subtype, bits, token, private from it. */
void object_set_attrs(struct object *object, struct attrs *attrs);

/* The object whose replicas count: itself, or what it is a plain copy of. */
static inline struct object *object_base(struct object *object)
{
    return object->original ? object->original : object;
}

/* True with the real handle if there is one of this epoch. */
bool object_replica(struct object *object, unsigned member, uint32_t epoch, CK_OBJECT_HANDLE *ret_handle);
void object_set_replica(struct object *object, unsigned member, uint32_t epoch, CK_OBJECT_HANDLE handle);
void object_drop_replica(struct object *object, unsigned member);
/* The same, for whoever destroys it: true, with the real handle, for one caller only. */
bool object_take_replica(struct object *object, unsigned member, uint32_t epoch,
                         CK_OBJECT_HANDLE *ret_handle);

/* Was this Init accepted once? `mark` is not 0. */
bool object_is_proven(const struct object *object, uint64_t mark);
void object_set_proven(struct object *object, uint64_t mark);

#endif
