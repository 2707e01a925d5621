#include "router/pins.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "call/names.h"
#include "call/rv.h"
#include "router/route.h"
#include "router/verdict.h"

/* One change on all members. */
struct change {
    struct group *group;
    enum verb verb;
    struct pin old, new;
};

static uint64_t share(const struct group *group)
{
    return clock_after(group->config->call_timeout);
}

static void tell(const struct change *change, enum log_level level, const char *event,
                 const struct member *member, const char *stands, CK_RV rv)
{
    struct name_buf buf;
    log_event(level, event, "group=%s call=%s member=%s stands=%s answer=%s", change->group->config->name,
              verb_name(change->verb, OP_KINDS), member->config->name, stands,
              rv == CKR_OK ? "ok" : route_rv_name(rv, &buf));
}

static CK_RV apply(const struct change *change, struct member *member)
{
    uint64_t deadline = share(change->group);
    switch (change->verb) {
    case VERB_SET_PIN:
        return member_set_pin(member, change->old, change->new, deadline);
    case VERB_INIT_PIN:
        return member_init_pin(member, change->new, deadline);
    default:
        return member_init_token(member, change->new, deadline);
    }
}

/* One that has lost the session has surely done nothing: once more with a new one, signed on anew. */
static CK_RV apply_once(const struct change *change, struct member *member)
{
    uint32_t epoch = member_epoch(member);
    CK_RV rv = apply(change, member);
    if (rv != CKR_SESSION_HANDLE_INVALID && rv != CKR_SESSION_CLOSED)
        return rv;
    member_lost_sessions(member, epoch);
    rv = member_sign_on(member, share(change->group));
    return rv == CKR_OK ? apply(change, member) : rv;
}

static bool is_there(const struct change *change, struct member *member, CK_RV *ret)
{
    *ret = CKR_TOKEN_NOT_PRESENT;
    if (!health_alive(member_state(member)))
        return false;
    *ret = member_is_there(member, share(change->group));
    if (*ret == CKR_OK)
        *ret = member_sign_on(member, share(change->group));
    return *ret == CKR_OK;
}

/* Nothing is begun that could not be done everywhere. */
static CK_RV may_begin(const struct change *change)
{
    struct group *group = change->group;
    for (unsigned i = 0; i < group->count; i++)
        if (group->member[i]->config->pin_file) {
            log_event(LOG_ERROR, "pin-not-changed", "group=%s call=%s member=%s hint=%s", group->config->name,
                      verb_name(change->verb, OP_KINDS), group->member[i]->config->name,
                      "its PIN is its own; change it there and in its pin-source, and that of the others by "
                      "their own tools");
            return CKR_FUNCTION_REJECTED;
        }
    for (unsigned i = 0; i < group->count; i++) {
        CK_RV rv;
        if (is_there(change, group->member[i], &rv))
            continue;
        tell(change, LOG_ERROR, "pin-not-changed", group->member[i], "as-before", rv);
        return CKR_DEVICE_ERROR;
    }
    return CKR_OK;
}

static bool surely_refused(const struct change *change, CK_RV rv)
{
    /* Not every token changes the PIN of one who is not logged in: softokn does not. */
    struct verdict_facts facts = {.logged_in = group_logged_in(change->group), .fresh_session = true};
    enum error_class class = verdict_class(rv, &facts);
    return class == ERROR_APPLICATION || class == ERROR_UNABLE;
}

/* The old PIN again on one that has the new one, or may have it. */
static void put_back(const struct change *change, struct member *member, bool changed)
{
    const struct change back = {change->group, change->verb, change->new, change->old};
    CK_RV rv = apply_once(&back, member);
    if (rv == CKR_OK || (!changed && rv == CKR_PIN_INCORRECT))
        tell(change, LOG_WARN, "pin-put-back", member, "old-pin", rv);
    else
        tell(change, LOG_ERROR, "pin-split", member, changed ? "new-pin" : "unknown", rv);
}

/* The member `failed` has answered rv; those before it are changed, those behind it are not. */
static void undo(const struct change *change, unsigned failed, CK_RV rv)
{
    struct member *const *member = change->group->member;
    tell(change, LOG_ERROR, "pin-not-changed", member[failed],
         surely_refused(change, rv) ? "as-before" : "unknown", rv);
    if (change->verb == VERB_SET_PIN) {
        if (!surely_refused(change, rv))
            put_back(change, member[failed], false);
        for (unsigned i = 0; i < failed; i++)
            put_back(change, member[i], true);
        return;
    }
    for (unsigned i = 0; i < failed; i++)
        tell(change, LOG_ERROR, "pin-split", member[i], "changed", CKR_OK);
    for (unsigned i = failed + 1; i < change->group->count; i++)
        tell(change, LOG_ERROR, "pin-split", member[i], "as-before", CKR_OK);
}

static CK_RV change_all(const struct change *change)
{
    struct group *group = change->group;
    lock_assert_none();
    CK_RV rv = may_begin(change);
    if (rv != CKR_OK)
        return rv;
    for (unsigned i = 0; i < group->count; i++) {
        rv = apply_once(change, group->member[i]);
        if (rv == CKR_OK)
            continue;
        /* The first one's refusal is the application's answer; what another one says is its own trouble. */
        if (i == 0 && surely_refused(change, rv))
            return rv;
        undo(change, i, rv);
        return CKR_DEVICE_ERROR;
    }
    for (unsigned i = 0; i < group->count; i++)
        member_forget_refused(group->member[i]);
    log_event(LOG_INFO, "pin-changed", "group=%s call=%s members=%u", group->config->name,
              verb_name(change->verb, OP_KINDS), group->count);
    return CKR_OK;
}

CK_RV pins_set(struct group *group, struct pin old, struct pin new)
{
    struct change change = {group, VERB_SET_PIN, old, new};
    CK_RV rv = change_all(&change);
    return rv == CKR_OK ? signon_change_pin(&group->signon, new.data, new.len) : rv;
}

CK_RV pins_init(struct group *group, struct pin pin)
{
    return change_all(&(struct change){.group = group, .verb = VERB_INIT_PIN, .new = pin});
}

CK_RV pins_init_token(struct group *group, struct pin so_pin)
{
    return change_all(&(struct change){.group = group, .verb = VERB_INIT_TOKEN, .new = so_pin});
}
