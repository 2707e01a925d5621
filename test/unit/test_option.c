/* The command line: every kind of option, its limits, its errors, its help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "tool/option.h"

struct values {
    bool json, force;
    const char *config, *path;
    struct option_texts env, ops;
    struct option_numbers threads;
    unsigned long rounds, size;
    uint64_t span;
};
static struct values got;

static const struct option_row SHARED_ROWS[] = {
    {.name = "config", .kind = OPTION_TEXT, .into.text = &got.config, .value = "FILE", .help = "The file."},
    {.name = "json", .into.flag = &got.json, .help = "JSON."},
};
static const struct option_set SHARED = {.row = SHARED_ROWS, .rows = ARRAY_LEN(SHARED_ROWS)};
static const struct option_row ROWS[] = {
    {.name = "force", .letter = 'f', .into.flag = &got.force, .help = "Even so."},
    {.name = "path",
     .letter = 'p',
     .kind = OPTION_TEXT,
     .into.text = &got.path,
     .value = "PATH",
     .help = "Where."},
    {.name = "env",
     .kind = OPTION_TEXTS,
     .into.texts = &got.env,
     .value = "NAME=VALUE",
     .help = "Variables."},
    {.name = "op", .kind = OPTION_WORDS, .into.texts = &got.ops, .value = "OP", .help = "What."},
    {.name = "threads",
     .kind = OPTION_NUMBERS,
     .into.numbers = &got.threads,
     .min = 1,
     .max = 64,
     .value = "N",
     .help = "Threads."},
    {.name = "rounds",
     .kind = OPTION_NUMBER,
     .into.number = &got.rounds,
     .min = 1,
     .max = 9,
     .value = "N",
     .help = "Rounds."},
    {.name = "size",
     .kind = OPTION_SIZE,
     .into.number = &got.size,
     .min = 1,
     .max = 1 << 20,
     .value = "BYTES",
     .help = "Size."},
    {.name = "seconds",
     .kind = OPTION_SPAN,
     .into.span = &got.span,
     .min = NS_PER_MS,
     .max = 60 * NS_PER_S,
     .value = "TIME",
     .help = "Time."},
};
static const struct option_set SET = {.command = "p11ha try",
                                      .usage = "[options]",
                                      .about = "Tries.",
                                      .row = ROWS,
                                      .rows = ARRAY_LEN(ROWS),
                                      .footer = "The end.",
                                      .above = &SHARED};

#define ARGS_MAX 32
struct line {
    char text[512]; /* cut up by the parser */
    char *argv[ARGS_MAX + 1];
    int argc;
    int first;
    char said[2048]; /* on the stream that was captured */
};

/* Runs the parser on words separated by blanks, with one stream captured. */
static enum option_outcome parse(const struct option_set *set, const char *words, FILE *stream,
                                 struct line *line)
{
    *line = (struct line){.first = -1};
    (void)snprintf(line->text, sizeof line->text, "%s", words);
    char *rest = line->text;
    for (char *word; (word = strsep(&rest, " "));) {
        assert_true(line->argc < ARGS_MAX);
        line->argv[line->argc++] = word;
    }

    int file = memfd_create("said", 0);
    int kept = dup(fileno(stream));
    assert_true(file >= 0 && kept >= 0);
    (void)fflush(stream);
    assert_true(dup2(file, fileno(stream)) >= 0);
    enum option_outcome outcome = option_parse(set, line->argc, line->argv, &line->first);
    (void)fflush(stream);
    assert_true(dup2(kept, fileno(stream)) >= 0);
    ssize_t len = pread(file, line->said, sizeof line->said - 1, 0);
    assert_true(len >= 0);
    line->said[len] = 0;
    (void)close(file);
    (void)close(kept);
    return outcome;
}

/* What it found points into the line, until the next one. */
static void good(const char *words)
{
    static struct line line;
    got = (struct values){0};
    assert_int_equal(parse(&SET, words, stderr, &line), OPTION_RUN);
    assert_string_equal(line.said, "");
}

/* Refused, with `what` in the message, and nothing but that on stderr. */
static void wrong(const char *words, const char *what)
{
    struct line line;
    got = (struct values){0};
    assert_int_equal(parse(&SET, words, stderr, &line), OPTION_WRONG);
    if (!strstr(line.said, what))
        fail_msg("`%s`: \"%s\" is not in: %s", words, what, line.said);
    assert_non_null(strstr(line.said, "See `p11ha try --help`."));
    assert_memory_equal(line.said, "p11ha: ", 7);
    assert_int_equal(line.first, -1);
}

static void every_kind(void **state)
{
    (void)state;
    good("try -f --path /a --env A=1 --env B=x,y --op one,two --op three --threads 1,4 --rounds 9 --size "
         "4KiB --seconds 500ms");
    assert_true(got.force);
    assert_string_equal(got.path, "/a");
    assert_int_equal(got.env.count, 2);
    assert_string_equal(got.env.item[1], "B=x,y");
    assert_int_equal(got.ops.count, 3);
    assert_string_equal(got.ops.item[0], "one");
    assert_string_equal(got.ops.item[1], "two");
    assert_string_equal(got.ops.item[2], "three");
    assert_int_equal(got.threads.count, 2);
    assert_int_equal(got.threads.item[1], 4);
    assert_int_equal(got.rounds, 9);
    assert_int_equal(got.size, 4096);
    assert_int_equal(got.span, 500 * NS_PER_MS);
}

static void bare_numbers_have_natural_units(void **state)
{
    (void)state;
    good("try --size=100 --seconds=2");
    assert_int_equal(got.size, 100);
    assert_int_equal(got.span, 2 * NS_PER_S);
}

static void the_last_one_wins_and_lists_grow(void **state)
{
    (void)state;
    good("try -p/a -p /b --rounds 1 --rounds 2");
    assert_string_equal(got.path, "/b");
    assert_int_equal(got.rounds, 2);
}

static void defaults_of_lists_give_way(void **state)
{
    struct line line;
    (void)state;
    got = (struct values){.threads = {.item = {7, 8}, .count = 2}};
    assert_int_equal(parse(&SET, "try --threads 3 --threads 5", stderr, &line), OPTION_RUN);
    assert_int_equal(got.threads.count, 2);
    assert_int_equal(got.threads.item[0], 3);
    assert_int_equal(got.threads.item[1], 5);

    got = (struct values){.threads = {.item = {7, 8}, .count = 2}};
    assert_int_equal(parse(&SET, "try", stderr, &line), OPTION_RUN);
    assert_int_equal(got.threads.item[0], 7);
}

static void options_from_above_are_there(void **state)
{
    (void)state;
    good("try --json --config /etc/x");
    assert_true(got.json);
    assert_string_equal(got.config, "/etc/x");
}

static void words_go_to_the_end(void **state)
{
    struct line line;
    (void)state;
    got = (struct values){0};
    assert_int_equal(parse(&SET, "try word -f other --json -- --size", stderr, &line), OPTION_RUN);
    assert_true(got.force && got.json);
    assert_int_equal(line.argc - line.first, 3);
    assert_string_equal(line.argv[line.first], "word");
    assert_string_equal(line.argv[line.first + 1], "other");
    assert_string_equal(line.argv[line.first + 2], "--size");
}

static void a_verb_ends_the_global_options(void **state)
{
    struct option_set set = SET;
    struct line line;
    (void)state;
    set.stop_at_word = true;
    got = (struct values){0};
    assert_int_equal(parse(&set, "p11ha --json bench --force", stderr, &line), OPTION_RUN);
    assert_true(got.json);
    assert_false(got.force);
    assert_string_equal(line.argv[line.first], "bench");
    assert_int_equal(line.first, 2);
}

static void limits(void **state)
{
    (void)state;
    good("try --rounds 1 --size 1MiB --seconds 1ms --threads 64");
    good("try --rounds 9 --size 1 --seconds 1m");
    wrong("try --rounds 0", "--rounds: \"0\" is out of range (1 to 9)");
    wrong("try --rounds 10", "--rounds: \"10\" is out of range");
    wrong("try --threads 1,65", "--threads: \"65\" is out of range");
    wrong("try --size 1048577", "--size: \"1048577\" is out of range");
    wrong("try --seconds 0", "--seconds: \"0\" is out of range (0.001 s to 60 s)");
    wrong("try --seconds 61", "--seconds: \"61\" is out of range");
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const BAD[] = {"x", "-1", "+1", "1x", "0x1", "1.5", "99999999999999999999999999",
                                      "1,"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        char words[128];
        (void)snprintf(words, sizeof words, "try --rounds %s", BAD[i]);
        wrong(words, "expected a number");
        (void)snprintf(words, sizeof words, "try --size %s", BAD[i]);
        wrong(words, "expected a size such as");
        (void)snprintf(words, sizeof words, "try --seconds %s", BAD[i]);
        wrong(words, "expected a time such as");
    }
    wrong("try --threads 1,,2", "--threads: found \"\", expected a number");
    wrong("try --size 1Kb", "found \"1Kb\"");
    /* 2^64 ns and some: must not wrap around into the range. */
    wrong("try --seconds 18446744074", "--seconds");
}

static void missing_and_needless_values(void **state)
{
    (void)state;
    wrong("try --path", "--path needs a value: PATH");
    wrong("try -p", "--path needs a value: PATH");
    wrong("try --force=yes", "--force takes no value");
    wrong("try --op one,,two", "--op: an empty value");
}

static void too_many_values(void **state)
{
    char words[512] = "try --op a";
    (void)state;
    for (int i = 1; i < OPTION_VALUES_MAX; i++)
        strcat(words, ",a");
    good(words);
    assert_int_equal(got.ops.count, OPTION_VALUES_MAX);
    strcat(words, ",a");
    wrong(words, "--op: more than 64 values");
}

static void unknown_ones_find_the_nearest(void **state)
{
    (void)state;
    wrong("try --treads 4", "there is no option --treads; did you mean --threads?");
    wrong("try --jsno", "did you mean --json?");
    wrong("try -x", "there is no option -x");
    wrong("try --entirely-else", "there is no option --entirely-else\n");
}

/* Somebody may have typed a PIN there. */
static void what_an_unknown_option_was_given_is_not_repeated(void **state)
{
    struct line line;
    (void)state;
    assert_int_equal(parse(&SET, "try --pin=123456", stderr, &line), OPTION_WRONG);
    assert_non_null(strstr(line.said, "there is no option --pin"));
    assert_null(strstr(line.said, "123456"));
}

static void help_shows_everything(void **state)
{
    struct line line;
    (void)state;
    got = (struct values){0};
    assert_int_equal(parse(&SET, "try --rounds 77 --help", stdout, &line), OPTION_HELP);
    assert_memory_equal(line.said, "Usage: p11ha try [options]\n", 27);
    assert_non_null(strstr(line.said, "The end."));
    assert_non_null(strstr(line.said, "-p, --path PATH"));
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        assert_non_null(strstr(line.said, ROWS[i].help));
    for (size_t i = 0; i < ARRAY_LEN(SHARED_ROWS); i++)
        assert_non_null(strstr(line.said, SHARED_ROWS[i].help));
    assert_int_equal(parse(&SET, "try -h", stdout, &line), OPTION_HELP);
}

static void help_after_the_verb_is_the_verbs(void **state)
{
    struct option_set set = SET;
    struct line line;
    (void)state;
    set.stop_at_word = true;
    assert_int_equal(parse(&set, "p11ha bench --help", stdout, &line), OPTION_RUN);
    assert_string_equal(line.said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(bare_numbers_have_natural_units),
        cmocka_unit_test(the_last_one_wins_and_lists_grow),
        cmocka_unit_test(defaults_of_lists_give_way),
        cmocka_unit_test(options_from_above_are_there),
        cmocka_unit_test(words_go_to_the_end),
        cmocka_unit_test(a_verb_ends_the_global_options),
        cmocka_unit_test(limits),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(missing_and_needless_values),
        cmocka_unit_test(too_many_values),
        cmocka_unit_test(unknown_ones_find_the_nearest),
        cmocka_unit_test(what_an_unknown_option_was_given_is_not_repeated),
        cmocka_unit_test(help_shows_everything),
        cmocka_unit_test(help_after_the_verb_is_the_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
