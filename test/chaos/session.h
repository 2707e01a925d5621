/*
 * The real sessions that are open, and which token each leads to. A call holds its session, so that a session
 * that is to be lost is closed under nobody: a lost one answers CKR_SESSION_HANDLE_INVALID at once and is
 * closed when the last call leaves.
 */
#ifndef CHAOS_SESSION_H
#define CHAOS_SESSION_H

#include <stdbool.h>

#include "pkcs11-headers/pkcs11.h"
#include "test/chaos/token.h"

struct session;

/* Held; NULL if chaos does not know it. session_drop when the call is over. */
struct session *session_hold(CK_SESSION_HANDLE handle);
/* A new one, or the known one of that handle; held. NULL without memory. */
struct session *session_add(CK_SESSION_HANDLE handle, struct token *token);
/* True: it was lost and nobody holds it any more; the caller closes the real one (*ret_handle). */
bool session_drop(struct session *session, CK_SESSION_HANDLE *ret_handle);

struct token *session_token(const struct session *session);
bool session_is_lost(struct session *session);

/* The real one was closed: this one (held), all of a token, all there are. */
void session_closed(struct session *session);
void session_closed_all(const struct token *token);
void session_closed_everywhere(void);

/* Loses all of a token's sessions; calls close for those that nobody holds, with no lock taken. */
void session_lose(const struct token *token, void (*close)(CK_SESSION_HANDLE));
/* Some open session of the token; CK_INVALID_HANDLE if there is none. */
CK_SESSION_HANDLE session_any(const struct token *token);

/* In a forked child, before anything else: the parent's are forgotten (not freed), the module is asked about
 * them anew. */
void session_forked(void);

#endif
