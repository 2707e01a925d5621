#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/logline.h"
#include "base/logsink.h"

#define RATE_EVENTS 64
#define RATE_LIMIT  20
#define RATE_WINDOW (60 * NS_PER_S)
#define LATER_MAX   4

struct rate {
    char event[32];
    uint64_t since;
    unsigned count, left_out;
};

struct later {
    enum log_level level;
    const char *event, *fields;
};

_Atomic int log_threshold = LOG_WARN;

static struct lock log_lock = LOCK_INIT(LOCK_LOG);
static struct rate rates[RATE_EVENTS];

static struct later later[LATER_MAX];
static _Atomic unsigned later_state[LATER_MAX]; /* 0 free, 1 being filled or read, 2 full */

/* True: write it. */
static bool rate_pass_locked(const char *event, uint64_t now)
{
    struct rate *free_one = NULL;
    for (size_t i = 0; i < RATE_EVENTS; i++) {
        struct rate *rate = &rates[i];
        bool over = now - rate->since >= RATE_WINDOW;
        if (rate->event[0] != 0 && strncmp(rate->event, event, sizeof(rate->event) - 1) == 0) {
            if (over) {
                rate->since = now;
                rate->count = 0;
            }
            if (rate->count < RATE_LIMIT) {
                rate->count++;
                return true;
            }
            rate->left_out++;
            return false;
        }
        if (!free_one && (rate->event[0] == 0 || (over && rate->left_out == 0)))
            free_one = rate;
    }
    if (!free_one)
        return true;
    *free_one = (struct rate){.since = now, .count = 1};
    memcpy(free_one->event, event, strnlen(event, sizeof(free_one->event) - 1));
    return true;
}

/* One event whose minute is over and that lost lines, or false. */
static bool rate_debt_locked(uint64_t now, bool all, struct rate *ret_debt)
{
    for (size_t i = 0; i < RATE_EVENTS; i++) {
        if (rates[i].left_out == 0 || (!all && now - rates[i].since < RATE_WINDOW))
            continue;
        *ret_debt = rates[i];
        rates[i].left_out = 0;
        return true;
    }
    return false;
}

/* What was left out and what came from under locks. */
static void write_debts(const struct logsink *s, bool all)
{
    for (;;) {
        struct rate debt;
        lock_take(&log_lock);
        bool has = rate_debt_locked(clock_coarse(), all, &debt);
        lock_drop(&log_lock);
        if (!has)
            break;
        char line[96];
        snprintf(line, sizeof(line), "left-out event=%s lines=%u", debt.event, debt.left_out);
        logsink_write(s, LOG_WARN, line);
    }
    for (unsigned i = 0; i < LATER_MAX; i++) {
        unsigned full = 2;
        if (!atomic_compare_exchange_strong(&later_state[i], &full, 1))
            continue;
        struct later one = later[i];
        atomic_store(&later_state[i], 0);
        if (!log_on(one.level))
            continue;
        char line[LOGLINE_MAX];
        snprintf(line, sizeof(line), "%s %s", one.event, one.fields);
        logsink_write(s, one.level, line);
    }
}

int log_open(const char *target, enum log_level level)
{
    atomic_store(&log_threshold, (int)level);
    int r = logsink_open(target);
    struct logsink *s = logsink_begin();
    write_debts(s, false);
    logsink_end(s);
    return r;
}

void log_close(void)
{
    struct logsink *s = logsink_begin();
    write_debts(s, true);
    logsink_end(s);
    logsink_close();
    lock_take(&log_lock);
    memset(rates, 0, sizeof(rates));
    lock_drop(&log_lock);
    atomic_store(&log_threshold, LOG_WARN);
}

void log_after_fork(void)
{
    lock_init(&log_lock, LOCK_LOG);
    logsink_after_fork();
    memset(rates, 0, sizeof(rates));
    for (unsigned i = 0; i < LATER_MAX; i++)
        atomic_store(&later_state[i], 0);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_on(level))
        return;
    int saved = errno;
    bool pass = true;
    if (level <= LOG_INFO) {
        lock_take(&log_lock);
        pass = rate_pass_locked(event, clock_coarse());
        lock_drop(&log_lock);
    }
    struct logsink *s = logsink_begin();
    write_debts(s, false);
    if (pass) {
        char line[LOGLINE_MAX];
        va_list args;
        va_start(args, format);
        logline_format(line, event, format, args);
        va_end(args);
        logsink_write(s, level, line);
    }
    logsink_end(s);
    errno = saved;
}

void log_event_later(enum log_level level, const char *event, const char *fields)
{
    for (unsigned i = 0; i < LATER_MAX; i++) {
        unsigned none = 0;
        if (!atomic_compare_exchange_strong(&later_state[i], &none, 1))
            continue;
        later[i] = (struct later){.level = level, .event = event, .fields = fields};
        atomic_store(&later_state[i], 2);
        return;
    }
}
