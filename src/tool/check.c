/* `p11ha check`: is everything as the configuration wants it? */
#include "tool/check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tool/option.h"
#include "tool/say.h"
#include "tool/trouble.h"

#define CLOCK_SLACK 60 /* seconds that the vault's clock may be ahead of ours */

struct check {
    struct site site;
    struct findings findings;
    const char *pin_source;
    bool no_login, no_matrix, json;
    json_t *groups;
};

/* The configuration's warnings are lines; each is a finding. */
static void take_warnings(struct check *check, char *warnings)
{
    char *rest = NULL;
    for (char *line = warnings ? strtok_r(warnings, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        findings_add(&check->findings, FINDING_WARNING, "configuration", NULL, "%s", line);
}

static void check_run_dir(struct check *check)
{
    const char *dir = check->site.config->run_dir;
    struct stat st;
    if (stat(dir, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
        findings_add(&check->findings, FINDING_WARNING, "configuration",
                     "chmod go-w it, or make it sticky (mode 1777).",
                     "others may remove the live statistics in run-dir %s", dir);
}

static bool count_refused(UNUSED const uint8_t uuid[UUID_LEN], UNUSED uint64_t seq, UNUSED int64_t when,
                          void *ctx)
{
    ++*(size_t *)ctx;
    return true;
}

static void check_vault(struct check *check, const struct site_group *group, const char *where)
{
    uint64_t head = 0;
    int64_t now = clock_wall();
    if (vault_head(group->managed->vault, &head) != 0)
        findings_add(&check->findings, FINDING_TROUBLE, where, "Check the disk that it is on.",
                     "the vault %s cannot be read: %s", group->config->vault, vault_error());
    if (vault_meta(group->managed->vault)->created > now + CLOCK_SLACK)
        findings_add(&check->findings, FINDING_TROUBLE, where, "Set this host's clock (timedatectl).",
                     "by this host's clock the vault was made in the future: one of both is wrong");
    size_t refused = 0;
    if (vault_refused_each(group->managed->vault, count_refused, &refused) == 0 && refused)
        findings_add(&check->findings, FINDING_TROUBLE, where, "`p11ha status` names them.",
                     "%zu record%s of the vault refused: the seal is wrong", refused,
                     refused == 1 ? " was" : "s were");
    if (access(group->config->vault, W_OK) != 0)
        findings_add(&check->findings, FINDING_WARNING, where,
                     "Run this as the user whose applications use the group.",
                     "you may not write to the vault %s: nothing can be made or destroyed by you",
                     group->config->vault);
}

static void check_unopened(struct check *check, const struct site_group *group, const char *where)
{
    if (group->bare)
        findings_add(&check->findings, FINDING_TROUBLE, where,
                     "Run `p11ha init GROUP` with that group's name; `p11ha init --help` says more.",
                     "it is not initialised yet: there is no vault %s", group->config->vault);
    else if (group->why)
        findings_add(&check->findings, FINDING_TROUBLE, where, "See p11ha.conf(5) and the log.", "%s",
                     group->why);
}

/* True if the members can be asked for more than who they are. */
static bool sign_on(struct check *check, struct site_group *group, const char *where)
{
    struct trouble trouble;
    if (check->no_login || group->bare)
        return false;
    if (!site_login(group, check->pin_source, SITE_PIN_ASK)) {
        findings_add(&check->findings, FINDING_TROUBLE, where,
                     "Give --pin-source, or --no-login to leave out what needs it.",
                     "without the PIN keys and key types cannot be looked at");
        return false;
    }
    if (group->login != CKR_OK) {
        trouble_of_login(group->login, &trouble);
        findings_add(&check->findings, FINDING_TROUBLE, where, trouble.remedy, "%s", trouble.what);
        return false;
    }
    site_settle(group, group->config->keygen_timeout);
    return true;
}

static void heading(const struct check *check, const struct site_group *group)
{
    if (!check->json)
        (void)printf("Group %s: label \"%s\", sync %s, slot %lu\n\n", group->config->name,
                     group->config->label, group->config->sync == SYNC_MANAGED ? "managed" : "external",
                     group->config->slot);
}

static bool check_group(struct check *check, struct site_group *group)
{
    FILE *out = check->json ? NULL : stdout;
    char where[96];
    (void)snprintf(where, sizeof(where), "group %.80s", group->config->name);
    heading(check, group);
    check_unopened(check, group, where);
    json_t *members = json_null(), *matrix = json_null();
    if (group->group) {
        bool signed_on = sign_on(check, group, where);
        if (group->managed)
            check_vault(check, group, where);
        members = check_members(group, &check->findings, out);
        if (signed_on && !check->no_matrix) {
            if (out)
                (void)fputc('\n', out);
            matrix = check_matrix(group, &check->findings, out);
        }
        if (out)
            (void)fputc('\n', out);
    }
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:o, s:o}", "group", group->config->name, "label", group->config->label,
        "sync", group->config->sync == SYNC_MANAGED ? "managed" : "external", "initialised",
        group->store != NULL, "signed_on", group->login == CKR_OK, "members", members, "matrix", matrix);
    return json_array_append_new(check->groups, row) == 0;
}

static enum exit_code finish(struct check *check, bool good)
{
    enum exit_code code = check->findings.troubles ? EXIT_TROUBLE : EXIT_GOOD;
    if (!good || check->findings.failed) {
        say_no_memory();
        return EXIT_COULD_NOT;
    }
    if (check->json) {
        json_t *all = json_pack("{s:s, s:O, s:O, s:b}", "configuration", check->site.config->path, "groups",
                                check->groups, "findings", check->findings.list, "good", code == EXIT_GOOD);
        return listing_print_json(all) ? code : EXIT_COULD_NOT;
    }
    findings_print(&check->findings, stdout);
    if (code == EXIT_GOOD)
        (void)printf("%s: no trouble found.\n", check->site.config->path);
    return fflush(stdout) == 0 && !ferror(stdout) ? code : EXIT_COULD_NOT;
}

static enum exit_code run(struct check *check, char *warnings)
{
    bool good = true;
    check->groups = json_array();
    findings_start(&check->findings);
    take_warnings(check, warnings);
    check_run_dir(check);
    site_open(&check->site);
    site_wait(&check->site);
    for (size_t i = 0; i < check->site.count && good; i++)
        good = check_group(check, &check->site.group[i]);
    enum exit_code code = finish(check, good);
    json_decref(check->groups);
    findings_end(&check->findings);
    return code;
}

enum exit_code check_run(struct globals *globals, int argc, char **argv)
{
    struct check check = {.json = false};
    const struct option_row rows[] = {
        {.name = "pin-source",
         .kind = OPTION_TEXT,
         .into.text = &check.pin_source,
         .value = "file:PATH",
         .help = "The user PIN: the first line of that file. Else the members' own pin-source, or the "
                 "terminal. It is "
                 "tried once."},
        {.name = "no-login", .into.flag = &check.no_login, .help = "Leave out what needs the PIN."},
        {.name = "no-matrix",
         .into.flag = &check.no_matrix,
         .help = "Do not try key types, which takes some seconds."},
    };
    const struct option_set set = {
        .command = "p11ha check",
        .usage = "[GROUP] [options]",
        .about = "Reads the configuration, reaches every member, tries which keys it can bear, and explains "
                 "every trouble "
                 "with what to do about it.",
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
    check.json = globals->json;
    AUTO(mem_free) char *warnings = NULL;
    enum exit_code code = site_read(&check.site, globals, first < argc ? argv[first] : NULL, &warnings);
    if (code == EXIT_GOOD)
        code = run(&check, warnings);
    site_close(&check.site);
    return code;
}
