/* PINs and initialisation of one member. Each is one attempt; repeating is the caller's. */
#ifndef MEMBER_PINS_H
#define MEMBER_PINS_H

#include "member/member.h"

struct pin {
    const uint8_t *data;
    size_t len;
};

/* Of whoever the member is signed on as; of the user if it is not. What C_SetPIN said, or RV_... of
 * call/rv.h. */
MUST_USE CK_RV member_set_pin(struct member *member, struct pin old, struct pin new, uint64_t deadline);
/* The user's; signed on as the SO. */
MUST_USE CK_RV member_init_pin(struct member *member, struct pin pin, uint64_t deadline);
/* Keeps the token's label, by which the member is found. All its sessions end; a new epoch. */
MUST_USE CK_RV member_init_token(struct member *member, struct pin so_pin, uint64_t deadline);
/* It answers now: its token is there. */
MUST_USE CK_RV member_is_there(struct member *member, uint64_t deadline);
/* Its PIN is another one now: what it refused before says nothing any more. */
void member_forget_refused(struct member *member);

#endif
