#include "router/route.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "call/rv.h"
#include "router/pick.h"

#define FULL_FOR (1 * NS_PER_S)
/* A member that has just failed has its first probes in that time: when all have, a call waits for them. */
#define RECOVERY (3 * NS_PER_S)
/* An attempt may take that many times the usual latency, beyond its share, but not more than half of what is
 * left: the others may be the ones that work. */
#define SHARE_PATIENCE 8
/* So often a session object is used where it is. What is used more is worth a replica elsewhere, which costs
 * a call or more; what is used once and forgotten, as in a handshake, is not. */
#define USES_AT_HOME 32

/* What the loop knows so far. */
struct walk {
    uint64_t tried, ambiguous, forgiven;
    unsigned classes; /* bits 1 << error_class */
    CK_RV common;
    bool alike;
};

void route_init(struct route *route, struct frame *frame, enum work_class work, uint64_t deadline)
{
    *route = (struct route){
        .frame = frame, .work = work, .mech = CK_UNAVAILABLE_INFORMATION, .deadline = deadline, .only = -1};
}

static uint32_t random_cheap(void)
{
    static _Thread_local uint32_t state;
    if (state == 0)
        state = (uint32_t)clock_now() | 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static uint64_t bit(unsigned i)
{
    return UINT64_C(1) << i;
}

/* How many of route->key may be there at all. */
static unsigned keys_of(const struct route *route)
{
    return route->frame->inners ? FRAME_KEYS : 2;
}

/* May it be asked at all, health aside? */
static bool eligible(const struct route *route, const struct walk *walk, const struct member *member)
{
    unsigned i = member->index;
    if ((walk->tried | route->avoid) & bit(i) || (route->only >= 0 && (unsigned)route->only != i))
        return false;
    for (unsigned k = 0; k < keys_of(route); k++) {
        const struct object *key = route->key[k];
        int pinned = key ? atomic_load_explicit(&key->pinned, memory_order_relaxed) : -1;
        if (pinned >= 0 && (unsigned)pinned != i)
            return false;
    }
    if (route->mech == CK_UNAVAILABLE_INFORMATION)
        return true;
    const CK_MECHANISM_INFO *info = member_mechanism(member, route->mech);
    return info && (info->flags & route->flags) == route->flags;
}

static struct candidate candidate_of(struct group *group, const struct route *route, const struct walk *walk,
                                     struct member *member, uint64_t now)
{
    const struct latency *latency = &member->latency;
    (void)group;
    return (struct candidate){
        .usable = health_usable(member_state(member)) && eligible(route, walk, member),
        .tier = member->config->tier,
        .weight = member->config->weight *
                  health_ramp(atomic_load_explicit(&member->slow_from, memory_order_relaxed), now),
        .ewma = (double)latency_now(latency, route->work, now),
        .outstanding = atomic_load_explicit(&latency->outstanding, memory_order_relaxed),
        .probing = atomic_load_explicit(&latency->work[route->work].probing, memory_order_relaxed) > 0,
        .full = atomic_load_explicit(&latency->full_until, memory_order_relaxed) > now,
    };
}

/* A session object among the keys that is used too seldom to be brought elsewhere. */
static bool stays_at_home(const struct route *route)
{
    for (unsigned k = 0; k < keys_of(route); k++) {
        struct object *key = route->key[k];
        if (key && !object_base(key)->token &&
            atomic_load_explicit(&object_base(key)->uses, memory_order_relaxed) < USES_AT_HOME)
            return true;
    }
    return false;
}

static bool is_at_home(const struct route *route, const struct member *member)
{
    CK_OBJECT_HANDLE real;
    for (unsigned k = 0; k < keys_of(route); k++) {
        struct object *key = route->key[k];
        if (key && !object_base(key)->token &&
            !object_replica(object_base(key), member->index, member_epoch(member), &real))
            return false;
    }
    return true;
}

/* Of those that could be used only those count where the session objects are, if there is one. */
static void prefer_home(struct group *group, const struct route *route, struct candidate *candidate)
{
    bool home[CONFIG_MEMBERS_MAX], any = false;
    for (unsigned i = 0; i < group->count; i++) {
        home[i] = candidate[i].usable && is_at_home(route, group->member[i]);
        any = any || home[i];
    }
    for (unsigned i = 0; any && i < group->count; i++)
        candidate[i].usable = home[i];
}

static int choose(struct group *group, const struct route *route, const struct walk *walk, uint64_t now,
                  unsigned *ret_usable)
{
    struct candidate candidate[CONFIG_MEMBERS_MAX];
    *ret_usable = 0;
    for (unsigned i = 0; i < group->count; i++) {
        candidate[i] = candidate_of(group, route, walk, group->member[i], now);
        *ret_usable += candidate[i].usable;
    }
    if (stays_at_home(route))
        prefer_home(group, route, candidate);
    return pick_member(candidate, group->count, random_cheap());
}

/* Somebody is on the way up who could do it. */
static bool somebody_comes(struct group *group, const struct route *route, const struct walk *walk)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_state(group->member[i]) == HEALTH_CATCHING_UP && eligible(route, walk, group->member[i]))
            return true;
    return false;
}

/* Nobody is up: the least recently failed one is tried anyway, if it was ever there. */
static int choose_in_panic(struct group *group, const struct route *route, const struct walk *walk)
{
    int best = PICK_NONE;
    uint64_t best_at = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group->member[i];
        if (member_state(member) != HEALTH_DOWN || member_epoch(member) == 0 ||
            !eligible(route, walk, member))
            continue;
        member_probe_soon(member);
        uint64_t at = atomic_load(&member->failed_at);
        if (best == PICK_NONE || at < best_at) {
            best = (int)i;
            best_at = at;
        }
    }
    return best;
}

/* How long this attempt may take, so that the others still have their turn inside the call's deadline. */
static uint64_t share_of(const struct route *route, const struct member *member, unsigned usable,
                         uint64_t now)
{
    if (route->deadline == CLOCK_NEVER || now >= route->deadline || usable <= 1)
        return route->deadline;
    uint64_t left = route->deadline - now;
    uint64_t share = left / usable;
    uint64_t patience = SHARE_PATIENCE * latency_now(&member->latency, route->work, now);
    if (patience > share)
        share = patience < left / 2 ? patience : left / 2;
    return now + share;
}

/* Among whom the time is shared when nobody is up: all who are left. */
static unsigned count_eligible(struct group *group, const struct route *route, const struct walk *walk)
{
    unsigned count = 0;
    for (unsigned i = 0; i < group->count; i++)
        count += eligible(route, walk, group->member[i]);
    return count;
}

static CK_RV real_handle(struct group *group, struct object *key, struct member *member, uint32_t epoch,
                         uint64_t deadline, CK_OBJECT_HANDLE *ret)
{
    struct object *base = object_base(key);
    if (!base->token && atomic_load_explicit(&base->uses, memory_order_relaxed) < USES_AT_HOME)
        atomic_fetch_add_explicit(&base->uses, 1, memory_order_relaxed);
    if (object_replica(base, member->index, epoch, ret))
        return CKR_OK;
    return group->hooks.resolve(group->hooks.ctx, base, member, deadline, ret);
}

static CK_RV fill_handles(struct group *group, struct route *route, struct member *member, uint32_t epoch,
                          uint64_t deadline)
{
    struct frame *frame = route->frame;
    for (unsigned k = 0; k < 2; k++) {
        CK_RV rv = route->key[k] ? real_handle(group, route->key[k], member, epoch, deadline, &frame->key[k])
                                 : CKR_OK;
        if (rv != CKR_OK)
            return rv;
    }
    for (unsigned k = 0; k < frame->inners; k++) {
        /* A number that is no object of ours must not become one of the member's. */
        if (k >= FRAME_INNER || !route->key[2 + k])
            return CKR_MECHANISM_PARAM_INVALID;
        CK_OBJECT_HANDLE real;
        CK_RV rv = real_handle(group, route->key[2 + k], member, epoch, deadline, &real);
        if (rv != CKR_OK)
            return rv;
        frame_set_inner(frame, k, real);
    }
    return CKR_OK;
}

static CK_RV run_in_session(struct route *route, struct member *member, uint64_t deadline)
{
    if (route->kept)
        return member_call_kept(member, route->frame, deadline);
    if (!route->hold)
        return member_call(member, route->frame, deadline);
    struct real_session *session = NULL;
    CK_RV rv = member_session_take(member, deadline, &session);
    if (rv != CKR_OK)
        return rv;
    rv = member_run(member, route->frame, session, deadline);
    if (rv == CKR_OK)
        route->session = session;
    else
        member_session_end(member, session, rv);
    return rv;
}

static CK_RV attempt(struct group *group, struct route *route, struct member *member, uint64_t deadline)
{
    CK_RV rv = route->frame->rv = CKR_OK;
    if (!atomic_load_explicit(&member->signed_in, memory_order_acquire))
        rv = member_sign_on(member, deadline);
    uint32_t epoch = member_epoch(member);
    if (rv == CKR_OK)
        rv = fill_handles(group, route, member, epoch, deadline);
    if (rv != CKR_OK)
        return rv;
    route->member = member;
    route->epoch = epoch;
    route->frame->epoch = epoch;
    route->frame->out_len = 0;
    uint64_t began = clock_now();
    latency_begin(&member->latency, route->work, began);
    rv = run_in_session(route, member, deadline);
    latency_end(&member->latency, route->work, began, clock_now(), rv == CKR_OK);
    atomic_fetch_add_explicit(&member->calls, 1, memory_order_relaxed);
    return rv;
}

static void drop_handles(struct route *route, const struct member *member)
{
    for (unsigned k = 0; k < keys_of(route); k++)
        if (route->key[k])
            object_drop_replica(object_base(route->key[k]), member->index);
}

/*
 * What is learnt about the member from a failure that goes on elsewhere. It is old news if the member has
 * gone down since: it may be back. In an epoch that is over sessions are lost by what another thread did,
 * too; but in a member that forgets each one at once the threads would end each other's epochs for ever.
 */
static void note_failure(struct member *member, uint32_t falls, uint32_t epoch, enum error_class class,
                         CK_RV rv)
{
    atomic_fetch_add_explicit(&member->failures, 1, memory_order_relaxed);
    if (falls != atomic_load(&member->falls))
        return;
    bool current = epoch == member_epoch(member);
    if (class == ERROR_TRANSPORT || (class == ERROR_SESSION_LOST && current))
        member_event(member, HEALTH_TRANSPORT, rv);
    else if (class == ERROR_SESSION_LOST || (class == ERROR_STALE_HANDLE && current))
        member_event(member, HEALTH_BLAMED, rv);
    else if (class == ERROR_FULL)
        atomic_store(&member->latency.full_until, clock_after(FULL_FOR));
}

static void blame(struct group *group, uint64_t who, CK_RV rv)
{
    for (unsigned i = 0; i < group->count; i++)
        if (who & bit(i))
            member_event(group->member[i], HEALTH_BLAMED, rv);
}

/*
 * The frame as it was before the attempt, for the next one: the lane has it, or the member has written into
 * its parameter. `spare`, which is taken, is a clone from before; NULL: the inputs are as they were.
 */
static bool renew_frame(struct route *route, struct frame **spare)
{
    struct frame *clone = *spare ? TAKE(*spare) : frame_clone(route->frame, 0);
    if (!clone)
        return false;
    frame_unref(route->frame);
    route->frame = clone;
    return true;
}

/* The answer is the member's to what the application gave it to work on. */
static bool judged(const struct frame *frame, CK_RV rv)
{
    /* At the deadline the frame is still the lane's. */
    if (rv != CKR_DEVICE_ERROR)
        return false;
    static const bool has_data[VERBS] = {
        [VERB_MESSAGE] = true,     [VERB_UNWRAP] = true, [VERB_UNWRAP_AUTH] = true,
        [VERB_DECAPSULATE] = true, [VERB_DERIVE] = true, [VERB_CREATE] = true};
    bool looked = frame->verb == VERB_CRYPT ? frame->step_reached >= STEP_UPDATE : has_data[frame->verb];
    return looked && frame->rv == rv;
}

/* All attempts on one member. Returns its last answer, its class in *ret_class. */
static CK_RV try_member(struct group *group, struct route *route, struct member *member, uint64_t deadline,
                        enum error_class *ret_class)
{
    struct verdict_facts facts = {.logged_in = group_logged_in(group),
                                  .needs_handles = route->key[0] || route->key[1] || route->key[2]};
    for (;;) {
        uint32_t epoch = member_epoch(member);
        route->epoch = epoch;
        route->falls = atomic_load(&member->falls);
        route->attempts++;
        AUTO(frame_unref) struct frame *spare = NULL;
        if (route->frame->writes && !(spare = frame_clone(route->frame, 0))) {
            *ret_class = ERROR_APPLICATION;
            return CKR_HOST_MEMORY;
        }
        CK_RV rv = attempt(group, route, member, deadline);
        if (rv == RV_GONE) {
            *ret_class = ERROR_APPLICATION;
            return rv;
        }
        facts.judged = judged(route->frame, rv);
        *ret_class = verdict_class(rv, &facts);
        bool altered = rv == RV_DEADLINE || (spare && *ret_class != ERROR_NONE);
        if (altered && !renew_frame(route, &spare)) {
            *ret_class = ERROR_APPLICATION;
            return CKR_HOST_MEMORY;
        }
        enum verdict verdict = verdict_of(*ret_class, &facts);
        if (verdict == VERDICT_RENEW_SESSION) {
            facts.fresh_session = true;
            member_lost_sessions(member, epoch);
        } else if (verdict == VERDICT_RENEW_HANDLE) {
            facts.fresh_handle = true;
            drop_handles(route, member);
        } else {
            return rv;
        }
    }
}

static void tell(struct group *group, const struct route *route, const struct member *member, CK_RV rv,
                 enum error_class class)
{
    struct name_buf buf;
    log_event(LOG_INFO, "call-moved", "group=%s call=%s member=%s answer=%s class=%s", group->config->name,
              verb_name(route->frame->verb, route->frame->kind), member->config->name,
              route_rv_name(rv, &buf), error_class_name(class));
}

static CK_RV finish(struct group *group, const struct route *route, const struct walk *walk)
{
    bool known = route->mech == CK_UNAVAILABLE_INFORMATION || group_offers(group, route->mech, 0);
    CK_RV rv = known ? verdict_final(walk->classes, walk->alike, walk->common) : CKR_MECHANISM_INVALID;
    struct name_buf buf;
    /* All alike: over data, or all have failed at once. */
    for (unsigned i = 0; i < group->count; i++)
        if (walk->ambiguous & bit(i) && walk->common == CKR_DEVICE_ERROR)
            member_probe_soon(group->member[i]);
    if (rv == CKR_DEVICE_ERROR || rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_DEVICE_MEMORY) {
        atomic_fetch_add_explicit(&group->errors, 1, memory_order_relaxed);
        log_event(LOG_ERROR, "call-failed", "group=%s call=%s answer=%s attempts=%u", group->config->name,
                  verb_name(route->frame->verb, route->frame->kind), route_rv_name(rv, &buf),
                  route->attempts);
    }
    return rv;
}

/* Was the call surely not executed there? */
static bool surely_not_done(enum error_class class, CK_RV rv)
{
    return class == ERROR_UNABLE || class == ERROR_FULL || rv == RV_STUCK ||
           rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_TOKEN_NOT_PRESENT ||
           rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED;
}

/* Those of the failed that may be back any moment; until when that can be hoped. */
static uint64_t recovering(struct group *group, const struct route *route, const struct walk *walk,
                           uint64_t *ret_until)
{
    struct walk anew = {.tried = walk->tried & walk->forgiven};
    uint64_t who = 0, now = clock_now();
    *ret_until = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group->member[i];
        uint64_t until = atomic_load(&member->since) + RECOVERY;
        if (member_state(member) != HEALTH_DOWN || member_epoch(member) == 0 || until <= now ||
            !eligible(route, &anew, member))
            continue;
        who |= bit(i);
        if (until > *ret_until)
            *ret_until = until;
    }
    return who;
}

/* They failed in this call, but have come back since. Once: it may be the request that they fail of. */
static void forgive(struct group *group, struct walk *walk, uint64_t who)
{
    for (unsigned i = 0; i < group->count; i++)
        if (who & ~walk->forgiven & bit(i) && member_state(group->member[i]) != HEALTH_DOWN) {
            walk->tried &= ~bit(i);
            walk->forgiven |= bit(i);
        }
}

/* Who is next: a usable one; else one that comes up in time; else whoever failed longest ago; and when all
 * have failed just now, who recovers first. */
static int next_member(struct group *group, const struct route *route, struct walk *walk,
                       unsigned *ret_usable)
{
    for (;;) {
        uint32_t seen = atomic_load(&group->changes);
        uint64_t until = route->deadline, who = 0;
        int i = choose(group, route, walk, clock_now(), ret_usable);
        if (i != PICK_NONE)
            return i;
        if (!somebody_comes(group, route, walk)) {
            i = choose_in_panic(group, route, walk);
            who = i == PICK_NONE ? recovering(group, route, walk, &until) : 0;
            if (i != PICK_NONE || who == 0)
                return i;
        }
        if (!group_wait(group, seen, until < route->deadline ? until : route->deadline))
            return PICK_NONE;
        forgive(group, walk, who);
    }
}

CK_RV route_run(struct group *group, struct route *route)
{
    struct walk walk = {.alike = true, .common = CKR_OK};
    lock_assert_none();
    budget_earn(&group->budget);
    atomic_fetch_add_explicit(&group->calls, 1, memory_order_relaxed);
    for (;;) {
        unsigned usable = 0;
        int i = next_member(group, route, &walk, &usable);
        /* A member that is given no time would be down for nothing. */
        bool late = clock_now() >= route->deadline;
        if (late && walk.classes == 0)
            walk.classes = 1u << ERROR_TRANSPORT;
        if (i == PICK_NONE || late)
            return finish(group, route, &walk);
        struct member *member = group->member[i];
        if (usable == 0)
            usable = count_eligible(group, route, &walk);
        uint64_t deadline = share_of(route, member, usable, clock_now());
        enum error_class class;
        CK_RV rv = try_member(group, route, member, deadline, &class);
        if (class == ERROR_NONE || class == ERROR_APPLICATION) {
            member_event(member, HEALTH_WORKED, CKR_OK);
            if (walk.ambiguous && class == ERROR_NONE) {
                blame(group, walk.ambiguous, walk.common);
                budget_refund(&group->budget, (unsigned)__builtin_popcountll(walk.ambiguous));
            }
            return rv;
        }
        walk.alike = walk.alike && (walk.classes == 0 || walk.common == rv);
        walk.common = rv;
        walk.classes |= 1u << class;
        walk.tried |= bit(member->index);
        note_failure(member, route->falls, route->epoch, class, rv);
        tell(group, route, member, rv, class);
        if (class == ERROR_AMBIGUOUS) {
            walk.ambiguous |= bit(member->index);
            if (!budget_spend(&group->budget, clock_now()))
                return rv;
        }
        if (route->once && !surely_not_done(class, rv)) {
            atomic_fetch_add_explicit(&group->errors, 1, memory_order_relaxed);
            return CKR_DEVICE_ERROR;
        }
    }
}

/* What is known of the member before a step. */
struct before {
    uint32_t epoch, falls;
};

static struct before look(const struct member *member, const struct real_session *session)
{
    return (struct before){session->epoch, atomic_load(&member->falls)};
}

static CK_RV continue_end(struct group *group, struct member *member, struct real_session *session,
                          struct before before, const struct frame *frame, CK_RV rv,
                          enum error_class *ret_class)
{
    struct verdict_facts facts = {
        .logged_in = group_logged_in(group), .needs_handles = true, .judged = judged(frame, rv)};
    *ret_class = rv == RV_GONE ? ERROR_APPLICATION : verdict_class(rv, &facts);
    if (*ret_class == ERROR_NONE || *ret_class == ERROR_APPLICATION)
        return rv;
    member_session_end(member, session, rv);
    if (*ret_class == ERROR_SESSION_LOST)
        member_lost_sessions(member, before.epoch);
    else
        note_failure(member, before.falls, before.epoch, *ret_class, rv);
    return rv;
}

CK_RV route_continue(struct group *group, struct member *member, struct real_session *session,
                     struct frame *frame, uint64_t deadline, enum error_class *ret_class)
{
    struct before before = look(member, session);
    CK_RV rv = member_run(member, frame, session, deadline);
    return continue_end(group, member, session, before, frame, rv, ret_class);
}

CK_RV route_continue_key(struct group *group, struct member *member, struct real_session *session,
                         struct object *key, struct frame *frame, uint64_t deadline,
                         enum error_class *ret_class)
{
    struct before before = look(member, session);
    struct route route = {.frame = frame, .key = {key}};
    CK_RV rv = fill_handles(group, &route, member, before.epoch, deadline);
    if (rv == CKR_OK)
        rv = member_run(member, frame, session, deadline);
    return continue_end(group, member, session, before, frame, rv, ret_class);
}

const char *route_rv_name(CK_RV rv, struct name_buf *buf)
{
    switch (rv) {
    case RV_DEADLINE:
        return "deadline";
    case RV_STUCK:
        return "lanes-stuck";
    case RV_PIN_REFUSED:
        return "pin-refused";
    case RV_NOT_HERE:
        return "no-replica";
    case RV_NO_MECHANISM:
        return "no-mechanism";
    case RV_MISFIT:
        return "misfit";
    case RV_GONE:
        return "destroyed";
    default:
        return name_rv(rv, buf);
    }
}
