#include "test/chaos/control.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test/chaos/arena.h"

#define SLICE_NS    4000000u
#define CONTROL_MAX (1u << 20)

/* What stat() said of the file that was read; all zero: it was missing. */
struct stamp {
    struct timespec modified, changed;
    off_t size;
    ino_t inode;
};

/* One reading of one file. */
struct reading {
    const char *path;
    struct stamp stamp;
    struct rules rules;
};

static _Atomic(const struct reading *) current;
static _Atomic uint64_t random_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread reads the file */

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){st->st_mtim, st->st_ctim, st->st_size, st->st_ino};
}

static struct stamp stamp_now(const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return (struct stamp){0};
    return stamp_of(&st);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return same_time(a->modified, b->modified) && same_time(a->changed, b->changed) && a->size == b->size &&
           a->inode == b->inode;
}

static bool has_rule(const struct rules *rules, const struct rule *rule)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->rule[i] == rule)
            return true;
    }
    return false;
}

/* A rule of the same text keeps its counters: it is the same rule. The n-th of several stays the n-th. */
static struct rule *keep_or_make(const struct reading *old, const struct rules *made,
                                 const struct rule *parsed)
{
    for (size_t i = 0; old && i < old->rules.count; i++) {
        struct rule *known = old->rules.rule[i];
        if (!strcmp(known->text, parsed->text) && !has_rule(made, known))
            return known;
    }
    struct rule *rule = arena_take(sizeof(*rule));
    if (rule)
        memcpy(rule, parsed, sizeof(*rule));
    return rule;
}

/* NUL behind; "" if it cannot be read. free(). */
static char *read_file(const char *path, struct stamp *ret_stamp)
{
    *ret_stamp = (struct stamp){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        if (fd >= 0)
            close(fd);
        return calloc(1, 1);
    }
    *ret_stamp = stamp_of(&st);
    size_t size = st.st_size > CONTROL_MAX ? CONTROL_MAX : (size_t)st.st_size, used = 0;
    char *text = calloc(1, size + 1);
    while (text && used < size) {
        ssize_t got = read(fd, text + used, size - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    return text;
}

static void parse_file(const char *text, const struct reading *old, struct reading *reading)
{
    unsigned number = 1;
    for (const char *at = text;; number++) {
        struct rule parsed;
        char why[160];
        size_t len = strcspn(at, "\n");
        int is = rule_parse(at, len, &parsed, why, sizeof(why));
        if (is < 0)
            fprintf(stderr, "chaos: %s:%u: %s\n", reading->path, number, why);
        struct rule *rule = is > 0 ? keep_or_make(old, &reading->rules, &parsed) : NULL;
        if (rule) {
            reading->rules.rule[reading->rules.count++] = rule;
            reading->rules.has_gone |= rule->action == ACTION_GONE;
        }
        if (!at[len])
            return;
        at += len + 1;
    }
}

static size_t count_lines(const char *text)
{
    size_t lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static const struct reading *read_rules(const char *path, const struct reading *old)
{
    struct reading *reading = arena_take(sizeof(*reading));
    if (!reading)
        return old;
    reading->path = path;
    char *text = read_file(path, &reading->stamp);
    if (text)
        reading->rules.rule = arena_take(count_lines(text) * sizeof(struct rule *));
    if (reading->rules.rule)
        parse_file(text, old, reading);
    free(text);
    return reading;
}

bool control_open(const char *path)
{
    const struct reading *old = atomic_load(&current);
    if (old && path && !strcmp(old->path, path))
        return true;
    if (!path) {
        atomic_store(&current, NULL);
        return true;
    }
    char *kept = arena_take(strlen(path) + 1);
    if (!kept)
        return false;
    memcpy(kept, path, strlen(path) + 1);
    pthread_mutex_lock(&lock);
    const struct reading *reading = read_rules(kept, NULL);
    atomic_store(&current, reading);
    pthread_mutex_unlock(&lock);
    return reading;
}

const struct rules *control_rules(void)
{
    static const struct rules none;
    const struct reading *reading = atomic_load_explicit(&current, memory_order_acquire);
    if (!reading)
        return &none;
    struct stamp stamp = stamp_now(reading->path);
    if (same_stamp(&stamp, &reading->stamp))
        return &reading->rules;

    pthread_mutex_lock(&lock);
    reading = atomic_load(&current);
    stamp = reading ? stamp_now(reading->path) : (struct stamp){0};
    if (reading && !same_stamp(&stamp, &reading->stamp)) {
        reading = read_rules(reading->path, reading);
        atomic_store(&current, reading);
    }
    pthread_mutex_unlock(&lock);
    return reading ? &reading->rules : &none;
}

bool control_fires(struct rule *rule)
{
    if (atomic_fetch_add(&rule->seen, 1) + 1 < rule->nth)
        return false;
    if (rule->prob < 1 && control_random() >= rule->prob)
        return false;
    if (!rule->times)
        return true;
    unsigned long fired = atomic_load(&rule->fired);
    while (fired < rule->times) {
        if (atomic_compare_exchange_weak(&rule->fired, &fired, fired + 1))
            return true;
    }
    return false;
}

uint64_t control_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void control_wait(const struct rule *rule, uint64_t until)
{
    for (uint64_t now = control_now(); now < until; now = control_now()) {
        uint64_t wake = until - now > SLICE_NS ? now + SLICE_NS : until;
        struct timespec at = {(time_t)(wake / 1000000000u), (long)(wake % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        if (wake != until && !has_rule(control_rules(), rule))
            return;
    }
}

/* The mixing steps of splitmix64 over a counter: no state to lock, no thread-local storage to run out of. */
double control_random(void)
{
    uint64_t x = (atomic_fetch_add(&random_count, 1) + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return (double)(x >> 11) / 9007199254740992.0;
}

void control_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}
