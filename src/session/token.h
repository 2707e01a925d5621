/*
 * A virtual token as the application holds it: its sessions and who is logged in. Login is the token's, never
 * a session's, and CK_STATE follows from it. Lock: LOCK_GROUP for the counts; a login or logout under way
 * keeps other ones out by being busy.
 */
#ifndef SESSION_TOKEN_H
#define SESSION_TOKEN_H

#include "base/lock.h"
#include "base/table.h"
#include "replica/store.h"
#include "session/busy.h"
#include "session/digests.h"

enum token_login { LOGIN_NONE, LOGIN_USER, LOGIN_SO };

struct token {
    const struct config_group *config;
    struct store *store; /* NULL: its group could not be made; the slot has no token */
    struct group *group;
    struct table *sessions;  /* of the whole runtime */
    struct digests *digests; /* of the whole runtime */

    _Atomic uint32_t turns_told; /* of group->turns, those that C_WaitForSlotEvent has told */

    struct busy logging;
    _Atomic uint32_t login; /* enum token_login */
    _Atomic uint32_t logouts;

    struct lock lock;
    unsigned count, count_rw;
    bool so_coming; /* C_Login of the SO is under way: no new R/O session */
};

/* Takes over nothing. The store comes later, or never. */
void token_init(struct token *token, const struct config_group *config, struct table *sessions,
                struct digests *digests);
void token_end(struct token *token);

static inline enum token_login token_login(const struct token *token)
{
    return (enum token_login)atomic_load_explicit(&token->login, memory_order_acquire);
}
/* The application is CKU_USER: it sees private objects. */
static inline bool token_user_in(const struct token *token)
{
    return token_login(token) == LOGIN_USER;
}
/* Has it become present or absent since this was asked last? Each time is told to one caller. */
bool token_has_event(struct token *token);
/*
 * Around a login, a logout and a change of the PIN: one at a time. False: the others took longer than twice
 * the time of a call. They ask every member, each with a deadline of its own.
 */
MUST_USE bool token_logging_take(struct token *token);
void token_logging_give(struct token *token);
void token_counts(struct token *token, CK_ULONG *ret_sessions, CK_ULONG *ret_rw);

#endif
