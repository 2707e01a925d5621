/*
 * Live statistics: each process with p11ha in it keeps run-dir/PID.stats up to date, so that `p11ha status`
 * can show what applications see. The file is a struct stats_file, mapped by its writer and read by anybody;
 * its generation is odd while it is written, so that a reader never takes half a picture for a whole one.
 * Nothing in it is secret.
 */
#ifndef ROUTER_STATS_H
#define ROUTER_STATS_H

#include "router/group.h"

#define STATS_MAGIC      UINT64_C(0x3173746174733131) /* "11stats1" */
#define STATS_VERSION    1
#define STATS_GROUPS_MAX 64
#define STATS_NAME_MAX   64

/* Numbers are 64 bits wide: readers of another build see the same file. */
struct stats_member {
    char name[STATS_NAME_MAX];
    uint64_t state; /* enum health_state */
    uint64_t cause; /* CK_RV or RV_ */
    uint64_t since; /* seconds since 1970, when the state began */
    uint64_t calls, failures;
    uint64_t ewma[WORK_CLASSES]; /* ns, 0 = no history */
    uint64_t outstanding;
    uint64_t lag; /* records; GROUP_LAG_UNKNOWN */
};

struct stats_group {
    char name[STATS_NAME_MAX];
    uint64_t calls, errors; /* as struct group's */
    uint64_t logged_in;
    uint64_t members;
    struct stats_member member[CONFIG_MEMBERS_MAX];
};

struct stats_file {
    uint64_t magic, version, size; /* of the whole file, in bytes */
    uint64_t generation;
    uint64_t pid;
    uint64_t
        born; /* when the process began, as the kernel counts it: a number used again is another process */
    uint64_t started; /* seconds since 1970, when p11ha was initialised there */
    uint64_t updated; /* ns of CLOCK_MONOTONIC */
    char program[STATS_NAME_MAX];
    uint64_t groups;
    struct stats_group group[];
};

struct stats;

/*
 * Makes the folder (0755) and the file, and starts the thread that publishes every 250 ms. The groups must
 * outlive it. NULL if any of that cannot be: statistics are a convenience, so that is only a line of debug
 * log. After a fork the child makes its own and forgets the parent's.
 */
struct stats *stats_start(const char *run_dir, struct group *const *group, size_t count);
/* Ends the thread and removes the file. NULL is fine. */
void stats_stop(struct stats *stats);
/* Once more, now. */
void stats_publish(struct stats *stats);

/*
 * Visits a whole picture of each living process, until visit returns false; files of dead ones are removed if
 * that is allowed. 0, or -errno if the folder cannot be read (-ENOENT: no process has ever made it).
 */
MUST_USE int stats_read_all(const char *run_dir, bool (*visit)(const struct stats_file *file, void *ctx),
                            void *ctx);

/* When the process began, in clock ticks since boot; 0 if there is none. */
uint64_t stats_born(uint64_t pid);

#endif
