/*
 * The language of the control file, pure: text in, rules out. One rule a line, # starts a comment:
 *
 *   TOKEN CALL ACTION [nth=N] [times=K] [prob=P] [id=WORD]
 *   TOKEN network [latency=MS] [jitter=MS] [concurrency=K]
 *
 * TOKEN   the token's label (%20 for a space) or *
 * CALL    a function, or * (everything that has a slot or a session), or crypto, object, session, key
 * ACTION  rv=CKR_NAME|number  answers without calling
 *         delay=MS            waits, then calls
 *         late=MS             calls, waits, then answers
 *         hang                waits until the rule is gone, then answers CKR_DEVICE_ERROR
 *         gone                the token is not there
 *         lose-sessions  lose-login  lose-objects  reinit    once, unless times= says otherwise
 *         corrupt             flips one bit of the output
 *         crash               SIGSEGV
 * nth     from the N-th matching call since the rule appeared (1)
 * times   K calls only (for ever)
 * prob    this part of them, 0..1 (1)
 * id      any word: makes a text another one, so that a rule that is used up works once more
 *
 * A rule whose text stays the same when the file changes is the same rule and keeps its counters; they are
 * each module instance's own. All rules that match a call apply, in the file's order, until one answers it;
 * those behind it neither act nor count. Times are milliseconds, fractions allowed. network: each call of the
 * groups crypto and key takes latency plus 0..jitter, and at most K (0: any number) are served at a time,
 * first come first served.
 */
#ifndef CHAOS_RULE_H
#define CHAOS_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test/chaos/calls.h"

#define RULE_TEXT_MAX        160
#define RULE_TOKEN_MAX       33
#define RULE_CONCURRENCY_MAX 256

enum rule_action {
    ACTION_RV,
    ACTION_DELAY,
    ACTION_LATE,
    ACTION_HANG,
    ACTION_GONE,
    ACTION_LOSE_SESSIONS,
    ACTION_LOSE_LOGIN,
    ACTION_LOSE_OBJECTS,
    ACTION_REINIT,
    ACTION_CORRUPT,
    ACTION_CRASH,
    ACTION_NETWORK,
};

struct rule {
    char text[RULE_TEXT_MAX]; /* words with one space between; two rules of the same text are the same rule */
    char token[RULE_TOKEN_MAX];
    bool any_token;
    uint64_t calls[(CALL_COUNT + 63) / 64]; /* bit set by enum call_id */
    enum rule_action action;
    unsigned long rv;
    uint64_t wait_ns;   /* delay, late; latency of network */
    uint64_t jitter_ns; /* network */
    unsigned concurrency;
    unsigned long nth, times; /* times 0: for ever */
    double prob;

    _Atomic unsigned long seen, fired;
};

/*
 * One line. 1: a rule, in *ret, counters zero. 0: an empty line or a comment. -1: an error, a sentence in
 * why.
 */
int rule_parse(const char *line, size_t len, struct rule *ret, char *why, size_t why_size);

/* The first bad line of a whole file's text (counted from 1, a sentence in why), or 0. */
unsigned rule_check(const char *text, char *why, size_t why_size);

bool rule_names(const struct rule *rule, enum call_id call);

#endif
