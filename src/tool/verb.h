/* What a verb of the command is: one row of main.c's table, one function in a file of its own. */
#ifndef TOOL_VERB_H
#define TOOL_VERB_H

#include "base/def.h"

struct option_set;

/* The exit codes of every verb; p11ha(8) promises them. */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_TROUBLE = 1,  /* it ran, and found something that a person must look at */
    EXIT_USAGE = 2,    /* the command line is wrong; nothing was done */
    EXIT_COULD_NOT = 3 /* it could not run, or not to its end */
};

/* The options that every verb has, before or after its name. */
struct globals {
    const char *config; /* --config FILE, or NULL: config_find looks for it */
    bool json;
    const struct option_set *options; /* those, for a verb's option_set.above */
};

struct verb_row {
    const char *name;
    const char *line; /* what it does, for `p11ha --help` */
    /* argv[0] is the verb's name. Returns an exit code; has said everything about a failure itself. */
    enum exit_code (*run)(struct globals *globals, int argc, char **argv);
};

/* check.c, init.c, status.c, sync.c */
enum exit_code check_run(struct globals *globals, int argc, char **argv);
enum exit_code init_run(struct globals *globals, int argc, char **argv);
enum exit_code status_run(struct globals *globals, int argc, char **argv);
enum exit_code sync_run(struct globals *globals, int argc, char **argv);
/* bench.c */
enum exit_code bench_run(struct globals *globals, int argc, char **argv);

#endif
