/* `p11ha init`: sets a managed group up on its members' tokens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "replica/ceremony.h"
#include "tool/confirm.h"
#include "tool/listing.h"
#include "tool/option.h"
#include "tool/progress.h"
#include "tool/say.h"
#include "tool/site.h"

#define STEPS 5 /* of the ceremony */

struct init {
    const struct config_group *group;
    struct option_texts given;
    struct custodian custodian[OPTION_VALUES_MAX];
    size_t custodians;
    unsigned long threshold;
    const char *shares, *pin_source;
    bool yes, json;
    struct progress progress;
    uint64_t step;
};

static bool is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= 64 && strspn(name, good) == len && *name != '.' && *name != '-';
}

/* NAME=passphrase-file:PATH or NAME=certificate:PATH, cut up where it stands. */
static bool take_custodian(const struct option_set *set, struct init *init, char *text)
{
    static const char passphrase[] = "passphrase-file:", certificate[] = "certificate:";
    struct custodian *own = &init->custodian[init->custodians];
    char *how = strchr(text, '=');
    if (!how) {
        option_refuse(
            set, "--custodian: found \"%s\", expected NAME=passphrase-file:PATH or NAME=certificate:PATH",
            text);
        return false;
    }
    *how++ = 0;
    own->name = text;
    if (!is_name(text)) {
        option_refuse(set, "--custodian: \"%s\" is no name; letters, digits, dots, _ and - make one", text);
        return false;
    }
    if (strncmp(how, passphrase, strlen(passphrase)) == 0)
        own->passphrase_file = how + strlen(passphrase);
    else if (strncmp(how, certificate, strlen(certificate)) == 0)
        own->certificate = how + strlen(certificate);
    const char *file = own->passphrase_file ? own->passphrase_file : own->certificate;
    if (!file || !*file) {
        option_refuse(set,
                      "--custodian %s: expected passphrase-file:PATH or certificate:PATH behind the =", text);
        return false;
    }
    for (size_t i = 0; i < init->custodians; i++)
        if (strcmp(init->custodian[i].name, text) == 0) {
            option_refuse(set, "--custodian: %s is given twice", text);
            return false;
        }
    if (access(file, R_OK) != 0) {
        option_refuse(set, "--custodian %s: %s: %s", text, file, strerror(errno));
        return false;
    }
    init->custodians++;
    return true;
}

static bool take_all(const struct option_set *set, struct init *init)
{
    for (size_t i = 0; i < init->given.count; i++)
        if (!take_custodian(set, init, (char *)(uintptr_t)init->given.item[i]))
            return false;
    if (init->custodians == 0) {
        option_refuse(set, "at least one --custodian is needed");
        return false;
    }
    if (!init->shares) {
        option_refuse(set, "--shares DIR is needed: that is where the custodians' shares go");
        return false;
    }
    if (init->threshold == 0 || init->threshold > init->custodians) {
        option_refuse(set, "--threshold: expected 1 to %zu, how many of the custodians it takes",
                      init->custodians);
        return false;
    }
    return true;
}

static enum exit_code fit_for_init(const struct config_group *group)
{
    if (group->sync != SYNC_MANAGED) {
        say_error("Only groups with sync = managed have keys and a vault of p11ha's own.",
                  "group %s has sync = external: there is nothing to set up", group->name);
        return EXIT_USAGE;
    }
    if (access(group->vault, F_OK) == 0) {
        say_error("See `p11ha status`. To start anew, move that file away and empty the tokens: their keys "
                  "are lost then.",
                  "group %s is set up already: its vault %s exists", group->name, group->vault);
        return EXIT_COULD_NOT;
    }
    AUTO(mem_free) char *folder = mem_strdup(group->vault);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = 0;
    if (folder && access(folder, W_OK | X_OK) != 0) {
        int err = errno;
        say_error("Make it (only its owner should be able to write there), or change `vault`.",
                  "the folder %s of the vault: %s", folder, strerror(err));
        return EXIT_COULD_NOT;
    }
    return EXIT_GOOD;
}

static bool make_shares_folder(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        int err = errno;
        say_error("Choose another folder with --shares.", "the folder %s cannot be made: %s", path,
                  strerror(err));
        return false;
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || access(path, W_OK | X_OK) != 0) {
        say_error("Choose another folder with --shares.", "%s is no folder that can be written to", path);
        return false;
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        say_error("chmod go-w it, or choose another folder with --shares.",
                  "others may write to the folder %s", path);
        return false;
    }
    return true;
}

static bool agreed(const struct init *init)
{
    const struct config_group *group = init->group;
    if (!init->yes && !init->json) {
        (void)printf("This sets up group %s:\n", group->name);
        (void)printf("  * its two keys are made and put on every member:");
        for (size_t i = 0; i < group->member_count; i++)
            (void)printf("%s %s", i ? "," : "", group->member[i].name);
        (void)printf(
            "\n  * the secret behind them is split among %zu custodians, any %lu of whom can restore it;\n",
            init->custodians, init->threshold);
        (void)printf("    their shares go to %s\n", init->shares);
        (void)printf("  * the vault %s is made\n", group->vault);
        (void)printf("What is on the tokens stays there.\n");
        (void)fflush(stdout);
    }
    return confirm_ask(init->yes, "Set up group %s?", group->name);
}

static void on_step(void *ctx, const char *step)
{
    struct init *init = ctx;
    progress_show(&init->progress, init->step++, step);
}

static void print_report(const struct init *init)
{
    const struct config_group *group = init->group;
    const struct custodian *first = &init->custodian[0];
    (void)printf("Group %s is set up.\n", group->name);
    (void)printf("  group key and seal key: on %zu member%s, proved\n", group->member_count,
                 group->member_count == 1 ? "" : "s");
    (void)printf("  vault:  %s\n", group->vault);
    (void)printf("  shares: any %lu of these %zu restore the group:\n", init->threshold, init->custodians);
    for (size_t i = 0; i < init->custodians; i++)
        (void)printf("          %s/%s.share.p7m\n", init->shares, init->custodian[i].name);
    (void)printf(
        "\nLet each custodian test the share; it must print lines that begin with \"p11ha share\":\n");
    if (first->certificate)
        (void)printf("  openssl cms -decrypt -inform PEM -in %s/%s.share.p7m -recip %s -inkey KEY.pem\n",
                     init->shares, first->name, first->certificate);
    else
        (void)printf("  openssl cms -decrypt -inform PEM -in %s/%s.share.p7m -pwri_password \"$(head -n1 "
                     "PASSPHRASE-FILE)\"\n",
                     init->shares, first->name);
    (void)printf(
        "\nWhat to do next:\n"
        "  1. Give every share to its custodian and delete it here; keep the passphrases away from the "
        "shares.\n"
        "  2. p11ha check %s\n"
        "  3. Back up the vault with the tokens' own backups: each is of no use without the other.\n",
        group->name);
}

static bool print_json(const struct init *init)
{
    json_t *shares = json_array();
    json_t *members = json_array();
    for (size_t i = 0; i < init->custodians; i++) {
        AUTO(mem_free) char *file = mem_printf("%s/%s.share.p7m", init->shares, init->custodian[i].name);
        (void)json_array_append_new(
            shares, json_pack("{s:s, s:s?}", "custodian", init->custodian[i].name, "file", file));
    }
    for (size_t i = 0; i < init->group->member_count; i++)
        (void)json_array_append_new(members, json_string(init->group->member[i].name));
    return listing_print_json(json_pack("{s:s, s:s, s:i, s:o, s:o}", "group", init->group->name, "vault",
                                        init->group->vault, "threshold", (int)init->threshold, "shares",
                                        shares, "members", members));
}

static const char *remedy_of(CK_RV rv)
{
    switch (rv) {
    case CKR_PIN_INCORRECT:
        return "The PIN was tried once. Look it up before you try again: tokens lock after a few wrong ones.";
    case CKR_FUNCTION_REJECTED:
        return "Nothing was changed.";
    default:
        return "What had been done was undone. `p11ha check` says more of each member.";
    }
}

static enum exit_code run(struct init *init)
{
    AUTO(secret_free) char *pin = NULL;
    AUTO(mem_free) char *why = NULL;
    size_t len = 0;
    if (!site_pin_of(init->group, init->pin_source, SITE_PIN_ASK, &pin, &len) ||
        !make_shares_folder(init->shares))
        return EXIT_COULD_NOT;
    struct ceremony ceremony = {
        .group = init->group,
        .custodian = init->custodian,
        .custodians = init->custodians,
        .threshold = (unsigned)init->threshold,
        .shares_dir = init->shares,
        .pin = (const uint8_t *)pin,
        .pin_len = len,
        .progress = on_step,
        .ctx = init,
    };
    progress_start(&init->progress, "init", STEPS);
    CK_RV rv = ceremony_run(&ceremony, &why);
    progress_end(&init->progress);
    if (rv != CKR_OK) {
        say_error(remedy_of(rv), "group %s was not set up: %s", init->group->name,
                  why ? why : "out of memory");
        return EXIT_COULD_NOT;
    }
    if (init->json)
        return print_json(init) ? EXIT_GOOD : EXIT_COULD_NOT;
    print_report(init);
    return ferror(stdout) || fflush(stdout) != 0 ? EXIT_COULD_NOT : EXIT_GOOD;
}

enum exit_code init_run(struct globals *globals, int argc, char **argv)
{
    struct init init = {.yes = false};
    const struct option_row rows[] = {
        {.name = "custodian",
         .kind = OPTION_TEXTS,
         .into.texts = &init.given,
         .value = "NAME=HOW",
         .help =
             "Who gets a share, once for each: NAME=certificate:PATH (PEM) or NAME=passphrase-file:PATH."},
        {.name = "threshold",
         .kind = OPTION_NUMBER,
         .into.number = &init.threshold,
         .min = 1,
         .max = OPTION_VALUES_MAX,
         .value = "M",
         .help = "How many of the custodians it takes to restore the group."},
        {.name = "shares",
         .kind = OPTION_TEXT,
         .into.text = &init.shares,
         .value = "DIR",
         .help = "Where the shares go; made with mode 0700 if it is not there."},
        {.name = "pin-source",
         .kind = OPTION_TEXT,
         .into.text = &init.pin_source,
         .value = "file:PATH",
         .help = "The members' user PIN: the first line of that file. Else the members' own pin-source, or "
                 "the terminal."},
        {.name = "yes", .letter = 'y', .into.flag = &init.yes, .help = "Do not ask."},
    };
    const struct option_set set = {
        .command = "p11ha init",
        .usage = "GROUP --custodian NAME=HOW ... --threshold M --shares DIR [options]",
        .about = "Sets a managed group up: makes its keys, puts them on every member, splits the secret "
                 "behind them among "
                 "custodians, and makes the vault. All of it, or nothing.",
        .row = rows,
        .rows = ARRAY_LEN(rows),
        .above = globals->options,
    };
    int first;
    enum option_outcome outcome = option_parse(&set, argc, argv, &first);
    if (outcome != OPTION_RUN)
        return outcome == OPTION_HELP ? EXIT_GOOD : EXIT_USAGE;
    if (argc - first != 1) {
        option_refuse(&set, first >= argc ? "which GROUP?" : "one GROUP at a time");
        return EXIT_USAGE;
    }
    init.json = globals->json;
    if (!take_all(&set, &init))
        return EXIT_USAGE;

    AUTO(site_close) struct site site = {0};
    AUTO(mem_free) char *warnings = NULL;
    enum exit_code code = site_read(&site, globals, argv[first], &warnings);
    if (code != EXIT_GOOD)
        return code;
    init.group = site.group[0].config;
    code = fit_for_init(init.group);
    if (code != EXIT_GOOD)
        return code;
    if (!agreed(&init))
        return EXIT_COULD_NOT;
    return run(&init);
}
