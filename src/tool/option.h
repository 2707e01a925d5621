/* A verb's command line: a table of options, from which parsing, errors and --help come. Over getopt_long. */
#ifndef TOOL_OPTION_H
#define TOOL_OPTION_H

#include <stdio.h>

#include "base/def.h"

#define OPTION_VALUES_MAX 64

enum option_kind {
    OPTION_FLAG,    /* bool; takes no value */
    OPTION_TEXT,    /* const char *; the last one given wins */
    OPTION_TEXTS,   /* struct option_texts; may be given again and again */
    OPTION_WORDS,   /* struct option_texts; A,B,C, and may be given again */
    OPTION_NUMBER,  /* unsigned long in min .. max */
    OPTION_NUMBERS, /* struct option_numbers; A,B,C, each in min .. max */
    OPTION_SIZE,    /* unsigned long in min .. max bytes; units B (also without any), KiB, MiB, GiB */
    OPTION_SPAN     /* uint64_t in min .. max ns; units us, ms, s (also without any), m, h, d */
};

/* The texts belong to argv (OPTION_WORDS cuts them up there). */
struct option_texts {
    const char *item[OPTION_VALUES_MAX];
    size_t count;
};
struct option_numbers {
    unsigned long item[OPTION_VALUES_MAX];
    size_t count;
};

/* Where a value goes stands in the field of its kind; a default is what stands there before. */
struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* 0: only the long name */
    enum option_kind kind;
    union {
        bool *flag;
        const char **text;
        struct option_texts *texts;
        unsigned long *number;
        struct option_numbers *numbers;
        uint64_t *span;
    } into;
    uint64_t min, max; /* of numbers, sizes, spans; max 0: no limits */
    const char *value; /* what --help calls it: "FILE" */
    const char *help;
};

struct option_set {
    const char *command; /* "p11ha bench" */
    const char *usage;   /* what follows: "--op OP[,OP...] [options]" */
    const char *about;   /* a sentence or two for --help */
    const struct option_row *row;
    size_t rows;
    const char *footer;             /* printed under the options; may be NULL */
    const struct option_set *above; /* options that it has as well: the global ones; or NULL */
    bool stop_at_word;              /* options end at the first word that is none */
};

enum option_outcome {
    OPTION_RUN,   /* all well, go on */
    OPTION_HELP,  /* --help was given and has been printed to stdout: EXIT_GOOD */
    OPTION_WRONG, /* said on stderr: EXIT_USAGE */
};

/*
 * Parses; argv[0] is skipped. Words that are no options are moved to the end of argv, the first at
 * *ret_first. With --help among the options nothing else is looked at. Not thread-safe (getopt_long).
 */
MUST_USE enum option_outcome option_parse(const struct option_set *set, int argc, char **argv,
                                          int *ret_first);
void option_help(const struct option_set *set, FILE *out);
/* Says that `word` is wrong and how help is had. */
void option_refuse(const struct option_set *set, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
