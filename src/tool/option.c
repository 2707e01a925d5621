#include "tool/option.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "config/suggest.h"
#include "config/units.h"
#include "tool/say.h"

#define ROWS_MAX  64  /* of one verb, the global ones included */
#define ROW_BASE  256 /* getopt_long's answers: a row's index above all letters */
#define HELP_WORD "help"

static const struct option_row *row_at(const struct option_set *set, size_t i)
{
    for (; set; set = set->above) {
        if (i < set->rows)
            return &set->row[i];
        i -= set->rows;
    }
    return NULL;
}

void option_refuse(const struct option_set *set, const char *format, ...)
{
    char what[512];
    char remedy[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    (void)snprintf(remedy, sizeof remedy, "See `%s --help`.", set->command);
    say_error(remedy, "%s", what);
}

static enum option_outcome refuse_unknown(const struct option_set *set, const char *word)
{
    size_t len = strcspn(word, "=");
    char name[64] = "";
    if (strncmp(word, "--", 2) == 0 && len - 2 < sizeof name) {
        memcpy(name, word + 2, len - 2);
        name[len - 2] = 0;
    }
    struct suggest suggest = suggest_begin(name);
    const struct option_row *row;
    for (size_t i = 0; name[0] && (row = row_at(set, i)); i++)
        suggest_offer(&suggest, row->name);
    /* Only the name is shown: what follows = may be something that somebody wanted to keep for himself. */
    if (suggest.best)
        option_refuse(set, "there is no option %.*s; did you mean --%s?", (int)len, word, suggest.best);
    else
        option_refuse(set, "there is no option %.*s", (int)len, word);
    return OPTION_WRONG;
}

static const char *expectation(enum option_kind kind)
{
    switch (kind) {
    case OPTION_SIZE:
        return "a size such as 512, 4KiB or 1MiB";
    case OPTION_SPAN:
        return "a time such as 2s, 500ms or 5m";
    default:
        return "a number";
    }
}

/* On a command line a bare number is one of bytes or of seconds. */
static bool measure(enum option_kind kind, const char *text, uint64_t *ret)
{
    if (kind == OPTION_SIZE && units_parse_size(text, ret))
        return true;
    if (kind == OPTION_SPAN && units_parse_duration(text, ret))
        return true;
    uint64_t value;
    if (!units_parse_number(text, &value) || value > ULONG_MAX / NS_PER_S)
        return false;
    *ret = kind == OPTION_SPAN ? value * NS_PER_S : value;
    return true;
}

static bool take_number(const struct option_set *set, const struct option_row *row, const char *text,
                        uint64_t *ret)
{
    uint64_t value;
    if (!measure(row->kind, text, &value)) {
        option_refuse(set, "--%s: found \"%s\", expected %s", row->name, text, expectation(row->kind));
        return false;
    }
    if (row->max && (value < row->min || value > row->max)) {
        /* Spans have their limits in ns, which nobody wants to read. */
        if (row->kind == OPTION_SPAN)
            option_refuse(set, "--%s: \"%s\" is out of range (%g s to %g s)", row->name, text,
                          (double)row->min / (double)NS_PER_S, (double)row->max / (double)NS_PER_S);
        else
            option_refuse(set, "--%s: \"%s\" is out of range (%llu to %llu)", row->name, text,
                          (unsigned long long)row->min, (unsigned long long)row->max);
        return false;
    }
    *ret = value;
    return true;
}

static bool refuse_more(const struct option_set *set, const struct option_row *row)
{
    option_refuse(set, "--%s: more than %d values", row->name, OPTION_VALUES_MAX);
    return false;
}

static bool take_texts(const struct option_set *set, const struct option_row *row, char *text)
{
    struct option_texts *texts = row->into.texts;
    if (!*text) {
        option_refuse(set, "--%s: an empty value", row->name);
        return false;
    }
    if (texts->count == OPTION_VALUES_MAX)
        return refuse_more(set, row);
    texts->item[texts->count++] = text;
    return true;
}

static bool take_one_of_numbers(const struct option_set *set, const struct option_row *row, char *text)
{
    struct option_numbers *numbers = row->into.numbers;
    uint64_t value;
    if (!take_number(set, row, text, &value))
        return false;
    if (numbers->count == OPTION_VALUES_MAX)
        return refuse_more(set, row);
    numbers->item[numbers->count++] = value;
    return true;
}

static bool take_each(const struct option_set *set, const struct option_row *row, char *text,
                      bool (*take)(const struct option_set *, const struct option_row *, char *))
{
    for (;;) {
        char *comma = strchr(text, ',');
        if (comma)
            *comma = 0;
        if (!take(set, row, text))
            return false;
        if (!comma)
            return true;
        text = comma + 1;
    }
}

static bool take(const struct option_set *set, const struct option_row *row, char *text)
{
    uint64_t value;
    switch (row->kind) {
    case OPTION_FLAG:
        *row->into.flag = true;
        return true;
    case OPTION_TEXT:
        *row->into.text = text;
        return true;
    case OPTION_TEXTS:
        return take_texts(set, row, text);
    case OPTION_WORDS:
        return take_each(set, row, text, take_texts);
    case OPTION_NUMBERS:
        return take_each(set, row, text, take_one_of_numbers);
    case OPTION_NUMBER:
    case OPTION_SIZE:
        if (!take_number(set, row, text, &value))
            return false;
        *row->into.number = value;
        return true;
    case OPTION_SPAN:
        return take_number(set, row, text, row->into.span);
    }
    return false;
}

/* Default values of lists give way to the first one given. */
static void clear_list(const struct option_row *row)
{
    if (row->kind == OPTION_TEXTS || row->kind == OPTION_WORDS)
        row->into.texts->count = 0;
    if (row->kind == OPTION_NUMBERS)
        row->into.numbers->count = 0;
}

static size_t letters_and_names(const struct option_set *set, char *letters, struct option *names)
{
    const struct option_row *row;
    size_t i = 0;
    *letters++ = set->stop_at_word ? '+' : ':';
    if (set->stop_at_word)
        *letters++ = ':';
    *letters++ = 'h';
    for (; i < ROWS_MAX && (row = row_at(set, i)); i++) {
        names[i] = (struct option){.name = row->name,
                                   .has_arg = row->kind == OPTION_FLAG ? no_argument : required_argument,
                                   .val = ROW_BASE + (int)i};
        if (!row->letter)
            continue;
        *letters++ = row->letter;
        if (row->kind != OPTION_FLAG)
            *letters++ = ':';
    }
    *letters = 0;
    names[i] = (struct option){.name = HELP_WORD, .has_arg = no_argument, .val = 'h'};
    return i;
}

static size_t row_of(const struct option_set *set, int answer)
{
    const struct option_row *row;
    size_t i = 0;
    if (answer >= ROW_BASE)
        return (size_t)(answer - ROW_BASE);
    while ((row = row_at(set, i)) && row->letter != answer)
        i++;
    return i;
}

static bool wants_help(const struct option_set *set, const char *letters, const struct option *names,
                       int argc, char **argv)
{
    int answer;
    optind = 0;
    while ((answer = getopt_long(argc, argv, letters, names, NULL)) != -1)
        if (answer == 'h') {
            option_help(set, stdout);
            return true;
        }
    return false;
}

enum option_outcome option_parse(const struct option_set *set, int argc, char **argv, int *ret_first)
{
    char letters[3 * ROWS_MAX + 4];
    struct option names[ROWS_MAX + 2] = {0};
    bool seen[ROWS_MAX] = {false};
    size_t rows = letters_and_names(set, letters, names);
    opterr = 0;
    if (wants_help(set, letters, names, argc, argv))
        return OPTION_HELP;

    int answer;
    optind = 0;
    while ((answer = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (answer == '?' && optopt >= ROW_BASE) {
            option_refuse(set, "--%s takes no value", names[optopt - ROW_BASE].name);
            return OPTION_WRONG;
        }
        if (answer == '?') {
            const char letter[] = {'-', (char)optopt, 0};
            return refuse_unknown(set, optopt ? letter : argv[optind - 1]);
        }
        const struct option_row *row = row_at(set, row_of(set, answer == ':' ? optopt : answer));
        size_t i = row_of(set, answer == ':' ? optopt : answer);
        if (!row || i >= rows || answer == ':') {
            option_refuse(set, "--%s needs a value%s%s", row ? row->name : HELP_WORD,
                          row && row->value ? ": " : "", row && row->value ? row->value : "");
            return OPTION_WRONG;
        }
        if (!seen[i])
            clear_list(row);
        seen[i] = true;
        if (!take(set, row, optarg))
            return OPTION_WRONG;
    }
    *ret_first = optind;
    return OPTION_RUN;
}

/* Text folded at `width`, every line but the first indented. */
static void print_folded(FILE *out, const char *text, int column, int width)
{
    int at = column;
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (at > column && at + 1 + (int)len > width) {
            (void)fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            (void)fputc(' ', out);
            at++;
        }
        (void)fprintf(out, "%.*s", (int)len, text);
        at += (int)len;
        text += len + (text[len] != 0);
    }
    (void)fputc('\n', out);
}

static void print_row(FILE *out, const struct option_row *row)
{
    enum { HELP_COLUMN = 28, HELP_WIDTH = 100 };
    char left[80];
    char letter[] = {'-', row->letter, ',', ' ', 0};
    int len = snprintf(left, sizeof left, "  %s--%s%s%s", row->letter ? letter : "    ", row->name,
                       row->value ? " " : "", row->value ? row->value : "");
    (void)fprintf(out, "%-*s", HELP_COLUMN, left);
    if (len >= HELP_COLUMN)
        (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
    print_folded(out, row->help, HELP_COLUMN, HELP_WIDTH);
}

void option_help(const struct option_set *set, FILE *out)
{
    static const struct option_row HELP_ROW = {
        .name = HELP_WORD, .letter = 'h', .help = "Print this and end."};
    const struct option_row *row;
    (void)fprintf(out, "Usage: %s %s\n\n", set->command, set->usage);
    print_folded(out, set->about, 0, 100);
    (void)fputs("\nOptions:\n", out);
    for (size_t i = 0; (row = row_at(set, i)); i++)
        print_row(out, row);
    print_row(out, &HELP_ROW);
    if (set->footer)
        (void)fprintf(out, "\n%s\n", set->footer);
}
