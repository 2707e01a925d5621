#include "session/session.h"

#include "base/clock.h"
#include "base/mem.h"
#include "session/login.h"

static struct session *session_of(struct table_item *item)
{
    return item ? container_of(item, struct session, item) : NULL;
}

static void free_session(struct table_item *item)
{
    struct session *session = session_of(item);
    for (int kind = 0; kind < OP_KINDS; kind++)
        operation_free(session->op[kind]);
    mem_free(session);
}

/* One session more, if the token lets it. */
static CK_RV count_in(struct token *token, bool rw)
{
    CK_RV rv = CKR_OK;
    lock_take(&token->lock);
    if (!rw && (token->so_coming || token_login(token) == LOGIN_SO)) {
        rv = CKR_SESSION_READ_WRITE_SO_EXISTS;
    } else {
        token->count++;
        token->count_rw += rw;
    }
    lock_drop(&token->lock);
    return rv;
}

/* True: it was the last one. */
static bool count_out(struct token *token, bool rw)
{
    lock_take(&token->lock);
    token->count--;
    token->count_rw -= rw;
    bool last = token->count == 0;
    lock_drop(&token->lock);
    return last;
}

CK_RV session_open(struct token *token, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                   CK_SESSION_HANDLE *ret)
{
    bool rw = flags & CKF_RW_SESSION;
    struct session *session = mem_new(1, sizeof(*session));
    if (!session)
        return CKR_HOST_MEMORY;
    session->item.free = free_session;
    session->item.refs = 1; /* it may be closed before we have returned its handle */
    session->token = token;
    session->flags = flags;
    session->application = application;
    session->notify = notify;
    CK_RV rv = count_in(token, rw);
    if (rv != CKR_OK) {
        mem_free(session);
        return rv;
    }
    if (table_add(token->sessions, &session->item) != 0) {
        (void)count_out(token, rw);
        mem_free(session);
        return CKR_SESSION_COUNT;
    }
    *ret = session->item.handle;
    session_unref(session);
    return CKR_OK;
}

/* False: another thread was first. */
static bool close_one(struct session *session, uint64_t deadline)
{
    struct token *token = session->token;
    if (!table_remove(token->sessions, &session->item))
        return false;
    atomic_store(&session->closed, true);
    store_end_session(token->store, session->item.handle, false);
    if (count_out(token, session_is_rw(session)))
        login_end_last(token, deadline);
    return true;
}

CK_RV session_close(struct table *sessions, CK_SESSION_HANDLE handle)
{
    AUTO(session_unref) struct session *session = session_ref(sessions, handle);
    uint64_t deadline = session ? clock_after(session->token->config->call_timeout) : 0;
    return session && close_one(session, deadline) ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

struct closing {
    const struct token *token;
    uint64_t deadline;
};

static bool close_if_of(struct table_item *item, void *ctx)
{
    const struct closing *closing = ctx;
    struct session *session = session_of(item);
    if (session->token == closing->token)
        (void)close_one(session, closing->deadline);
    return true;
}

void session_close_all(struct token *token, uint64_t deadline)
{
    struct closing closing = {token, deadline};
    table_each(token->sessions, close_if_of, &closing);
}

struct session *session_ref(struct table *sessions, CK_SESSION_HANDLE handle)
{
    return session_of(table_ref(sessions, handle));
}

void session_unref(struct session *session)
{
    if (session)
        table_unref(&session->item);
}

CK_RV session_take(struct table *sessions, CK_SESSION_HANDLE handle, struct session **ret)
{
    struct session *session = session_ref(sessions, handle);
    if (!session)
        return CKR_SESSION_HANDLE_INVALID;
    if (!busy_take(&session->busy, session->token->config->call_timeout)) {
        session_unref(session);
        return CKR_OPERATION_ACTIVE;
    }
    if (atomic_load_explicit(&session->closed, memory_order_acquire)) {
        session_give(session);
        return CKR_SESSION_HANDLE_INVALID;
    }
    session->logouts = atomic_load(&session->token->logouts);
    *ret = session;
    return CKR_OK;
}

void session_give(struct session *session)
{
    struct token *token = session->token;
    /* Closed, or logged out, meanwhile: what this call has made in it goes too. */
    if (atomic_load(&session->closed))
        store_end_session(token->store, session->item.handle, false);
    else if (atomic_load(&token->logouts) != session->logouts)
        store_end_session(token->store, session->item.handle, true);
    busy_give(&session->busy);
    session_unref(session);
}

CK_STATE session_state(const struct session *session)
{
    bool rw = session_is_rw(session);
    switch (token_login(session->token)) {
    case LOGIN_USER:
        return rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
    case LOGIN_SO:
        return CKS_RW_SO_FUNCTIONS;
    default:
        return rw ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
    }
}

CK_RV session_operation(struct session *session, enum op_kind kind, struct operation **ret)
{
    if (!session->op[kind])
        session->op[kind] = operation_new(session->token, kind);
    if (!session->op[kind])
        return CKR_HOST_MEMORY;
    *ret = session->op[kind];
    return CKR_OK;
}

CK_RV session_may_write(const struct session *session, bool token, bool private)
{
    if (private && !token_user_in(session->token))
        return CKR_USER_NOT_LOGGED_IN;
    if (token && !session_is_rw(session))
        return CKR_SESSION_READ_ONLY;
    return CKR_OK;
}
