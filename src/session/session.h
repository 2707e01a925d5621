/*
 * Virtual sessions. A thread takes a session for the time of a call; a second one waits until it is given
 * back. Closing never waits: a call that is inside goes on, and what the session holds is released after it.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "session/operation.h"

struct session {
    struct table_item item; /* its handle */
    struct token *token;
    CK_FLAGS flags;
    CK_VOID_PTR application;
    CK_NOTIFY notify;
    struct busy busy;
    _Atomic bool closed;
    uint32_t logouts;               /* of the token, when the call that is inside began; under busy */
    struct operation *op[OP_KINDS]; /* made at their first use */
};

/* CKR_SESSION_READ_WRITE_SO_EXISTS, CKR_SESSION_COUNT when the table is full. */
MUST_USE CK_RV session_open(struct token *token, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                            CK_SESSION_HANDLE *ret);
/* Its operations and session objects end; with the token's last one the application is logged out, which
 * waits until the deadline for what is still being put on members. */
MUST_USE CK_RV session_close(struct table *sessions, CK_SESSION_HANDLE handle);
void session_close_all(struct token *token, uint64_t deadline);

/* For this thread only, and referenced, until session_give. CKR_SESSION_HANDLE_INVALID; CKR_OPERATION_ACTIVE
 * if another thread does not give it back in time. */
MUST_USE CK_RV session_take(struct table *sessions, CK_SESSION_HANDLE handle, struct session **ret);
void session_give(struct session *session);
/* Referenced only: for what does not touch operations. */
MUST_USE struct session *session_ref(struct table *sessions, CK_SESSION_HANDLE handle);
void session_unref(struct session *session);
AUTO_DEFINE(session_unref, struct session)

static inline bool session_is_rw(const struct session *session)
{
    return session->flags & CKF_RW_SESSION;
}
CK_STATE session_state(const struct session *session);
/* The operation of that kind, made if need be. CKR_HOST_MEMORY. */
MUST_USE CK_RV session_operation(struct session *session, enum op_kind kind, struct operation **ret);
/* May an object with these marks be made or changed here? CKR_SESSION_READ_ONLY, CKR_USER_NOT_LOGGED_IN. */
MUST_USE CK_RV session_may_write(const struct session *session, bool token, bool private);

#endif
