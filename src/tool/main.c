/* The p11ha command: global options, then a verb. */
#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "member/instance.h"
#include "tool/option.h"
#include "tool/say.h"
#include "tool/verb.h"

#ifndef P11HA_VERSION
#define P11HA_VERSION "0.1.0"
#endif

static const struct verb_row VERBS[] = {
    {"check", "validate the configuration, reach every member, explain every trouble", check_run},
    {"init", "set a managed group up: its keys, the custodians' shares, the vault", init_run},
    {"status", "show members, objects in danger, and the processes that use them", status_run},
    {"sync", "bring members to the vault's head, and prove what they have", sync_run},
    {"bench", "measure any PKCS#11 module, alone or against another one", bench_run},
};

static const struct verb_row *verb_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

static enum exit_code unknown_verb(const struct option_set *set, const char *word)
{
    struct suggest suggest = suggest_begin(word);
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++)
        suggest_offer(&suggest, VERBS[i].name);
    if (suggest.best)
        option_refuse(set, "there is no verb \"%s\"; did you mean \"%s\"?", word, suggest.best);
    else
        option_refuse(set, "there is no verb \"%s\"", word);
    return EXIT_USAGE;
}

/* The verbs, one a line, for the end of --help. */
static const char *verb_lines(char *text, size_t size)
{
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < ARRAY_LEN(VERBS) && len < size; i++) {
        int n = snprintf(text + len, size - len, "%s  %-10s %s", i ? "\n" : "Verbs:\n", VERBS[i].name,
                         VERBS[i].line);
        len += n > 0 ? (size_t)n : 0;
    }
    if (len < size)
        (void)snprintf(text + len, size - len,
                       "\n\n`p11ha VERB --help` tells more. Exit codes: 0 good, 1 trouble found, 2 usage, 3 "
                       "could not run.");
    return text;
}

int main(int argc, char **argv)
{
    struct globals globals = {0};
    bool version = false;
    char verbs[4096];
    const struct option_row rows[] = {
        {.name = "config",
         .into.text = &globals.config,
         .kind = OPTION_TEXT,
         .value = "FILE",
         .help = "The configuration to use; else P11HA_CONF, then p11ha/p11ha.conf in XDG_CONFIG_HOME, then "
                 "/etc/p11ha/p11ha.conf."},
        {.name = "json",
         .into.flag = &globals.json,
         .help = "Print JSON for programs instead of tables for people."},
    };
    const struct option_row version_row = {
        .name = "version", .letter = 'V', .into.flag = &version, .help = "Print the version and end."};
    const struct option_set shared = {.row = rows, .rows = ARRAY_LEN(rows)};
    const struct option_set set = {
        .command = "p11ha",
        .usage = "[options] VERB [its options]",
        .about = "Sets up, shows, repairs and measures groups of HSM tokens that look like one token that "
                 "does not fail.",
        .row = &version_row,
        .rows = 1,
        .above = &shared,
        .footer = verb_lines(verbs, sizeof verbs),
        .stop_at_word = true,
    };
    globals.options = &shared;

    int first;
    enum option_outcome outcome = option_parse(&set, argc, argv, &first);
    if (outcome != OPTION_RUN)
        return outcome == OPTION_HELP ? EXIT_GOOD : EXIT_USAGE;
    if (version)
        return printf("p11ha %s\n", P11HA_VERSION) < 0 ? EXIT_COULD_NOT : EXIT_GOOD;
    if (first >= argc) {
        option_refuse(&set, "a verb is missing");
        return EXIT_USAGE;
    }
    const struct verb_row *verb = verb_named(argv[first]);
    if (!verb)
        return (int)unknown_verb(&set, argv[first]);
    int code = (int)verb->run(&globals, argc - first, argv + first);
    instance_leave_images();
    return code;
}
