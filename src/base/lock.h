/*
 * Locks with a declared order, and waiting with a deadline. A thread takes locks only from outermost to
 * innermost, and never two of the same level; a debug build (NDEBUG unset) keeps a mask per thread and aborts
 * on a wrong order.
 * No lock is held while a member works, while the disk is waited for, or while a log sink is written:
 * lock_assert_none() stands at those places.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>

#include "base/def.h"

/* From outermost to innermost. */
enum lock_level {
    LOCK_RUNTIME, /* C_Initialize and C_Finalize against each other */
    LOCK_GROUP,   /* a group's login state, its member list's changes */
    LOCK_VAULT, /* a vault's connection; the one lock held while the disk is waited for, never while a member
                   is */
    LOCK_SESSION,  /* a virtual session's operations */
    LOCK_CATALOG,  /* a catalogue's indexes and attribute sets */
    LOCK_OBJECT,   /* one object's replicas being made (busy flag and condition) */
    LOCK_MEMBER,   /* a member's health, epoch and jobs */
    LOCK_SIGNON,   /* the PIN that members sign on with */
    LOCK_INSTANCE, /* a module instance's state */
    LOCK_POOL,     /* idle real sessions, idle lanes */
    LOCK_TABLE,    /* a handle table's slots being added and removed */
    LOCK_SECRET,   /* free lists of secret memory */
    LOCK_LOG,      /* the log's rate limits */
    LOCK_LEVELS
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_level level;
};

#define LOCK_INIT(lvl)                                     \
    {                                                      \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .level = (lvl) \
    }

void lock_init(struct lock *lock, enum lock_level level);
void lock_end(struct lock *lock);
void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);
/* Aborts in debug builds if this thread holds any lock at all. */
void lock_assert_none(void);

/* Condition with a deadline of base/clock.h, which a test clock's time reaches too. */
struct cond {
    pthread_cond_t cond;
};
void cond_init(struct cond *cond);
void cond_end(struct cond *cond);
/* False when the deadline passed. Spurious wake-ups happen: loop on the condition. */
bool cond_wait(struct cond *cond, struct lock *lock, uint64_t deadline);
void cond_wake_all(struct cond *cond);

#endif
