/*
 * A member: one real token inside a group. It runs frames there with a deadline, keeps real sessions, signs
 * on with the application's PIN, watches its own health in a thread of its own (the keeper), and tells the
 * group when its state changes. Locks: LOCK_MEMBER guards health, sign-on state and jobs; LOCK_POOL sessions
 * and lanes. None is held while the member works.
 */
#ifndef MEMBER_MEMBER_H
#define MEMBER_MEMBER_H

#include <stdatomic.h>

#include "base/lock.h"
#include "call/frame.h"
#include "config/config.h"
#include "member/gate.h"
#include "member/health.h"
#include "member/instance.h"
#include "member/latency.h"
#include "member/signon.h"

struct member;
struct member_pool;
struct member_lanes;

/* What the floors above do for a member, on its keeper's thread. All may be NULL. */
struct member_hooks {
    void *ctx;
    /* Proves that the group's keys are there and right. CKR_OK, RV_MISFIT, or what the member said. Only
     * while signed on. */
    CK_RV (*prove)(void *ctx, struct member *member, uint64_t deadline);
    /* Brings it to the vault's head. */
    CK_RV (*catch_up)(void *ctx, struct member *member);
    /* Its state has changed; called with no lock held, by whichever thread saw it. */
    void (*changed)(void *ctx, struct member *member, enum health_state from, enum health_state to,
                    CK_RV cause);
};

struct member_mechanisms {
    struct member_mechanisms *replaced;
    size_t count;
    struct frame_mechanism item[]; /* sorted by type */
};

struct member {
    const struct config_member *config;
    const struct config_group *group;
    unsigned index; /* in its group */
    struct instance *instance;
    struct signon *signon; /* the group's */
    struct member_hooks hooks;

    struct member_pool *pool;
    struct member_lanes *lanes;
    struct member_keeper *keeper;
    struct latency latency;
    struct gate gate;

    _Atomic uint32_t state;   /* enum health_state, a copy of health.state */
    _Atomic uint32_t epoch;   /* real handles and sessions of another one are dead; 0 = never connected */
    _Atomic uint32_t carried; /* the epoch that began with a logout: handles of public session objects of the
                                 one before are still good in it */
    _Atomic uint32_t falls;   /* how often it has gone down or come up again */
    _Atomic uint32_t blamed;  /* health.blames != 0 */
    _Atomic uint32_t proved;  /* the epoch in which the group's keys were found right; 0 = not yet */
    _Atomic bool signed_in;   /* as the application is, in this epoch: nothing to do before a call */
    _Atomic uint64_t slow_from;
    _Atomic uint64_t failed_at;
    _Atomic uint64_t since; /* of its state */
    _Atomic uint32_t shown; /* the epoch in which it last showed an object; 0 = none yet (external groups) */
    _Atomic(struct member_mechanisms *) mechanisms; /* replaced ones live until the member ends */
    _Atomic uint64_t calls, failures;               /* of the application, for status */

    struct lock lock;
    struct cond changed;
    struct health health;
    CK_SLOT_ID slot;
    CK_TOKEN_INFO token;
    uint32_t instance_epoch; /* that this slot and these sessions belong to */
    bool connected;          /* false: its token is looked for anew at the next probe */
    bool needs_init;         /* its module wants a new start */
    bool signing_on;         /* one thread is doing it */
    uint64_t signed_on;      /* the sign-on's generation this member is logged in with; 0 = not */
    uint8_t refused[32];     /* mark of the PIN that it refused (signon.h) */
    bool has_refused;
};

MUST_USE struct member *member_new(const struct config_group *group, unsigned index,
                                   struct instance *instance, struct signon *signon,
                                   const struct member_hooks *hooks);
/* Starts its keeper, which connects at once. */
MUST_USE CK_RV member_start(struct member *member);
/* Asks the keeper to end; then waits for calls under way until the deadline. False if something is stuck:
 * then leak it. */
bool member_stop(struct member *member, uint64_t deadline);
void member_free(struct member *member);

/* Real sessions (sessions.c). */
struct real_session {
    struct real_session *next, *all_next;
    CK_SESSION_HANDLE handle;
    _Atomic uint32_t epoch;
    uint32_t instance_epoch;
    unsigned renewal; /* of the pool, in which it was counted */
    unsigned users;   /* of the keeper session, under the pool's lock: calls that work in it */
    bool abandoned;   /* the same: one of them still does, and its lane will close it */
    uint64_t idle_since;
    _Atomic uint64_t busy_since; /* runner `inline`: when the call inside began, 0 = none */
};
/* One of the pool's, or a new one; waits for one to be given back when there are too many. Not logged in by
 * itself. */
MUST_USE CK_RV member_session_take(struct member *member, uint64_t deadline, struct real_session **ret);
/* Usable again by anybody: no operation runs in it. */
void member_session_give(struct member *member, struct real_session *session);
/* Not to be used again: closed in the background. */
void member_session_drop(struct member *member, struct real_session *session);
/* After a call that failed with rv: dropped, or forgotten when its frame was abandoned. */
void member_session_end(struct member *member, struct real_session *session, CK_RV rv);
/* The session that owns session objects, of this epoch; opened if need be. It belongs to the member, and
 * stays open until all who have it here are done with it; rv: what their call answered. */
MUST_USE CK_RV member_session_keeper(struct member *member, uint64_t deadline, struct real_session **ret);
void member_session_keeper_done(struct member *member, struct real_session *session, CK_RV rv);

/*
 * Runs the frame in that session (NULL: none needed) on this member's runner, until the deadline. What the
 * member answered, or RV_DEADLINE (the frame stays with the lane: touch only inputs from now on; the session
 * is lost), RV_STUCK, CKR_CRYPTOKI_NOT_INITIALIZED.
 */
MUST_USE CK_RV member_run(struct member *member, struct frame *frame, struct real_session *session,
                          uint64_t deadline);
/* Takes a session, runs, gives or drops it as the answer demands. For calls that leave nothing in the
 * session. */
MUST_USE CK_RV member_call(struct member *member, struct frame *frame, uint64_t deadline);
/* The same in the keeper session: for session objects, which must outlive the call. */
MUST_USE CK_RV member_call_kept(struct member *member, struct frame *frame, uint64_t deadline);

/* Logged in as the application is (nothing to do if it is not). CKR_OK, RV_PIN_REFUSED, or what the member
 * said. */
MUST_USE CK_RV member_sign_on(struct member *member, uint64_t deadline);
/* The application's PIN, tried here for the first time: exactly one attempt. What C_Login said. */
MUST_USE CK_RV member_try_pin(struct member *member, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                              uint64_t deadline);
/* The application has logged out. */
void member_sign_off(struct member *member, uint64_t deadline);

/* What was seen of it; wakes the keeper when that has something to do. */
void member_event(struct member *member, enum health_event event, CK_RV cause);
/* Sessions and handles are gone: a new epoch. `seen` is the epoch in which that was noticed (no-op if it is
 * over already). */
void member_lost_sessions(struct member *member, uint32_t seen);
/* Handles are gone, as at a logout, and sessions are not: a new epoch that keeps them. */
void member_lost_handles(struct member *member, uint32_t seen);
/* Probe now, or a second after the last one. */
void member_probe_soon(struct member *member);
/* Has been waited for: connected at least once or found unreachable. False: the deadline passed. */
bool member_wait_first(struct member *member, uint64_t deadline);

static inline enum health_state member_state(const struct member *member)
{
    return (enum health_state)atomic_load_explicit(&member->state, memory_order_acquire);
}
static inline uint32_t member_epoch(const struct member *member)
{
    return atomic_load_explicit(&member->epoch, memory_order_acquire);
}
/* NULL if the member does not offer it (or is not known to). */
const CK_MECHANISM_INFO *member_mechanism(const struct member *member, CK_MECHANISM_TYPE type);

/* Work for the keeper's thread, in order, one at a time. The job frees itself. */
struct member_job {
    struct member_job *next;
    void (*run)(struct member_job *job, struct member *member);
};
void member_post(struct member *member, struct member_job *job);

#endif
