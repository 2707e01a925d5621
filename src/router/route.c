#include "router/route.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "call/rv.h"
#include "router/next.h"

#define FULL_FOR (1 * NS_PER_S)
/* What the loop knows so far. */
struct walk {
    struct tried tried;
    uint64_t ambiguous;
    unsigned classes; /* bits 1 << error_class */
    CK_RV common;
    bool alike;
};

void route_init(struct route *route, struct frame *frame, enum work_class work, uint64_t deadline)
{
    *route = (struct route){
        .frame = frame, .work = work, .mech = CK_UNAVAILABLE_INFORMATION, .deadline = deadline, .only = -1};
}

static CK_RV real_handle(struct group *group, struct object *key, struct member *member, uint32_t epoch,
                         uint64_t deadline, CK_OBJECT_HANDLE *ret)
{
    struct object *base = object_base(key);
    if (!base->token && atomic_load_explicit(&base->uses, memory_order_relaxed) < ROUTE_USES_AT_HOME)
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
    route->frame->sent = false;
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
    for (unsigned k = 0; k < route_keys(route); k++)
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
        if (who & route_bit(i))
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

/* Was the call surely not executed there? A session can be closed while it is. */
static bool surely_not_done(const struct route *route, enum error_class class, CK_RV rv)
{
    return !route->sent || class == ERROR_UNABLE || class == ERROR_FULL || class == ERROR_STALE_HANDLE ||
           (class == ERROR_SESSION_LOST && rv != CKR_SESSION_CLOSED) || rv == RV_STUCK ||
           rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_TOKEN_NOT_PRESENT;
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
        route->sent = route->frame->sent;
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
        if (route->once && verdict != VERDICT_ANSWER && !surely_not_done(route, *ret_class, rv))
            return rv;
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
        if (walk->ambiguous & route_bit(i) && walk->common == CKR_DEVICE_ERROR)
            member_probe_soon(group->member[i]);
    if (rv == CKR_DEVICE_ERROR || rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_DEVICE_MEMORY) {
        atomic_fetch_add_explicit(&group->errors, 1, memory_order_relaxed);
        log_event(LOG_ERROR, "call-failed", "group=%s call=%s answer=%s attempts=%u", group->config->name,
                  verb_name(route->frame->verb, route->frame->kind), route_rv_name(rv, &buf),
                  route->attempts);
    }
    return rv;
}

CK_RV route_run(struct group *group, struct route *route)
{
    struct walk walk = {.alike = true, .common = CKR_OK};
    lock_assert_none();
    budget_earn(&group->budget);
    atomic_fetch_add_explicit(&group->calls, 1, memory_order_relaxed);
    for (;;) {
        uint64_t deadline = 0;
        struct member *member = next_member(group, route, &walk.tried, &deadline);
        /* A member that is given no time would be down for nothing. */
        bool late = clock_now() >= route->deadline;
        if (late && walk.classes == 0)
            walk.classes = 1u << ERROR_TRANSPORT;
        if (!member || late)
            return finish(group, route, &walk);
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
        walk.tried.members |= route_bit(member->index);
        note_failure(member, route->falls, route->epoch, class, rv);
        tell(group, route, member, rv, class);
        if (class == ERROR_AMBIGUOUS) {
            walk.ambiguous |= route_bit(member->index);
            if (!budget_spend(&group->budget, clock_now()))
                return rv;
        }
        if (route->once && !surely_not_done(route, class, rv)) {
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
    if (frame->sent)
        member_session_end(member, session, rv);
    else
        member_session_drop(member, session);
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
    frame->sent = false;
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
    frame->sent = false;
    frame->epoch = before.epoch;
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
    case RV_NO_TIME:
        return "no-time";
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
