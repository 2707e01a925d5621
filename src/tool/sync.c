/* `p11ha sync`: brings members to the vault's head now, and looks whether all is right there. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "call/names.h"
#include "replica/catchup.h"
#include "replica/verify.h"
#include "router/route.h"
#include "tool/findings.h"
#include "tool/label.h"
#include "tool/listing.h"
#include "tool/option.h"
#include "tool/progress.h"
#include "tool/say.h"
#include "tool/site.h"
#include "tool/trouble.h"

#define LOOK_EVERY   (100 * NS_PER_MS)
#define REPAIR_HINT  "`p11ha sync --verify --repair` makes what is missing and removes what was destroyed."
#define STRANGE_HINT "p11ha touches nothing that it does not know. Delete it by hand if it is not wanted."

enum column { MEMBER, STATE, BEFORE, AFTER, COLUMNS };
static const struct listing_column columns[COLUMNS] = {
    [MEMBER] = {"MEMBER", "member", LISTING_LEFT},
    [STATE] = {"STATE", "state", LISTING_LEFT},
    [BEFORE] = {"WAS BEHIND", "lag_before", LISTING_RIGHT},
    [AFTER] = {"IS BEHIND", "lag", LISTING_RIGHT},
};

struct sync {
    struct site site;
    struct findings findings;
    struct progress progress;
    const char *member, *pin_source;
    bool verify, repair, wait, json;
    bool broken_off;
    uint64_t lag_before[CONFIG_MEMBERS_MAX];
    char note[96];
    json_t *groups, *list; /* list: what --verify found in the group at hand */
    uint64_t repaired;
};

static bool is_meant(const struct sync *sync, const struct site_group *group, unsigned i)
{
    return !sync->member || strcmp(sync->member, group->config->member[i].name) == 0;
}

static uint64_t lag_of(const struct site_group *group, unsigned i)
{
    uint64_t lag = 0;
    return catchup_lag(group->managed, group->group->member[i], &lag) == CKR_OK ? lag : GROUP_LAG_UNKNOWN;
}

static uint64_t lag_of_all(const struct sync *sync, const struct site_group *group, bool reachable,
                           bool *ret_busy)
{
    uint64_t sum = 0;
    *ret_busy = false;
    for (unsigned i = 0; i < group->group->count; i++) {
        enum health_state state = member_state(group->group->member[i]);
        if (!is_meant(sync, group, i) || (reachable && !health_alive(state)))
            continue;
        uint64_t lag = lag_of(group, i);
        sum += lag == GROUP_LAG_UNKNOWN ? 0 : lag;
        *ret_busy = *ret_busy || state == HEALTH_CATCHING_UP || lag != 0;
    }
    return sum;
}

static const char *furthest_behind(struct sync *sync, const struct site_group *group)
{
    uint64_t most = 0;
    sync->note[0] = 0;
    for (unsigned i = 0; i < group->group->count; i++) {
        uint64_t lag = is_meant(sync, group, i) ? lag_of(group, i) : 0;
        if (lag > most && lag != GROUP_LAG_UNKNOWN) {
            most = lag;
            (void)snprintf(sync->note, sizeof(sync->note), "%.60s: %llu to go", group->config->member[i].name,
                           (unsigned long long)lag);
        }
    }
    return sync->note;
}

/* The tender catches members up by itself as soon as the group is signed on; this only looks on. */
static void wait_for_head(struct sync *sync, const struct site_group *group)
{
    bool busy = true;
    uint64_t total = lag_of_all(sync, group, true, &busy), last = total;
    uint64_t patience = clock_after(group->config->call_timeout);
    progress_start(&sync->progress, "sync", total ? total : 1);
    while (busy) {
        uint64_t left = lag_of_all(sync, group, true, &busy);
        progress_show(&sync->progress, total > left ? total - left : 0, furthest_behind(sync, group));
        if (left < last)
            patience = clock_after(group->config->call_timeout);
        last = left;
        /* Without --wait one that gets no further is left alone. */
        if (!busy || (!sync->wait && clock_now() > patience))
            break;
        if (!site_pause(LOOK_EVERY)) {
            sync->broken_off = true;
            break;
        }
    }
    progress_end(&sync->progress);
}

static void note_member(struct sync *sync, const struct site_group *group, unsigned i)
{
    struct trouble trouble;
    char where[96];
    uint64_t lag = lag_of(group, i);
    (void)snprintf(where, sizeof(where), "member %.80s", group->config->member[i].name);
    if (trouble_of_member(group, group->group->member[i], &trouble))
        findings_add(&sync->findings, FINDING_TROUBLE, where, trouble.remedy, "%s", trouble.what);
    else if (lag)
        findings_add(&sync->findings, FINDING_TROUBLE, where,
                     "Run this again, with --wait; the log says what is in the way.",
                     "it is still behind the vault");
}

static json_t *show_members(struct sync *sync, const struct site_group *group)
{
    AUTO(listing_free) struct listing *listing = listing_new(columns, COLUMNS);
    for (unsigned i = 0; listing && i < group->group->count; i++) {
        if (!is_meant(sync, group, i))
            continue;
        uint64_t lag = lag_of(group, i);
        listing_row(listing);
        listing_text(listing, MEMBER, group->config->member[i].name);
        listing_text(listing, STATE, health_name(member_state(group->group->member[i])));
        if (sync->lag_before[i] != GROUP_LAG_UNKNOWN)
            listing_count(listing, BEFORE, sync->lag_before[i]);
        if (lag != GROUP_LAG_UNKNOWN)
            listing_count(listing, AFTER, lag);
        note_member(sync, group, i);
    }
    if (!listing || (!sync->json && !listing_print(listing, stdout)))
        return NULL;
    return listing_take(listing);
}

static const char *remedy_of(const struct verify_report *report)
{
    switch (report->finding) {
    case VERIFY_REFUSED:
        return "Somebody or something changed the vault file. Find out who; restore the vault from a backup.";
    case VERIFY_SUPERFLUOUS:
        return STRANGE_HINT;
    case VERIFY_WRONG:
        return "An object of that name is there which is not this one. " STRANGE_HINT " Then sync again.";
    case VERIFY_UNPROVED:
        return "Check the device and its own log, then run this again.";
    default:
        return REPAIR_HINT;
    }
}

static void on_report(void *ctx, const struct verify_report *report)
{
    static const char *const words[VERIFY_FINDINGS] = {
        [VERIFY_REFUSED] = "its record was refused: the seal is wrong",
        [VERIFY_MISSING] = "is missing",
        [VERIFY_WRONG] = "is not the right one, by its proof",
        [VERIFY_DESTROYED] = "was destroyed and is still there",
        [VERIFY_SUPERFLUOUS] = "is on the token and in no record",
        [VERIFY_UNPROVED] = "could not be looked at",
    };
    struct sync *sync = ctx;
    struct name_buf buf;
    char where[96], what[LABEL_MAX] = "the member", uuid[37] = "";
    const char *member = report->member ? report->member->config->name : NULL;
    (void)snprintf(where, sizeof(where), member ? "member %.80s" : "vault", member);
    if (report->attrs)
        label_object(report->attrs, what);
    if (report->uuid)
        uuid_text(report->uuid, uuid);
    const char *said =
        report->rv == CKR_OK || report->finding == VERIFY_REFUSED ? NULL : route_rv_name(report->rv, &buf);
    sync->repaired += report->repaired;
    findings_add(&sync->findings, report->repaired ? FINDING_WARNING : FINDING_TROUBLE, where,
                 report->repaired ? NULL : remedy_of(report), "%s%s%s %s%s%s%s", what, *uuid ? " " : "", uuid,
                 words[report->finding], said ? ": " : "", said ? said : "",
                 !report->repaired                     ? ""
                 : report->finding == VERIFY_DESTROYED ? "; removed now"
                                                       : "; made now");
    json_t *row = json_pack("{s:s, s:s?, s:s?, s:s, s:b, s:s?}", "finding",
                            verify_finding_name(report->finding), "member", member, "uuid",
                            *uuid ? uuid : NULL, "object", what, "repaired", report->repaired, "said", said);
    if (json_array_append_new(sync->list, row) != 0)
        sync->findings.failed = true;
}

static void on_progress(void *ctx, const struct member *member, uint64_t done, uint64_t total)
{
    struct sync *sync = ctx;
    sync->progress.total = total;
    progress_show(&sync->progress, done, member->config->name);
}

static json_t *verify_group(struct sync *sync, const struct site_group *group)
{
    struct name_buf buf;
    struct verify verify = {.managed = group->managed,
                            .repair = sync->repair,
                            .report = on_report,
                            .progress = on_progress,
                            .ctx = sync};
    for (unsigned i = 0; sync->member && i < group->group->count; i++)
        if (is_meant(sync, group, i))
            verify.only = group->group->member[i];
    sync->list = json_array();
    progress_start(&sync->progress, "verify", 0);
    CK_RV rv = verify_run(&verify);
    progress_end(&sync->progress);
    if (rv != CKR_OK)
        findings_add(&sync->findings, FINDING_TROUBLE, group->config->name, "The log says more.",
                     "the verification ended early: %s", route_rv_name(rv, &buf));
    else if (!sync->json)
        (void)printf("\n%llu records, %llu replicas proved.\n", (unsigned long long)verify.records,
                     (unsigned long long)verify.proved);
    return json_pack("{s:I, s:I, s:b, s:o}", "records", (json_int_t)verify.records, "proved",
                     (json_int_t)verify.proved, "complete", rv == CKR_OK, "findings", TAKE(sync->list));
}

/* False with the exit code: it cannot be synced at all. */
static bool sign_on(const struct sync *sync, struct site_group *group, enum exit_code *ret_code)
{
    struct trouble trouble;
    *ret_code = EXIT_COULD_NOT;
    if (!group->store) {
        say_error(group->bare ? "Run `p11ha init` first." : "See p11ha.conf(5) and the log.", "group %s: %s",
                  group->config->name,
                  group->bare  ? "it is not initialised yet"
                  : group->why ? group->why
                               : "it cannot be opened");
        return false;
    }
    if (!site_login(group, sync->pin_source, SITE_PIN_ASK))
        return false;
    if (group->login == CKR_OK)
        return true;
    trouble_of_login(group->login, &trouble);
    say_error(trouble.remedy, "group %s: %s", group->config->name, trouble.what);
    return false;
}

static enum exit_code sync_group(struct sync *sync, struct site_group *group)
{
    enum exit_code code;
    for (unsigned i = 0; group->managed && i < group->group->count; i++)
        sync->lag_before[i] = lag_of(group, i);
    if (!sign_on(sync, group, &code))
        return code;
    wait_for_head(sync, group);
    if (!sync->json)
        (void)printf("Group %s\n\n", group->config->name);
    json_t *members = show_members(sync, group);
    json_t *verified = sync->verify && !sync->broken_off ? verify_group(sync, group) : json_null();
    if (!sync->json)
        (void)fputc('\n', stdout);
    json_t *row =
        json_pack("{s:s, s:o, s:o}", "group", group->config->name, "members", members, "verify", verified);
    if (json_array_append_new(sync->groups, row) == 0)
        return EXIT_GOOD;
    say_no_memory();
    return EXIT_COULD_NOT;
}

static enum exit_code finish(struct sync *sync)
{
    enum exit_code code = sync->findings.troubles ? EXIT_TROUBLE : EXIT_GOOD;
    if (sync->findings.failed) {
        say_no_memory();
        return EXIT_COULD_NOT;
    }
    if (sync->json) {
        json_t *all = json_pack("{s:O, s:O, s:b}", "groups", sync->groups, "findings", sync->findings.list,
                                "good", code == EXIT_GOOD);
        return listing_print_json(all) && !sync->broken_off ? code : EXIT_COULD_NOT;
    }
    findings_print(&sync->findings, stdout);
    if (code == EXIT_GOOD)
        (void)printf("Every member is at the vault's head%s.\n",
                     sync->verify ? ", and every replica is right" : "");
    return fflush(stdout) == 0 && !ferror(stdout) && !sync->broken_off ? code : EXIT_COULD_NOT;
}

static enum exit_code run(struct sync *sync)
{
    enum exit_code code = EXIT_GOOD;
    sync->groups = json_array();
    findings_start(&sync->findings);
    site_catch();
    site_open(&sync->site);
    site_wait(&sync->site);
    for (size_t i = 0; i < sync->site.count && code == EXIT_GOOD && !sync->broken_off; i++)
        if (sync->site.group[i].config->sync == SYNC_MANAGED)
            code = sync_group(sync, &sync->site.group[i]);
    if (code == EXIT_GOOD)
        code = finish(sync);
    json_decref(sync->groups);
    findings_end(&sync->findings);
    return code;
}

/* There must be something that can be synced by what was asked. */
static enum exit_code fit(const struct sync *sync, const char *group)
{
    bool managed = false, member = !sync->member;
    for (size_t i = 0; i < sync->site.count; i++) {
        const struct config_group *config = sync->site.group[i].config;
        if (config->sync != SYNC_MANAGED)
            continue;
        managed = true;
        for (size_t k = 0; k < config->member_count; k++)
            member = member || strcmp(config->member[k].name, sync->member) == 0;
    }
    if (!managed)
        say_error("Only groups with sync = managed have a vault; of others the vendor takes care.",
                  "%s%s: nothing to sync", group ? "group " : "the configuration", group ? group : "");
    else if (!member)
        say_error("Members are the sections [member NAME] of the configuration.",
                  "there is no member \"%s\" in %s", sync->member, group ? group : "any managed group");
    return managed && member ? EXIT_GOOD : EXIT_USAGE;
}

enum exit_code sync_run(struct globals *globals, int argc, char **argv)
{
    struct sync sync = {.verify = false};
    const struct option_row rows[] = {
        {.name = "member",
         .kind = OPTION_TEXT,
         .into.text = &sync.member,
         .value = "NAME",
         .help = "Only that member."},
        {.name = "verify",
         .into.flag = &sync.verify,
         .help = "Afterwards check the seal of every record, and prove every replica on every member."},
        {.name = "repair",
         .into.flag = &sync.repair,
         .help = "With --verify: make replicas that are missing, remove those of destroyed objects."},
        {.name = "wait",
         .into.flag = &sync.wait,
         .help = "Wait, however long it takes, until every member in reach is at the head."},
        {.name = "pin-source",
         .kind = OPTION_TEXT,
         .into.text = &sync.pin_source,
         .value = "file:PATH",
         .help =
             "The user PIN: the first line of that file. Else the members' own pin-source, or the terminal."},
    };
    const struct option_set set = {
        .command = "p11ha sync",
        .usage = "[GROUP] [options]",
        .about = "Brings the members of managed groups to the vault's head now, instead of when an "
                 "application signs on.",
        .row = rows,
        .rows = ARRAY_LEN(rows),
        .above = globals->options,
    };
    int first;
    enum option_outcome outcome = option_parse(&set, argc, argv, &first);
    if (outcome != OPTION_RUN)
        return outcome == OPTION_HELP ? EXIT_GOOD : EXIT_USAGE;
    if (argc - first > 1 || (sync.repair && !sync.verify)) {
        option_refuse(&set, sync.repair && !sync.verify ? "--repair needs --verify"
                                                        : "one GROUP at a time, or none for all");
        return EXIT_USAGE;
    }
    sync.json = globals->json;
    const char *group = first < argc ? argv[first] : NULL;
    enum exit_code code = site_read(&sync.site, globals, group, NULL);
    if (code == EXIT_GOOD)
        code = fit(&sync, group);
    if (code == EXIT_GOOD)
        code = run(&sync);
    site_close(&sync.site);
    return code;
}
