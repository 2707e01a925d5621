/*
 * External groups: the vendor keeps the tokens alike. What a find on one member shows is mapped to logical
 * objects by identity; a replica on another member is found by the same identity, and where several
 * candidates remain the proof decides.
 */
#ifndef REPLICA_EXTERNAL_H
#define REPLICA_EXTERNAL_H

#include "router/group.h"

/* group_hooks.resolve, with the group as ctx. */
MUST_USE CK_RV external_resolve(void *ctx, struct object *object, struct member *member, uint64_t deadline,
                                CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV external_find(struct group *group, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                             CK_OBJECT_HANDLE **ret, size_t *ret_count);
/* Keys and objects made by one member; token objects once: the vendor brings them to the others. */
struct frame;
struct external_making {
    struct frame *frame; /* owned by the callee */
    enum work_class work;
    CK_MECHANISM_TYPE mech;
    struct object *key[FRAME_KEYS]; /* whose handles go into the frame */
    const CK_MECHANISM *given;      /* its parameter's outputs go there; NULL: none */
    uint8_t *out;                   /* as in struct creation */
    CK_ULONG *out_len;
    bool token[2];
    unsigned objects;
    uint32_t session;
    uint64_t timeout;
};
MUST_USE CK_RV external_make(struct group *group, struct external_making *making, CK_OBJECT_HANDLE *ret);

#endif
