/* chaos_counts: prints the counters of chaos.so, resets them, or checks a control file. For shells. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/chaos/rule.h"
#include "test/lib/chaos_ctl.h"

static const char usage[] =
    "usage: chaos_counts [--token LABEL] [--function C_NAME] [--sum] FILE\n"
    "       chaos_counts --reset FILE\n"
    "       chaos_counts --check CONTROL\n"
    "\n"
    "Prints \"TOKEN FUNCTION calls ok failed\" for every counter of FILE that is not zero; a blank in a "
    "label is %20.\n"
    "  --token LABEL      only this token (\"-\": calls that lead to no token)\n"
    "  --function C_NAME  only this function\n"
    "  --sum              one line \"calls ok failed\" over all that would be printed\n"
    "  --reset            sets all counters to zero\n"
    "  --check            says what is wrong in a control file\n"
    "Ends with 0, 1 (a bad control file), 2 (usage) or 3 (cannot read or write).\n";

struct wish {
    const char *token, *function;
};

static void print_label(const char *label)
{
    for (; *label; label++) {
        if (isgraph((unsigned char)*label) && *label != '%')
            putchar(*label);
        else
            printf("%%%02X", (unsigned char)*label);
    }
}

static bool print(const struct chaos_counter *counter, void *context)
{
    const struct wish *wish = context;
    if (strcmp(wish->token, "*") && strcmp(wish->token, counter->token))
        return true;
    if (strcmp(wish->function, "*") && strcmp(wish->function, counter->function))
        return true;
    print_label(counter->token);
    printf(" %s %llu %llu %llu\n", counter->function, (unsigned long long)counter->calls,
           (unsigned long long)counter->ok, (unsigned long long)counter->failed);
    return true;
}

static int print_sum(const char *path, const struct wish *wish)
{
    uint64_t calls, ok, failed;
    int r = chaos_count(path, wish->token, wish->function, &calls, &ok, &failed);
    if (!r)
        printf("%llu %llu %llu\n", (unsigned long long)calls, (unsigned long long)ok,
               (unsigned long long)failed);
    return r;
}

/* 0, 1: a bad line, -errno. */
static int check(const char *path)
{
    char *line = NULL, why[160];
    size_t room = 0;
    int r = 0;
    FILE *in = fopen(path, "re");
    if (!in)
        return -errno;
    for (unsigned number = 1;; number++) {
        struct rule rule;
        ssize_t len = getline(&line, &room, in);
        if (len < 0)
            break;
        if (rule_parse(line, strcspn(line, "\n"), &rule, why, sizeof(why)) < 0) {
            fprintf(stderr, "%s:%u: %s\n", path, number, why);
            r = 1;
        }
    }
    free(line);
    fclose(in);
    return r;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"token", required_argument, NULL, 't'},
                                            {"function", required_argument, NULL, 'f'},
                                            {"sum", no_argument, NULL, 's'},
                                            {"reset", no_argument, NULL, 'r'},
                                            {"check", no_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct wish wish = {"*", "*"};
    int what = 0, option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            wish.token = optarg;
            break;
        case 'f':
            wish.function = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case '?':
            fputs(usage, stderr);
            return 2;
        default:
            what = option;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return 2;
    }
    const char *path = argv[optind];
    int r = what == 's'   ? print_sum(path, &wish)
            : what == 'r' ? chaos_counts_reset(path)
            : what == 'c' ? check(path)
                          : chaos_counts_each(path, print, &wish);
    if (r < 0)
        fprintf(stderr, "chaos_counts: %s: %s\n", path, strerror(-r));
    return r < 0 ? 3 : r;
}
