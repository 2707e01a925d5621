/* Making objects in a managed group, by the protocol of the design: tried out as session objects, wrapped,
 * recorded, placed. */
#ifndef REPLICA_CREATE_H
#define REPLICA_CREATE_H

#include "replica/managed.h"

/* One object that is being made: what was asked, what it is on the member where it was tried out, its record.
 */
struct making {
    const CK_ATTRIBUTE *asked;
    CK_ULONG count;
    bool token;
    CK_OBJECT_HANDLE real;      /* the session object on remote.member */
    CK_OBJECT_HANDLE published; /* the token object there, of a key that is pinned */
    struct attrs attrs;         /* as the application will see them */
    struct record record;
};
void making_end(struct making *making);

/*
 * Reads the tried-out object and fills in attrs and, for a token object, the record: wrapped key, proof,
 * public part. `public_attrs`: of the public half of a pair, or NULL. CKR_KEY_NOT_WRAPPABLE and the like
 * (wrap_never) if it cannot be replicated.
 */
MUST_USE CK_RV making_describe(struct managed *managed, struct remote remote, struct making *making,
                               const struct attrs *public_attrs);
/* Records and places a described token object; its virtual handle in *ret. */
MUST_USE CK_RV making_place(struct managed *managed, struct making *making, unsigned flags,
                            CK_OBJECT_HANDLE *ret);
/*
 * A session object of the making stays on the member, and a token object of an external group is known from
 * there: its virtual handle in *ret. `call` is what made it. managed is NULL with sync = external.
 */
struct origin {
    struct frame *call;
    struct member *member;
    uint32_t epoch, session;
};
MUST_USE CK_RV making_keep(struct group *group, struct managed *managed, const struct origin *origin,
                           struct making *making, CK_OBJECT_HANDLE *ret);

/* `frame` of a call that makes a session object (VERB_GENERATE_PAIR: two); owned by the callee. */
struct creation {
    struct frame *frame;
    struct object *key[FRAME_KEYS]; /* whose handles go into the frame */
    enum work_class work;
    CK_MECHANISM_TYPE mech;    /* CK_UNAVAILABLE_INFORMATION for C_CreateObject */
    const CK_MECHANISM *given; /* its parameter's outputs go there; NULL: none */
    uint8_t *out;              /* and the frame's own output there, which has room for as much */
    CK_ULONG *out_len;         /* NULL: it has none */
    struct making *making[2];
    unsigned makings;
    uint32_t session;
    unsigned flags; /* enum record_flags */
    uint64_t timeout;
};
MUST_USE CK_RV create_objects(struct managed *managed, struct creation *creation, CK_OBJECT_HANDLE ret[2]);

#endif
