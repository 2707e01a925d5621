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
/* On the keeper's thread, when the member answers: closes what was dropped, and what is still open there of
 * older epochs. For a second or so: what is left then it is woken for. */
void pool_close(struct member *member);
/* On the keeper's thread: drops what has been idle for long; closes while the member works. */
void pool_tidy(struct member *member);
/* Runner `inline`: when the oldest call that is still inside began (clock_coarse); 0 = none. */
uint64_t pool_oldest_call(struct member_pool *pool);

#endif
