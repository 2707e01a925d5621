#include "base/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

#ifndef NDEBUG
static const char *const level_name[LOCK_LEVELS] = {
    [LOCK_RUNTIME] = "RUNTIME", [LOCK_GROUP] = "GROUP",     [LOCK_VAULT] = "VAULT",
    [LOCK_SESSION] = "SESSION", [LOCK_CATALOG] = "CATALOG", [LOCK_OBJECT] = "OBJECT",
    [LOCK_MEMBER] = "MEMBER",   [LOCK_SIGNON] = "SIGNON",   [LOCK_INSTANCE] = "INSTANCE",
    [LOCK_POOL] = "POOL",       [LOCK_TABLE] = "TABLE",     [LOCK_SECRET] = "SECRET",
    [LOCK_LOG] = "LOG",
};

/* Bit n: this thread holds a lock of level n. */
static _Thread_local uint32_t held;

static void die(const char *what, enum lock_level level)
{
    char text[400];
    int len = snprintf(text, sizeof(text), "p11ha: lock order: %s %s; held:", what, level_name[level]);
    for (unsigned i = 0; i < LOCK_LEVELS; i++)
        if (held >> i & 1)
            len += snprintf(text + len, sizeof(text) - (size_t)len, " %s", level_name[i]);
    text[len++] = '\n';
    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        abort();
    abort();
}

static void note_take(enum lock_level level)
{
    if (held >> level != 0)
        die("taking", level);
    held |= 1u << level;
}

static void note_drop(enum lock_level level)
{
    if (!(held >> level & 1))
        die("dropping what is not held:", level);
    held &= ~(1u << level);
}

static void note_wait(enum lock_level level)
{
    if (held >> level != 1)
        die("waiting with a wrong innermost lock:", level);
}

static void note_none(void)
{
    if (held != 0)
        die("none may be held here, innermost is", (enum lock_level)(31 - __builtin_clz(held)));
}
#else
static void note_take(enum lock_level level)
{
    (void)level;
}
static void note_drop(enum lock_level level)
{
    (void)level;
}
static void note_wait(enum lock_level level)
{
    (void)level;
}
static void note_none(void)
{
}
#endif

void lock_init(struct lock *lock, enum lock_level level)
{
    pthread_mutex_init(&lock->mutex, NULL);
    lock->level = level;
}

void lock_end(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

void lock_take(struct lock *lock)
{
    note_take(lock->level);
    pthread_mutex_lock(&lock->mutex);
}

void lock_drop(struct lock *lock)
{
    note_drop(lock->level);
    pthread_mutex_unlock(&lock->mutex);
}

void lock_assert_none(void)
{
    note_none();
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void cond_end(struct cond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

bool cond_wait(struct cond *cond, struct lock *lock, uint64_t deadline)
{
    note_wait(lock->level);
    if (deadline == CLOCK_NEVER) {
        pthread_cond_wait(&cond->cond, &lock->mutex);
        thread_pass();
        return true;
    }
    if (clock_now() >= deadline)
        return false;
    uint64_t until = clock_sleep_until(deadline);
    struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_S), .tv_nsec = (long)(until % NS_PER_S)};
    int r = pthread_cond_timedwait(&cond->cond, &lock->mutex, &ts);
    thread_pass();
    return r != ETIMEDOUT || clock_now() < deadline;
}

void cond_wake_all(struct cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}
