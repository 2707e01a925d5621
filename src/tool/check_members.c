/* The table of members. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "call/names.h"
#include "tool/check.h"
#include "tool/trouble.h"

#define CLOCK_SLACK 300 /* seconds that a token's clock may be off */

enum column { MEMBER, TOKEN, SERIAL, MODEL, FIRMWARE, RUNNER, INSTANCE, ROLE, STATE, WRAP, COLUMNS };
static const struct listing_column columns[COLUMNS] = {
    [MEMBER] = {"MEMBER", "member", LISTING_LEFT},       [TOKEN] = {"TOKEN", "token", LISTING_LEFT},
    [SERIAL] = {"SERIAL", "serial", LISTING_LEFT},       [MODEL] = {"MODEL", "model", LISTING_LEFT},
    [FIRMWARE] = {"FIRMWARE", "firmware", LISTING_LEFT}, [RUNNER] = {"RUNNER", "runner", LISTING_LEFT},
    [INSTANCE] = {"INSTANCE", "instance", LISTING_LEFT}, [ROLE] = {"ROLE", "role", LISTING_LEFT},
    [STATE] = {"STATE", "state", LISTING_LEFT},          [WRAP] = {"KEY WRAP", "key_wrap", LISTING_LEFT},
};

/* The standard's fields end in blanks, not in a NUL. */
static const char *field(const CK_UTF8CHAR *text, size_t size, char *into)
{
    size_t len = size;
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == 0))
        len--;
    memcpy(into, text, len);
    into[len] = 0;
    return into;
}

/* "YYYYMMDDhhmmss00", UTC; 0 if it is not. */
static int64_t token_clock(const CK_TOKEN_INFO *info)
{
    char text[sizeof(info->utcTime) + 1];
    struct tm tm = {.tm_isdst = 0};
    (void)field((const CK_UTF8CHAR *)info->utcTime, sizeof(info->utcTime), text);
    char *end = strptime(text, "%Y%m%d%H%M%S", &tm);
    return end ? (int64_t)timegm(&tm) : 0;
}

static void check_clock(const CK_TOKEN_INFO *info, const char *where, struct findings *findings)
{
    int64_t there = (info->flags & CKF_CLOCK_ON_TOKEN) ? token_clock(info) : 0;
    int64_t off = there ? there - clock_wall() : 0;
    if (off > CLOCK_SLACK || off < -CLOCK_SLACK)
        findings_add(findings, FINDING_WARNING, where, "Set the clock of the token, or that of this host.",
                     "the token's clock is %lld seconds off", (long long)off);
}

static void check_flags(const CK_TOKEN_INFO *info, const char *where, struct findings *findings)
{
    if (info->flags & CKF_USER_PIN_LOCKED)
        findings_add(findings, FINDING_TROUBLE, where, "The token's security officer must set the PIN anew.",
                     "the token says that its user PIN is locked");
    else if (info->flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW))
        findings_add(findings, FINDING_WARNING, where, "Make sure of the PIN before it is tried again.",
                     "wrong PINs have been entered; %s",
                     info->flags & CKF_USER_PIN_FINAL_TRY ? "the next wrong one locks it"
                                                          : "few tries are left");
    if (info->flags & CKF_WRITE_PROTECTED)
        findings_add(findings, FINDING_TROUBLE, where, "Remove its write protection.",
                     "the token is write-protected: no key can be put on it");
}

static void show_token(struct listing *listing, const CK_TOKEN_INFO *info)
{
    char text[64], version[16];
    listing_text(listing, TOKEN, field(info->label, sizeof(info->label), text));
    listing_text(listing, SERIAL, field(info->serialNumber, sizeof(info->serialNumber), text));
    listing_text(listing, MODEL, field(info->model, sizeof(info->model), text));
    (void)snprintf(version, sizeof(version), "%u.%u", info->firmwareVersion.major,
                   info->firmwareVersion.minor);
    listing_text(listing, FIRMWARE, version);
}

static void check_one(const struct site_group *group, struct member *member, struct listing *listing,
                      struct findings *findings)
{
    static const CK_TOKEN_INFO none;
    char where[96];
    struct trouble trouble;
    struct name_buf buf;
    const struct config_member *config = member->config;
    (void)snprintf(where, sizeof(where), "member %.80s", config->name);
    lock_take(&member->lock);
    CK_TOKEN_INFO info = member->token;
    lock_drop(&member->lock);

    listing_row(listing);
    listing_text(listing, MEMBER, config->name);
    listing_text(listing, RUNNER, config->runner == RUNNER_INLINE ? "inline" : "thread");
    listing_text(listing, INSTANCE, config->instance == INSTANCE_PRIVATE ? "private" : "shared");
    listing_text(listing, ROLE, config->role == ROLE_STANDBY ? "standby" : "active");
    listing_text(listing, STATE, health_name(member_state(member)));
    if (memcmp(&info, &none, sizeof(info)) != 0) {
        show_token(listing, &info);
        check_clock(&info, where, findings);
        check_flags(&info, where, findings);
    }
    CK_MECHANISM_TYPE wrap =
        group->managed ? atomic_load(&group->managed->keyring.wrap_mech[member->index]) : 0;
    if (wrap)
        listing_text(listing, WRAP, name_mech(wrap, &buf));
    if (trouble_of_member(group, member, &trouble))
        findings_add(findings, FINDING_TROUBLE, where, trouble.remedy, "%s", trouble.what);
}

json_t *check_members(const struct site_group *group, struct findings *findings, FILE *out)
{
    AUTO(listing_free) struct listing *listing = listing_new(columns, COLUMNS);
    if (!listing)
        return NULL;
    for (unsigned i = 0; i < group->group->count; i++)
        check_one(group, group->group->member[i], listing, findings);
    if (out && !listing_print(listing, out))
        return NULL;
    return listing_take(listing);
}
