/* `p11ha status`: how groups and their members are, as this command and running processes see them. */
#include "tool/status.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tool/option.h"
#include "tool/say.h"
#include "tool/trouble.h"

#define RATE_SPAN      (600 * NS_PER_MS) /* between two looks: processes write every 250 ms */
#define SETTLE_AT_MOST (10 * NS_PER_S)
#define INTERVAL_LEAST (100 * NS_PER_MS)
#define INTERVAL_MOST  (3600 * NS_PER_S)

struct options {
    const char *pin_source;
    uint64_t interval;
    bool watch, no_probe, json;
};

static void note_unopened(const struct status *status, const struct site_group *group)
{
    char where[96];
    (void)snprintf(where, sizeof(where), "group %.80s", group->config->name);
    bool missing =
        !status->probe && group->config->sync == SYNC_MANAGED && access(group->config->vault, F_OK) != 0;
    if (group->bare || missing)
        findings_add(status->findings, FINDING_TROUBLE, where,
                     "Run `p11ha init GROUP` with that group's name; `p11ha init --help` says more.",
                     "it is not initialised yet: there is no vault %s", group->config->vault);
    else if (group->why)
        findings_add(status->findings, FINDING_TROUBLE, where, "See p11ha.conf(5) and the log.", "%s",
                     group->why);
    if (status->probe && group->login != CKR_OK && group->login != CKR_USER_NOT_LOGGED_IN) {
        struct trouble trouble;
        trouble_of_login(group->login, &trouble);
        findings_add(status->findings, FINDING_TROUBLE, where, trouble.remedy, "%s", trouble.what);
    }
}

static void print_vault(const struct site_group *group, const struct status_vault *vault)
{
    if (!vault->known)
        return;
    (void)printf("\nObjects: %zu live (%zu of them secret or private keys), %zu deleted, %zu purged. Vault: "
                 "%s, record %llu.\n",
                 vault->live, vault->keys, vault->deleted, vault->purged, group->config->vault,
                 (unsigned long long)vault->head);
    if (vault->pinned)
        (void)printf("Pinned: %zu key%s on one member alone, lost with it; --json names them.\n",
                     vault->pinned, vault->pinned == 1 ? " lives" : "s live");
    if (vault->below > 0)
        (void)printf("Below min-copies (%u): %zu.\n", group->config->min_copies, vault->below);
}

static json_t *vault_json(const struct status_vault *vault)
{
    if (!vault->known)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:O, s:O, s:O}", "head", (json_int_t)vault->head, "live",
                     (json_int_t)vault->live, "keys", (json_int_t)vault->keys, "deleted",
                     (json_int_t)vault->deleted, "purged", (json_int_t)vault->purged, "below_copies",
                     json_object_get(vault->lists, "below_copies"), "refused",
                     json_object_get(vault->lists, "refused"), "pinned",
                     json_object_get(vault->lists, "pinned"));
}

/* Its JSON; printed as well unless that is what is wanted. */
static json_t *show_group(const struct status *status, const struct site_group *group, bool json)
{
    FILE *out = json ? NULL : stdout;
    struct status_vault vault;
    struct live_sum sum;
    note_unopened(status, group);
    status_vault(status, group, &vault);
    live_sum_group(status->before, status->now, group->config->name, &sum);
    if (!json)
        (void)printf("Group %s: label \"%s\", sync %s\n\n", group->config->name, group->config->label,
                     group->config->sync == SYNC_MANAGED ? "managed" : "external");
    json_t *members = status_members(status, group, &vault, out);
    if (!json)
        print_vault(group, &vault);
    if (!json && sum.processes)
        (void)fputc('\n', stdout);
    json_t *processes = status_processes(status, group, sum.processes ? out : NULL);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:i, s:b, s:I, s:I, s:f, s:o, s:o, s:o}", "group", group->config->name, "label",
        group->config->label, "sync", group->config->sync == SYNC_MANAGED ? "managed" : "external",
        "min_copies", (int)group->config->min_copies, "signed_on", group->login == CKR_OK, "calls",
        (json_int_t)sum.calls, "errors", (json_int_t)sum.errors, "calls_per_s", sum.calls_per_s, "members",
        members, "vault", vault_json(&vault), "processes", processes);
    json_decref(vault.lists);
    if (!json)
        (void)fputc('\n', stdout);
    return row;
}

static enum exit_code show_once(struct status *status, bool json)
{
    AUTO(live_end) struct live before = {0};
    AUTO(live_end) struct live now = {0};
    AUTO(findings_end) struct findings findings;
    findings_start(&findings);
    live_read(&before, status->site.config->run_dir);
    if (before.count)
        (void)site_pause(RATE_SPAN);
    live_read(&now, status->site.config->run_dir);
    status->before = &before;
    status->now = &now;
    status->findings = &findings;
    json_t *groups = json_array();
    bool good = true;
    for (size_t i = 0; i < status->site.count; i++)
        good = json_array_append_new(groups, show_group(status, &status->site.group[i], json)) == 0 && good;
    enum exit_code code = findings.troubles ? EXIT_TROUBLE : EXIT_GOOD;
    if (!good || findings.failed || before.no_memory || now.no_memory) {
        json_decref(groups);
        say_no_memory();
        return EXIT_COULD_NOT;
    }
    if (json)
        return listing_print_json(json_pack("{s:o, s:O, s:b}", "groups", groups, "findings", findings.list,
                                            "good", code == EXIT_GOOD))
                   ? code
                   : EXIT_COULD_NOT;
    json_decref(groups);
    findings_print(&findings, stdout);
    if (code == EXIT_GOOD)
        (void)printf("All is well.\n");
    return fflush(stdout) == 0 && !ferror(stdout) ? code : EXIT_COULD_NOT;
}

/* Never asks: a PIN is used only if somebody has laid one ready. */
static void sign_on(struct status *status, const char *pin_source)
{
    for (size_t i = 0; i < status->site.count; i++) {
        struct site_group *group = &status->site.group[i];
        if (group->store && site_login(group, pin_source, SITE_PIN_GIVEN) && group->login == CKR_OK)
            site_settle(group, SETTLE_AT_MOST);
    }
}

static enum exit_code run(struct status *status, const struct options *options)
{
    status->probe = !options->no_probe;
    if (options->watch)
        site_catch();
    if (status->probe) {
        site_open(&status->site);
        site_wait(&status->site);
        sign_on(status, options->pin_source);
    }
    return options->watch ? status_watch(status, options->interval, options->json)
                          : show_once(status, options->json);
}

enum exit_code status_run(struct globals *globals, int argc, char **argv)
{
    struct options options = {.interval = NS_PER_S};
    const struct option_row rows[] = {
        {.name = "watch",
         .letter = 'w',
         .into.flag = &options.watch,
         .help = "A live table, until it is interrupted."},
        {.name = "interval",
         .kind = OPTION_SPAN,
         .into.span = &options.interval,
         .min = INTERVAL_LEAST,
         .max = INTERVAL_MOST,
         .value = "TIME",
         .help = "How often --watch looks (1s)."},
        {.name = "pin-source",
         .kind = OPTION_TEXT,
         .into.text = &options.pin_source,
         .value = "file:PATH",
         .help = "Sign on with the PIN in the first line of that file, so that members' keys are proved and "
                 "members "
                 "caught up. Else the members' own pin-source is used if each has one. Never asked for."},
        {.name = "no-probe",
         .into.flag = &options.no_probe,
         .help = "Do not call any member: only what the vault and running processes tell."},
    };
    const struct option_set set = {
        .command = "p11ha status",
        .usage = "[GROUP] [options]",
        .about = "Shows how groups are: members with state, cause and how far they are behind, objects in "
                 "danger, and the "
                 "processes that use them. Exit code 1 means that a person should look.",
        .row = rows,
        .rows = ARRAY_LEN(rows),
        .above = globals->options,
    };
    int first;
    enum option_outcome outcome = option_parse(&set, argc, argv, &first);
    if (outcome != OPTION_RUN)
        return outcome == OPTION_HELP ? EXIT_GOOD : EXIT_USAGE;
    if (argc - first > 1) {
        option_refuse(&set, "one GROUP at a time, or none for all");
        return EXIT_USAGE;
    }
    options.json = globals->json;
    struct status status = {.probe = false};
    enum exit_code code = site_read(&status.site, globals, first < argc ? argv[first] : NULL, NULL);
    if (code == EXIT_GOOD)
        code = run(&status, &options);
    site_close(&status.site);
    return code;
}
