#include "member/member.h"

#include <openssl/rand.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "call/rv.h"
#include "member/keeper.h"
#include "member/lane.h"
#include "member/sessions.h"

struct member *member_new(const struct config_group *group, unsigned index, struct instance *instance,
                          struct signon *signon, const struct member_hooks *hooks)
{
    struct member *member = mem_new(1, sizeof(*member));
    if (!member)
        return NULL;
    member->config = &group->member[index];
    member->group = group;
    member->index = index;
    member->instance = instance;
    member->signon = signon;
    member->hooks = *hooks;
    lock_init(&member->lock, LOCK_MEMBER);
    cond_init(&member->changed);
    member->health = health_new(clock_now());
    atomic_store(&member->state, member->health.state);
    member->pool = pool_new(member->config->max_sessions);
    member->lanes = lanes_new(member);
    if (!member->pool || !member->lanes) {
        member_free(member);
        return NULL;
    }
    return member;
}

CK_RV member_start(struct member *member)
{
    return keeper_start(member);
}

bool member_stop(struct member *member, uint64_t deadline)
{
    bool keeper = keeper_stop(member, deadline);
    return lanes_stop(member->lanes, deadline) && keeper;
}

void member_free(struct member *member)
{
    if (!member)
        return;
    keeper_free(member->keeper);
    lanes_free(member->lanes);
    pool_free(member->pool);
    for (struct member_mechanisms *known = atomic_load(&member->mechanisms); known;) {
        struct member_mechanisms *older = known->replaced;
        mem_free(known);
        known = older;
    }
    cond_end(&member->changed);
    lock_end(&member->lock);
    mem_free(member);
}

CK_RV member_run(struct member *member, struct frame *frame, struct real_session *session, uint64_t deadline)
{
    if (session) {
        uint32_t epoch = session->epoch;
        if (epoch != member_epoch(member) || (frame->epoch != 0 && frame->epoch != epoch))
            return CKR_SESSION_HANDLE_INVALID;
        frame->session = session->handle;
        frame->instance_epoch = session->instance_epoch;
    }
    if (frame->verb == VERB_OPEN_SESSION || frame->verb == VERB_TOKEN_INFO ||
        frame->verb == VERB_INIT_TOKEN) {
        lock_take(&member->lock);
        frame->slot = member->slot;
        frame->instance_epoch = member->instance_epoch;
        lock_drop(&member->lock);
    }
    frame->sent = true;
    if (member->config->runner == RUNNER_INLINE)
        return inline_run(member, frame, session);
    return lane_run(member, frame, session, deadline);
}

void member_session_end(struct member *member, struct real_session *session, CK_RV rv)
{
    if (rv == RV_DEADLINE)
        pool_forget(member, session);
    else
        member_session_drop(member, session);
}

/* Answers after which a session is as good as before: nothing runs in it. */
static bool leaves_clean(const struct frame *frame, CK_RV rv)
{
    if (frame->verb == VERB_MESSAGE)
        return rv < RV_INSIDE && frame->step_reached == MESSAGE_END;
    if (rv == CKR_OK)
        return frame->verb != VERB_CRYPT || (frame->steps & (STEP_FINAL | STEP_SINGLE));
    return frame->verb != VERB_CRYPT && rv < RV_INSIDE && rv != CKR_SESSION_HANDLE_INVALID &&
           rv != CKR_SESSION_CLOSED;
}

CK_RV member_call(struct member *member, struct frame *frame, uint64_t deadline)
{
    struct real_session *session = NULL;
    CK_RV rv = member_session_take(member, deadline, &session);
    if (rv != CKR_OK)
        return rv;
    rv = member_run(member, frame, session, deadline);
    if (leaves_clean(frame, rv))
        member_session_give(member, session);
    else
        member_session_end(member, session, rv);
    return rv;
}

CK_RV member_call_kept(struct member *member, struct frame *frame, uint64_t deadline)
{
    struct real_session *session = NULL;
    CK_RV rv = member_session_keeper(member, deadline, &session);
    if (rv != CKR_OK)
        return rv;
    rv = member_run(member, frame, session, deadline);
    member_session_keeper_done(member, session, rv);
    return rv;
}

void member_event(struct member *member, enum health_event event, CK_RV cause)
{
    if (event == HEALTH_WORKED && atomic_load_explicit(&member->blamed, memory_order_relaxed) == 0)
        return;
    uint32_t random = 0;
    (void)!RAND_bytes((unsigned char *)&random, sizeof(random));
    lock_take(&member->lock);
    enum health_state from = member->health.state;
    bool failed_before = member->health.failed_at != 0;
    member->health = health_step(member->health, event, cause, clock_now(), random);
    enum health_state to = member->health.state;
    /* It was not there when it was looked for first: it never goes down, for it was never up. */
    bool never_came = from == to && to == HEALTH_DOWN && !failed_before && member->health.failed_at != 0;
    atomic_store(&member->state, to);
    atomic_store(&member->blamed, member->health.blames);
    atomic_store(&member->slow_from, member->health.slow_from);
    atomic_store(&member->failed_at, member->health.failed_at);
    atomic_store(&member->since, member->health.since);
    if (cause == CKR_CRYPTOKI_NOT_INITIALIZED)
        member->needs_init = true;
    if (health_usable(from) != health_usable(to))
        instance_count_up(member->instance, health_usable(to) ? 1 : -1);
    /* It answers, but no longer sees what it had: a new start of its module is tried, if nobody else works
     * there. */
    if (event == HEALTH_TRANSPORT && cause == RV_MISFIT && instance_up(member->instance) == 0)
        member->needs_init = true;
    if (event == HEALTH_SIGN_ON)
        atomic_store(&member->signed_in, false);
    if (event == HEALTH_CAUGHT_UP && member->health.slow_from != 0)
        latency_forget(&member->latency);
    if ((from == HEALTH_DOWN) != (to == HEALTH_DOWN))
        atomic_fetch_add(&member->falls, 1);
    if (to == HEALTH_DOWN && from != HEALTH_DOWN) {
        /* Nothing of it is trusted when it comes back: not its sessions, not its handles. */
        member->signed_on = 0;
        member->connected = false;
        atomic_store(&member->signed_in, false);
        if (atomic_load(&member->epoch) != 0)
            atomic_fetch_add(&member->epoch, 1);
    }
    cond_wake_all(&member->changed);
    lock_drop(&member->lock);
    if (from != to || event == HEALTH_BLAMED)
        keeper_wake(member);
    if ((from != to || never_came) && member->hooks.changed)
        member->hooks.changed(member->hooks.ctx, member, from, to, cause);
}

static void new_epoch(struct member *member, uint32_t seen, bool carry)
{
    lock_take(&member->lock);
    if (atomic_load(&member->epoch) == seen) {
        if (carry) {
            pool_carry(member->pool, seen);
            atomic_store(&member->carried, seen + 1);
        }
        atomic_store(&member->epoch, seen + 1);
        atomic_store(&member->signed_in, false);
        member->signed_on = 0;
    }
    lock_drop(&member->lock);
}

void member_lost_sessions(struct member *member, uint32_t seen)
{
    new_epoch(member, seen, false);
}

void member_lost_handles(struct member *member, uint32_t seen)
{
    new_epoch(member, seen, true);
}
