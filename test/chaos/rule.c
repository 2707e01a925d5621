#include "test/chaos/rule.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/chaos/rvs.h"

#define WORDS_MAX 8

struct words {
    char room[RULE_TEXT_MAX];
    char *word[WORDS_MAX];
    size_t count;
};

static const struct {
    const char *name;
    enum rule_action action;
    bool once;
} actions[] = {
    {"rv=", ACTION_RV, false},
    {"delay=", ACTION_DELAY, false},
    {"late=", ACTION_LATE, false},
    {"hang", ACTION_HANG, false},
    {"gone", ACTION_GONE, false},
    {"lose-sessions", ACTION_LOSE_SESSIONS, true},
    {"lose-login", ACTION_LOSE_LOGIN, true},
    {"lose-objects", ACTION_LOSE_OBJECTS, true},
    {"reinit", ACTION_REINIT, true},
    {"corrupt", ACTION_CORRUPT, false},
    {"crash", ACTION_CRASH, false},
};

static const struct {
    const char *name;
    enum call_group group;
} groups[] = {
    {"crypto", GROUP_CRYPTO}, {"object", GROUP_OBJECT}, {"session", GROUP_SESSION}, {"key", GROUP_KEY}};

static __attribute__((format(printf, 3, 4))) int bad(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return -1;
}

static int split(const char *line, size_t len, struct words *words, char *why, size_t why_size)
{
    words->count = 0;
    size_t used = 0;
    for (size_t i = 0; i < len && line[i] != '#';) {
        size_t from = i;
        while (i < len && !strchr(" \t\r#", line[i]))
            i++;
        size_t word_len = i - from;
        if (word_len) {
            if (words->count == WORDS_MAX || used + word_len + 1 > sizeof(words->room))
                return bad(why, why_size, "too long");
            words->word[words->count++] = memcpy(words->room + used, line + from, word_len);
            words->room[used + word_len] = 0;
            used += word_len + 1;
        }
        while (i < len && strchr(" \t\r", line[i]))
            i++;
    }
    return 0;
}

/* The words with one space between, so that spacing and comments do not make another rule. */
static void join(const struct words *words, char *ret_text)
{
    char *at = ret_text;
    for (size_t i = 0; i < words->count; i++) {
        if (i)
            *at++ = ' ';
        size_t len = strlen(words->word[i]);
        memcpy(at, words->word[i], len + 1);
        at += len;
    }
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool parse_token(const char *word, struct rule *rule)
{
    if (!strcmp(word, "*")) {
        rule->any_token = true;
        return true;
    }
    size_t len = 0;
    for (const char *c = word; *c; c++) {
        if (len == RULE_TOKEN_MAX - 1)
            return false;
        rule->token[len] = *c;
        if (*c == '%') {
            int high = hex(c[1]), low = high < 0 ? -1 : hex(c[2]);
            if (low < 0)
                return false;
            rule->token[len] = (char)(high << 4 | low);
            c += 2;
        }
        len++;
    }
    rule->token[len] = 0;
    return true;
}

static void name_call(struct rule *rule, unsigned call)
{
    rule->calls[call / 64] |= UINT64_C(1) << (call % 64);
}

static void name_group(struct rule *rule, enum call_group group)
{
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        if (call_table[i].group == group)
            name_call(rule, i);
    }
}

static bool parse_calls(const char *word, struct rule *rule)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (!strcmp(word, groups[i].name)) {
            name_group(rule, groups[i].group);
            return true;
        }
    }
    bool all = !strcmp(word, "*"), found = all;
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        if (all ? call_table[i].where != WHERE_NONE : !strcmp(word, call_table[i].name)) {
            name_call(rule, i);
            found = true;
        }
    }
    /* A token that is gone is also absent from the list. */
    if (all && rule->action == ACTION_GONE)
        name_call(rule, CALL_C_GetSlotList);
    return found;
}

static bool parse_ms(const char *text, uint64_t *ret_ns)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    double ms = strtod(text, &end);
    if (*end || errno || !(ms <= 86400e3))
        return false;
    *ret_ns = (uint64_t)(ms * 1e6);
    return true;
}

static bool parse_count(const char *text, unsigned long least, unsigned long *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || errno || value < least)
        return false;
    *ret = value;
    return true;
}

static bool parse_action(const char *word, struct rule *rule)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        size_t len = strlen(actions[i].name);
        bool valued = actions[i].name[len - 1] == '=';
        if (valued ? strncmp(word, actions[i].name, len) : strcmp(word, actions[i].name))
            continue;
        rule->action = actions[i].action;
        rule->times = actions[i].once ? 1 : 0;
        if (!valued)
            return true;
        return rule->action == ACTION_RV ? rvs_parse(word + len, &rule->rv)
                                         : parse_ms(word + len, &rule->wait_ns);
    }
    return false;
}

static bool parse_option(const char *word, struct rule *rule)
{
    char *end;
    if (!strncmp(word, "nth=", 4))
        return parse_count(word + 4, 1, &rule->nth);
    if (!strncmp(word, "times=", 6))
        return parse_count(word + 6, 1, &rule->times);
    if (!strncmp(word, "id=", 3))
        return word[3];
    if (!strncmp(word, "prob=", 5) && word[5] >= '0' && word[5] <= '9') {
        rule->prob = strtod(word + 5, &end);
        return !*end && rule->prob >= 0 && rule->prob <= 1;
    }
    return false;
}

static bool parse_network(const char *word, struct rule *rule)
{
    unsigned long count;
    if (!strncmp(word, "latency=", 8))
        return parse_ms(word + 8, &rule->wait_ns);
    if (!strncmp(word, "jitter=", 7))
        return parse_ms(word + 7, &rule->jitter_ns);
    if (strncmp(word, "concurrency=", 12) || !parse_count(word + 12, 0, &count) ||
        count > RULE_CONCURRENCY_MAX)
        return false;
    rule->concurrency = (unsigned)count;
    return true;
}

static int parse_words(const struct words *words, struct rule *rule, char *why, size_t why_size)
{
    char *const *word = words->word;
    if (!parse_token(word[0], rule))
        return bad(why, why_size, "\"%s\" is no token label", word[0]);
    if (words->count >= 2 && !strcmp(word[1], "network")) {
        rule->action = ACTION_NETWORK;
        name_group(rule, GROUP_CRYPTO);
        name_group(rule, GROUP_KEY);
        for (size_t i = 2; i < words->count; i++) {
            if (!parse_network(word[i], rule))
                return bad(why, why_size, "\"%s\": expected latency=MS, jitter=MS or concurrency=0..%d",
                           word[i], RULE_CONCURRENCY_MAX);
        }
        return 1;
    }
    if (words->count < 3)
        return bad(why, why_size, "expected TOKEN CALL ACTION");
    if (!parse_action(word[2], rule))
        return bad(why, why_size, "\"%s\" is no action", word[2]);
    if (!parse_calls(word[1], rule))
        return bad(why, why_size, "\"%s\" is neither a function nor a group", word[1]);
    for (size_t i = 3; i < words->count; i++) {
        if (!parse_option(word[i], rule))
            return bad(why, why_size, "\"%s\": expected nth=N, times=K, prob=0..1 or id=WORD", word[i]);
    }
    return 1;
}

int rule_parse(const char *line, size_t len, struct rule *ret, char *why, size_t why_size)
{
    struct words words;
    if (split(line, len, &words, why, why_size))
        return -1;
    if (!words.count)
        return 0;
    memset(ret, 0, sizeof(*ret));
    ret->nth = 1;
    ret->prob = 1;
    join(&words, ret->text);
    return parse_words(&words, ret, why, why_size);
}

unsigned rule_check(const char *text, char *why, size_t why_size)
{
    unsigned line = 1;
    for (const char *at = text;; line++) {
        struct rule rule;
        size_t len = strcspn(at, "\n");
        if (rule_parse(at, len, &rule, why, why_size) < 0)
            return line;
        if (!at[len])
            return 0;
        at += len + 1;
    }
}

bool rule_names(const struct rule *rule, enum call_id call)
{
    return rule->calls[call / 64] >> (call % 64) & 1;
}
