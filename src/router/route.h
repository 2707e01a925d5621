/*
 * The loop: pick a member, run the frame there, take the verdict, answer or go on with the next. The only way
 * by which an application's call reaches a member.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "call/names.h"
#include "router/group.h"
#include "router/verdict.h"

struct route {
    struct frame
        *frame; /* owned by the caller (one reference); replaced by a clone when one had to be left behind */
    struct object *key[FRAME_KEYS]; /* whose real handles go into the frame; NULL = none */
    enum work_class work;
    CK_MECHANISM_TYPE mech; /* that the member must offer; CK_UNAVAILABLE_INFORMATION = any */
    CK_FLAGS flags;         /* and that its information of the mechanism must have */
    uint64_t deadline;
    int only;       /* index of the one member that may do it, -1 = any */
    uint64_t avoid; /* members (bits) that must not */
    bool once;      /* not repeated once it may have been executed */
    bool kept;      /* in the keeper session: it makes a session object */
    bool hold;      /* on success the real session stays with the caller: an operation runs in it */

    struct member *member;        /* who did it */
    uint32_t epoch;               /* of the member, in which it was done */
    struct real_session *session; /* with `hold` */
    unsigned attempts;
    uint32_t falls; /* the member's, before the last attempt */
    bool sent;      /* the last attempt came so far that the call itself was handed over */
};

/* A member, by its index, in sets like `avoid`. */
static inline uint64_t route_bit(unsigned index)
{
    return UINT64_C(1) << index;
}

void route_init(struct route *route, struct frame *frame, enum work_class work, uint64_t deadline);
/* CKR_OK or the application's answer. Never an RV_ of call/rv.h but RV_GONE. */
MUST_USE CK_RV route_run(struct group *group, struct route *route);

/*
 * The next step of an operation that runs in a held session. What the member said; *ret_class what that
 * means. Unless it is ERROR_NONE or ERROR_APPLICATION the session has been let go, the member was told of,
 * and the operation must be replayed elsewhere (or fails).
 */
MUST_USE CK_RV route_continue(struct group *group, struct member *member, struct real_session *session,
                              struct frame *frame, uint64_t deadline, enum error_class *ret_class);

/* The same with the real handle of `key` there in the frame; found or made if need be. */
MUST_USE CK_RV route_continue_key(struct group *group, struct member *member, struct real_session *session,
                                  struct object *key, struct frame *frame, uint64_t deadline,
                                  enum error_class *ret_class);

/* Names RV_ values too. */
const char *route_rv_name(CK_RV rv, struct name_buf *buf);

#endif
