#include "tool/trouble.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "call/names.h"
#include "call/rv.h"
#include "router/route.h"

#define RETRIED "It is tried again by itself, at first every second, later every minute."

struct reason {
    CK_RV rv;
    const char *what, *remedy;
};

static const struct reason reasons[] = {
    {RV_DEADLINE, "it does not answer within call-timeout",
     "See whether the device or the way to it hangs. " RETRIED},
    {RV_STUCK, "too many calls hang inside its module",
     "See whether the device or the way to it hangs; calls go there again when those return."},
    {RV_NO_TIME, "another call holds up what it needs",
     "See whether the vault's disk or the device is slow. " RETRIED},
    {CKR_TOKEN_NOT_PRESENT, "its token is not there",
     "Check the device, and `token` of this member. " RETRIED},
    {CKR_TOKEN_NOT_RECOGNIZED, "its token cannot be recognised",
     "Check the device, and `token` of this member. " RETRIED},
    {CKR_SLOT_ID_INVALID, "its slot is not there any more", "Check the device. " RETRIED},
    {CKR_DEVICE_ERROR, "the device reports an error", "Check the device and its own log. " RETRIED},
    {CKR_DEVICE_REMOVED, "the device was removed", "Put it back. " RETRIED},
    {CKR_DEVICE_MEMORY, "the device is full", "Make room on it."},
    {CKR_HOST_MEMORY, "its module has no memory", "Free some memory on this host. " RETRIED},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "its module is not initialised", RETRIED},
    {CKR_GENERAL_ERROR, "its module fails without saying why (CKR_GENERAL_ERROR)",
     "Check the module's own log and configuration: files that cannot be read or written end like "
     "this. " RETRIED},
    {CKR_FUNCTION_FAILED, "its calls fail (CKR_FUNCTION_FAILED)",
     "Check the device and its own log. " RETRIED},
    {CKR_PIN_INCORRECT, "it refused the PIN, which was tried once",
     "Give it the PIN of the other members, or name its own with `pin-source`."},
    {CKR_PIN_LOCKED, "its PIN is locked", "The token's security officer must set the PIN anew."},
    {CKR_PIN_EXPIRED, "its PIN has expired", "Set a new PIN on the token."},
    {CKR_PIN_LEN_RANGE, "it refused the PIN for its length",
     "Give it the PIN of the other members, or name its own with `pin-source`."},
    {CKR_PIN_INVALID, "it refused the PIN for its characters",
     "Give it the PIN of the other members, or name its own with `pin-source`."},
    {CKR_USER_PIN_NOT_INITIALIZED, "its user has no PIN yet", "The token's security officer must set one."},
    {RV_PIN_REFUSED, "it refused the PIN, which was tried once",
     "Give it the PIN of the other members, or name its own with `pin-source`."},
    {RV_MISFIT, "it is not this group's: its token or the group's keys on it are wrong or missing",
     "See `p11ha check`, which looks closer."},
};

static void say(struct trouble *ret, const char *what, const char *remedy)
{
    (void)snprintf(ret->what, sizeof(ret->what), "%s", what);
    ret->remedy = remedy;
}

static void of_cause(CK_RV cause, struct trouble *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].rv == cause) {
            say(ret, reasons[i].what, reasons[i].remedy);
            return;
        }
    struct name_buf buf;
    (void)snprintf(ret->what, sizeof(ret->what), "it answers %s", route_rv_name(cause, &buf));
    ret->remedy = "Check the device and its own log. " RETRIED;
}

bool trouble_of_state(enum health_state state, CK_RV cause, struct trouble *ret)
{
    switch (state) {
    case HEALTH_UP:
        return false;
    case HEALTH_SUSPECT:
        of_cause(cause, ret);
        return true;
    case HEALTH_CATCHING_UP:
        say(ret, "it is being brought up to date", "Wait, or run `p11ha sync --wait`.");
        return true;
    case HEALTH_DRAINED:
        say(ret, "an administrator has taken it out of service", "`p11ha member resume` brings it back.");
        return true;
    case HEALTH_PIN_MISMATCH:
        of_cause(cause == CKR_OK ? CKR_PIN_INCORRECT : cause, ret);
        return true;
    default:
        of_cause(cause, ret);
        return true;
    }
}

void trouble_of_login(CK_RV rv, struct trouble *ret)
{
    static const struct reason own[] = {
        {CKR_PIN_INCORRECT, "the PIN was refused; it was tried once, on one member",
         "Look the PIN up before you try again: tokens lock after a few wrong ones."},
        {CKR_TOKEN_NOT_PRESENT, "no member could be signed on to", "See what is said of each member."},
        {CKR_DEVICE_ERROR, "no member could be signed on to", "See what is said of each member."},
    };
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (own[i].rv == rv) {
            say(ret, own[i].what, own[i].remedy);
            return;
        }
    of_cause(rv, ret);
}

/* How many keys it has under the group key's label, with that CKA_ID or any. */
static CK_RV count_keks(struct managed *managed, struct remote remote, bool own, size_t *ret)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_OBJECT_HANDLE found[8];
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_LABEL, (void *)(uintptr_t)KEYRING_LABEL_KEK, strlen(KEYRING_LABEL_KEK)},
        {CKA_ID, (void *)(uintptr_t)vault_meta(managed->vault)->kek_id, 16},
    };
    CK_RV rv = remote_find(remote, templ, own ? 3 : 2, found, ARRAY_LEN(found), ret);
    if (rv == CKR_BUFFER_TOO_SMALL)
        *ret = ARRAY_LEN(found);
    return rv == CKR_BUFFER_TOO_SMALL ? CKR_OK : rv;
}

static void of_misfit(struct managed *managed, struct member *member, struct trouble *ret)
{
    struct remote remote = remote_to(member, clock_after(member->group->call_timeout));
    size_t own = 0, any = 0;
    CK_RV rv = count_keks(managed, remote, true, &own);
    if (rv == CKR_OK)
        rv = count_keks(managed, remote, false, &any);
    bool wraps =
        member_mechanism(member, CKM_AES_KEY_WRAP_KWP) || member_mechanism(member, CKM_AES_KEY_WRAP_PAD);
    if (rv != CKR_OK)
        of_cause(RV_MISFIT, ret);
    else if (any == 0)
        say(ret,
            "the group key is not on it: it was emptied, or it is another token than the one that was set up",
            "Check `token` of this member. Bringing a new token into the group needs the custodians' "
            "shares.");
    else if (own == 0)
        say(ret, "it has the group key of another group",
            "Check `token` and `vault`: token and vault do not belong together.");
    else if (own > 1)
        say(ret, "it has the group key several times",
            "Delete the copies that `p11ha init` did not put there.");
    else if (!wraps)
        say(ret, "it offers no AES key wrap with padding (RFC 5649), by which keys travel",
            "Use another module, firmware or token for this member.");
    else
        say(ret,
            "its group key or seal key has another value than this group's, or its AES key wrap is not RFC "
            "5649",
            "The token was changed since `p11ha init`; compare its serial number with the one that you set "
            "up.");
}

bool trouble_of_member(const struct site_group *group, struct member *member, struct trouble *ret)
{
    lock_take(&member->lock);
    struct health health = member->health;
    bool connected = member->connected;
    lock_drop(&member->lock);
    const char *said = instance_trouble(member->instance);
    if (health.state == HEALTH_MISFIT && !connected) {
        say(ret, "another token is there than the one that was seen first",
            "Check the device, and `token` of this member.");
        return true;
    }
    if (health.state == HEALTH_MISFIT && group->managed) {
        of_misfit(group->managed, member, ret);
        return true;
    }
    bool found = trouble_of_state(health.state, health.cause, ret);
    if (!found || health.state != HEALTH_DOWN || !*said || connected)
        return found;
    if (strstr(said, "load"))
        (void)snprintf(ret->what, sizeof(ret->what), "%s (module %s)", said, member->config->module);
    else
        say(ret, said, NULL);
    ret->remedy =
        strstr(said, "load")
            ? "Check `module` of this member: the file, the libraries that it needs, and who may read them."
        : strstr(said, "several") ? "Make `token` of this member more exact, for example with serial=."
        : strstr(said, "URI")     ? "Check `token` of this member, and what its env.* lead to. " RETRIED
                              : "Check the module's own log and configuration, and env.* and init-args of "
                                "this member. " RETRIED;
    return true;
}
