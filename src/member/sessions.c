#include "member/sessions.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "call/rv.h"
#include "member/keeper.h"

#define IDLE_FLOOR 4
#define IDLE_LIFE  (60 * NS_PER_S)
#define CLOSING    NS_PER_S /* how long the keeper closes before it looks after other things */

struct member_pool {
    struct lock lock;
    struct cond given;
    struct real_session *idle;
    struct real_session *dropped; /* to be closed by the keeper's thread, of this epoch or of older ones */
    struct real_session *owner;   /* the keeper session: owns session objects */
    struct real_session *all;     /* every one that exists, for the watchdog */
    bool opening_owner;
    unsigned count, idle_count; /* since the last renewal, the owner not included */
    unsigned limit, most;       /* how many at once now, and as configured */
    unsigned renewals;
    uint32_t epoch;
};

struct member_pool *pool_new(unsigned limit)
{
    struct member_pool *pool = mem_new(1, sizeof(*pool));
    if (!pool)
        return NULL;
    lock_init(&pool->lock, LOCK_POOL);
    cond_init(&pool->given);
    pool->limit = pool->most = limit;
    return pool;
}

static void free_locked(struct member_pool *pool, struct real_session *session)
{
    struct real_session **at = &pool->all;
    while (*at && *at != session)
        at = &(*at)->all_next;
    if (*at)
        *at = session->all_next;
    mem_free(session);
}

void pool_free(struct member_pool *pool)
{
    if (!pool)
        return;
    while (pool->all)
        free_locked(pool, pool->all);
    cond_end(&pool->given);
    lock_end(&pool->lock);
    mem_free(pool);
}

static void drop_locked(struct member_pool *pool, struct real_session *session)
{
    session->next = pool->dropped;
    pool->dropped = session;
}

/*
 * Nothing of older epochs is used any more. Most of it may still be open there: after a failure of another
 * kind the member has forgotten nothing, and it has sessions for so many and no more. `epoch` may itself be
 * an older one, read before another thread saw the new one.
 */
static void renew_locked(struct member_pool *pool, uint32_t epoch)
{
    if ((int32_t)(epoch - pool->epoch) <= 0)
        return;
    for (struct real_session *next; pool->idle; pool->idle = next) {
        next = pool->idle->next;
        drop_locked(pool, pool->idle);
    }
    if (pool->owner)
        drop_locked(pool, pool->owner);
    pool->owner = NULL;
    pool->count = pool->idle_count = 0;
    pool->limit = pool->most;
    pool->renewals++;
    pool->epoch = epoch;
    cond_wake_all(&pool->given);
}

/* One that was counted then is no more, or was not to be had. */
static void uncount_locked(struct member_pool *pool, unsigned renewal)
{
    if (renewal != pool->renewals)
        return;
    pool->count--;
    cond_wake_all(&pool->given);
}

void pool_carry(struct member_pool *pool, uint32_t seen)
{
    lock_take(&pool->lock);
    if (pool->epoch == seen) {
        pool->epoch = seen + 1;
        for (struct real_session *session = pool->all; session; session = session->all_next)
            if (session->epoch == seen)
                session->epoch = seen + 1;
        cond_wake_all(&pool->given);
    }
    lock_drop(&pool->lock);
}

static CK_RV open_session(struct member *member, uint32_t epoch, uint64_t deadline, struct real_session **ret)
{
    struct real_session *session = mem_new(1, sizeof(*session));
    AUTO(frame_unref) struct frame *frame = session ? frame_new(VERB_OPEN_SESSION, 0, 0) : NULL;
    if (!frame) {
        mem_free(session);
        return CKR_HOST_MEMORY;
    }
    frame->number_in = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    CK_RV rv = member_run(member, frame, NULL, deadline);
    if (rv != CKR_OK) {
        mem_free(session);
        return rv;
    }
    session->handle = frame->session;
    session->epoch = epoch;
    session->instance_epoch = frame->instance_epoch;
    lock_take(&member->pool->lock);
    session->all_next = member->pool->all;
    member->pool->all = session;
    lock_drop(&member->pool->lock);
    *ret = session;
    return CKR_OK;
}

/* True: `*ret` is an idle session, or NULL and one may be opened (already counted, in `*ret_renewal`). */
static bool take_locked(struct member_pool *pool, struct real_session **ret, unsigned *ret_renewal)
{
    *ret = pool->idle;
    *ret_renewal = pool->renewals;
    if (pool->idle) {
        pool->idle = pool->idle->next;
        pool->idle_count--;
        return true;
    }
    if (pool->count >= pool->limit)
        return false;
    pool->count++;
    return true;
}

/* The member has no more sessions for us: live with those that there are. */
static bool shrink(struct member_pool *pool, unsigned renewal)
{
    lock_take(&pool->lock);
    bool others = true;
    if (pool->renewals == renewal) {
        pool->count--;
        others = pool->count > 0;
        if (others)
            pool->limit = pool->count;
        cond_wake_all(&pool->given);
    }
    lock_drop(&pool->lock);
    return others;
}

CK_RV member_session_take(struct member *member, uint64_t deadline, struct real_session **ret)
{
    struct member_pool *pool = member->pool;
    for (;;) {
        uint32_t epoch = member_epoch(member);
        if (epoch == 0)
            return CKR_TOKEN_NOT_PRESENT;
        struct real_session *session = NULL;
        unsigned renewal;
        lock_take(&pool->lock);
        renew_locked(pool, epoch);
        bool in_time = true, got = false;
        while (pool->epoch == epoch && !(got = take_locked(pool, &session, &renewal)) && in_time)
            in_time = cond_wait(&pool->given, &pool->lock, deadline);
        lock_drop(&pool->lock);
        if (!got && !in_time)
            return CKR_SESSION_COUNT;
        if (!got)
            continue;
        if (session) {
            *ret = session;
            return CKR_OK;
        }
        CK_RV rv = open_session(member, epoch, deadline, ret);
        if (rv == CKR_OK) {
            (*ret)->renewal = renewal;
            return CKR_OK;
        }
        if (rv == CKR_SESSION_COUNT && shrink(pool, renewal))
            continue;
        if (rv != CKR_SESSION_COUNT) {
            lock_take(&pool->lock);
            uncount_locked(pool, renewal);
            lock_drop(&pool->lock);
        }
        return rv;
    }
}

void member_session_give(struct member *member, struct real_session *session)
{
    struct member_pool *pool = member->pool;
    lock_take(&pool->lock);
    bool current = session->epoch == pool->epoch && pool->count <= pool->limit;
    if (current) {
        session->idle_since = clock_coarse();
        session->next = pool->idle;
        pool->idle = session;
        pool->idle_count++;
        cond_wake_all(&pool->given);
    }
    lock_drop(&pool->lock);
    if (!current)
        member_session_drop(member, session);
}

void member_session_drop(struct member *member, struct real_session *session)
{
    struct member_pool *pool = member->pool;
    lock_take(&pool->lock);
    uncount_locked(pool, session->renewal);
    drop_locked(pool, session);
    lock_drop(&pool->lock);
    keeper_wake(member);
}

void pool_forget(struct member *member, struct real_session *session)
{
    struct member_pool *pool = member->pool;
    lock_take(&pool->lock);
    uncount_locked(pool, session->renewal);
    free_locked(pool, session);
    lock_drop(&pool->lock);
}

/* True: `*ret` is the owner, or NULL and it is ours to open. */
static bool take_owner_locked(struct member_pool *pool, uint64_t deadline, struct real_session **ret)
{
    while (pool->opening_owner)
        if (!cond_wait(&pool->given, &pool->lock, deadline))
            return false;
    *ret = pool->owner;
    if (pool->owner)
        pool->owner->users++;
    else
        pool->opening_owner = true;
    return true;
}

CK_RV member_session_keeper(struct member *member, uint64_t deadline, struct real_session **ret)
{
    struct member_pool *pool = member->pool;
    uint32_t epoch = member_epoch(member);
    if (epoch == 0)
        return CKR_TOKEN_NOT_PRESENT;
    lock_take(&pool->lock);
    renew_locked(pool, epoch);
    bool ours = take_owner_locked(pool, deadline, ret);
    lock_drop(&pool->lock);
    if (!ours)
        return RV_NO_TIME;
    if (*ret)
        return CKR_OK;
    struct real_session *made = NULL;
    CK_RV rv = open_session(member, epoch, deadline, &made);
    lock_take(&pool->lock);
    pool->opening_owner = false;
    bool late = rv == CKR_OK && pool->epoch != epoch;
    if (late) {
        drop_locked(pool, made);
    } else if (rv == CKR_OK) {
        made->users = 1;
        pool->owner = *ret = made;
    }
    cond_wake_all(&pool->given);
    lock_drop(&pool->lock);
    return late ? CKR_SESSION_HANDLE_INVALID : rv;
}

void member_session_keeper_done(struct member *member, struct real_session *session, CK_RV rv)
{
    lock_take(&member->pool->lock);
    session->users--;
    session->abandoned |= rv == RV_DEADLINE;
    lock_drop(&member->pool->lock);
}

/* What has been idle for long is dropped too. */
static void drop_idle_locked(struct member_pool *pool)
{
    uint64_t now = clock_coarse();
    struct real_session **at = &pool->idle;
    unsigned kept = 0;
    while (*at) {
        struct real_session *session = *at;
        if (++kept > IDLE_FLOOR && now > session->idle_since + IDLE_LIFE) {
            *at = session->next;
            drop_locked(pool, session);
            pool->idle_count--;
            uncount_locked(pool, session->renewal);
        } else {
            at = &session->next;
        }
    }
}

/* The token has forgotten it, and has given its number to a new one of ours. */
static bool reissued_locked(const struct member_pool *pool, const struct real_session *session)
{
    for (const struct real_session *at = pool->all; at; at = at->all_next)
        if (at != session && at->epoch == pool->epoch && at->handle == session->handle)
            return true;
    return false;
}

/* What the keeper knows of an epoch that is over while it closes. */
struct closing {
    uint32_t epoch;   /* the last answer was of one of that epoch */
    unsigned unknown; /* and so many in a row said that the session is unknown */
};

/* A token may end single sessions by itself; when two in a row are unknown it has forgotten all of them. */
static bool needs_closing_locked(const struct member_pool *pool, const struct real_session *session,
                                 const struct closing *closing)
{
    if (session->abandoned)
        return false;
    bool forgotten = closing->unknown > 1 && session->epoch == closing->epoch;
    return session->epoch == pool->epoch || (!forgotten && !reissued_locked(pool, session));
}

/* Takes one out that is to be closed; the keeper session only when nobody works in it. */
static struct real_session *take_dropped(struct member_pool *pool, const struct closing *closing)
{
    struct real_session *taken = NULL;
    lock_take(&pool->lock);
    for (struct real_session **at = &pool->dropped; *at && !taken;) {
        struct real_session *session = *at;
        if (session->users > 0) {
            at = &session->next;
            continue;
        }
        *at = session->next;
        if (needs_closing_locked(pool, session, closing))
            taken = session;
        else
            free_locked(pool, session);
    }
    lock_drop(&pool->lock);
    return taken;
}

static CK_RV close_session(struct member *member, const struct real_session *session, uint64_t deadline)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_CLOSE_SESSION, 0, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    /* Not by member_run's session: that is for those of this epoch. */
    frame->session = session->handle;
    frame->instance_epoch = session->instance_epoch;
    return member_run(member, frame, NULL, deadline);
}

/* It is no more, or the lane closes it. */
static bool is_closed(CK_RV rv)
{
    return rv == CKR_OK || rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED || rv == RV_DEADLINE;
}

static bool close_one(struct member *member, struct real_session *session, struct closing *closing)
{
    struct member_pool *pool = member->pool;
    CK_RV rv = close_session(member, session, clock_after(member->group->call_timeout));
    if (rv == RV_DEADLINE)
        member_event(member, HEALTH_TRANSPORT, rv);
    if (session->epoch != closing->epoch)
        *closing = (struct closing){.epoch = session->epoch};
    closing->unknown = rv == CKR_SESSION_HANDLE_INVALID ? closing->unknown + 1 : 0;
    bool closed = is_closed(rv);
    lock_take(&pool->lock);
    if (closed)
        free_locked(pool, session);
    else
        drop_locked(pool, session);
    /* There is room for others again. */
    if (rv == CKR_OK)
        pool->limit = pool->most;
    lock_drop(&pool->lock);
    return closed && rv != RV_DEADLINE;
}

void pool_close(struct member *member)
{
    uint64_t end = clock_after(CLOSING);
    struct closing closing = {0};
    struct real_session *session;
    bool in_time = true;
    lock_take(&member->pool->lock);
    renew_locked(member->pool, member_epoch(member));
    lock_drop(&member->pool->lock);
    while (in_time && (session = take_dropped(member->pool, &closing))) {
        if (!close_one(member, session, &closing))
            return;
        in_time = clock_now() < end;
    }
    if (!in_time)
        keeper_wake(member);
}

void pool_tidy(struct member *member)
{
    struct member_pool *pool = member->pool;
    lock_take(&pool->lock);
    /* Others may have closed theirs meanwhile: it grows back slowly. */
    pool->limit += pool->limit < pool->most;
    drop_idle_locked(pool);
    lock_drop(&pool->lock);
    if (health_usable(member_state(member)))
        pool_close(member);
}

uint64_t pool_oldest_call(struct member_pool *pool)
{
    uint64_t oldest = 0;
    lock_take(&pool->lock);
    for (struct real_session *session = pool->all; session; session = session->all_next) {
        uint64_t began = atomic_load_explicit(&session->busy_since, memory_order_relaxed);
        if (began != 0 && (oldest == 0 || began < oldest))
            oldest = began;
    }
    lock_drop(&pool->lock);
    return oldest;
}
