#include "test/chaos/session.h"

#include <pthread.h>
#include <stdlib.h>

#define STRIPES 256u

struct session {
    CK_SESSION_HANDLE handle;
    struct token *token;

    struct session *next; /* these four under the stripe's lock */
    unsigned held;
    bool lost;   /* to be closed by whoever drops it last */
    bool linked; /* in the table; when neither linked nor held it is freed */
};

/* A lock of its own each, so that threads with different sessions do not meet. */
static struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct session *first;
} stripes[STRIPES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_stripes(void)
{
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&stripes[i].lock, NULL);
        stripes[i].first = NULL;
    }
}

static struct stripe *stripe_of(CK_SESSION_HANDLE handle)
{
    pthread_once(&once, init_stripes);
    return &stripes[handle % STRIPES];
}

static struct session *find_locked(struct stripe *stripe, CK_SESSION_HANDLE handle)
{
    struct session *at = stripe->first;
    while (at && at->handle != handle)
        at = at->next;
    return at;
}

static void unlink_locked(struct stripe *stripe, struct session *session)
{
    struct session **at = &stripe->first;
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    session->linked = false;
}

struct session *session_hold(CK_SESSION_HANDLE handle)
{
    struct stripe *stripe = stripe_of(handle);
    pthread_mutex_lock(&stripe->lock);
    struct session *session = find_locked(stripe, handle);
    if (session)
        session->held++;
    pthread_mutex_unlock(&stripe->lock);
    return session;
}

struct session *session_add(CK_SESSION_HANDLE handle, struct token *token)
{
    struct session *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return NULL;
    *fresh = (struct session){.handle = handle, .token = token, .held = 1, .linked = true};
    struct stripe *stripe = stripe_of(handle);
    pthread_mutex_lock(&stripe->lock);
    struct session *known = find_locked(stripe, handle);
    if (known) {
        known->held++;
    } else {
        fresh->next = stripe->first;
        stripe->first = fresh;
    }
    pthread_mutex_unlock(&stripe->lock);
    if (!known)
        return fresh;
    free(fresh);
    return known;
}

bool session_drop(struct session *session, CK_SESSION_HANDLE *ret_handle)
{
    struct stripe *stripe = stripe_of(session->handle);
    pthread_mutex_lock(&stripe->lock);
    bool idle = --session->held == 0;
    bool close = idle && session->linked && session->lost;
    if (close)
        unlink_locked(stripe, session);
    bool ended = idle && !session->linked;
    pthread_mutex_unlock(&stripe->lock);
    if (close)
        *ret_handle = session->handle;
    if (ended)
        free(session);
    return close;
}

struct token *session_token(const struct session *session)
{
    return session->token;
}

bool session_is_lost(struct session *session)
{
    struct stripe *stripe = stripe_of(session->handle);
    pthread_mutex_lock(&stripe->lock);
    bool lost = session->lost;
    pthread_mutex_unlock(&stripe->lock);
    return lost;
}

void session_closed(struct session *session)
{
    struct stripe *stripe = stripe_of(session->handle);
    pthread_mutex_lock(&stripe->lock);
    if (session->linked)
        unlink_locked(stripe, session);
    pthread_mutex_unlock(&stripe->lock);
}

/* Unlinks the sessions of the token (NULL: of any) that nobody holds and gives them as a list; others are
 * marked. */
static struct session *take_locked(struct stripe *stripe, const struct token *token, bool lose)
{
    struct session *taken = NULL;
    for (struct session *at = stripe->first, *next; at; at = next) {
        next = at->next;
        if (token && at->token != token)
            continue;
        if (lose && at->held) {
            at->lost = true;
            continue;
        }
        unlink_locked(stripe, at);
        if (at->held)
            continue;
        at->next = taken;
        taken = at;
    }
    return taken;
}

static void end_sessions(const struct token *token, bool lose, void (*close)(CK_SESSION_HANDLE))
{
    pthread_once(&once, init_stripes);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&stripes[i].lock);
        struct session *taken = take_locked(&stripes[i], token, lose);
        pthread_mutex_unlock(&stripes[i].lock);
        for (struct session *next; taken; taken = next) {
            next = taken->next;
            if (close)
                close(taken->handle);
            free(taken);
        }
    }
}

void session_closed_all(const struct token *token)
{
    end_sessions(token, false, NULL);
}

void session_closed_everywhere(void)
{
    end_sessions(NULL, false, NULL);
}

void session_lose(const struct token *token, void (*close)(CK_SESSION_HANDLE))
{
    end_sessions(token, true, close);
}

CK_SESSION_HANDLE session_any(const struct token *token)
{
    CK_SESSION_HANDLE found = CK_INVALID_HANDLE;
    pthread_once(&once, init_stripes);
    for (unsigned i = 0; i < STRIPES && found == CK_INVALID_HANDLE; i++) {
        pthread_mutex_lock(&stripes[i].lock);
        for (struct session *at = stripes[i].first; at && found == CK_INVALID_HANDLE; at = at->next) {
            if (at->token == token && !at->lost)
                found = at->handle;
        }
        pthread_mutex_unlock(&stripes[i].lock);
    }
    return found;
}

void session_forked(void)
{
    pthread_once(&once, init_stripes);
    init_stripes();
}
