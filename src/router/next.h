/* Who of the group does a call next, and for how long; the waiting when nobody can at the moment. */
#ifndef ROUTER_NEXT_H
#define ROUTER_NEXT_H

#include "router/route.h"

/* So often a session object is used where it is. What is used more is worth a replica elsewhere, which costs
 * a call or more; what is used once and forgotten, as in a handshake, is not. */
#define ROUTE_USES_AT_HOME 32

/* Members that have failed in this call, as bits. */
struct tried {
    uint64_t members;
    uint64_t forgiven; /* have come back since and may be asked once more */
};

/*
 * A usable one; else one that comes up in time; else whoever failed longest ago; and when all have failed
 * just now, who recovers first, which is waited for. Until when it may take, so that the others still have
 * their turn, is in *ret_deadline. NULL: there is none, or none before the route's deadline. No lock is held.
 */
struct member *next_member(struct group *group, const struct route *route, struct tried *tried,
                           uint64_t *ret_deadline);

/* How many of route->key may be there at all. */
static inline unsigned route_keys(const struct route *route)
{
    return route->frame->inners ? FRAME_KEYS : 2;
}

#endif
