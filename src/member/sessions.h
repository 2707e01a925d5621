/* The pool's inside, for the member folder. See member.h for what others use. */
#ifndef MEMBER_SESSIONS_H
#define MEMBER_SESSIONS_H

#include "member/member.h"

MUST_USE struct member_pool *pool_new(unsigned limit);
void pool_free(struct member_pool *pool);
/* A session whose frame was abandoned: the lane closes it. */
void pool_forget(struct member *member, struct real_session *session);
/* Sessions of epoch `seen` are of the next one from now on. Under the member's lock. */
void pool_carry(struct member_pool *pool, uint32_t seen);
/* On the keeper's thread: closes what was dropped, what has been idle for long, and, while the member works,
 * what is still open there of older epochs. */
void pool_tidy(struct member *member, uint64_t deadline);
/* Runner `inline`: when the oldest call that is still inside began (clock_coarse); 0 = none. */
uint64_t pool_oldest_call(struct member_pool *pool);

#endif
