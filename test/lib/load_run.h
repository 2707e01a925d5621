/* The threads of `load`, and what they saw. */
#ifndef TEST_LIB_LOAD_RUN_H
#define TEST_LIB_LOAD_RUN_H

#include <stdatomic.h>
#include <stdio.h>

#include "test/lib/load_op.h"

#define LOAD_THREADS_MAX 256
#define LOAD_ERRORS_MAX  64 /* distinct ones */
#define LOAD_BUCKETS     (64 * 8)

struct load_plan {
    CK_FUNCTION_LIST *p11;
    CK_SLOT_ID slot;
    const struct load_op *op;
    struct load_key key;
    size_t size;
    unsigned threads;
    uint64_t count;   /* 0: no limit */
    double seconds;   /* 0: no limit */
    double rate;      /* operations a second of all threads together; 0: as many as go */
    const char *live; /* NULL: none */
};

struct load_error {
    CK_RV rv;
    const char *call;
    uint64_t count;
};

struct load_seen {
    uint64_t done, failed, wrong;
    struct load_error error[LOAD_ERRORS_MAX];
    size_t errors;
    uint64_t bucket[LOAD_BUCKETS]; /* of operations, by time */
    uint64_t slowest_op_ns, slowest_call_ns;
    uint64_t stall_ns; /* how long the machine let a thread wait for a CPU, at worst */
    const char *slowest_call;
    double seconds;
};

/* Until count, seconds, or load_stop. False: a thread cannot be had. */
bool load_run(const struct load_plan *plan, struct load_seen *ret);
/* From a signal handler too. */
void load_stop(void);
/* ns, of the part of all operations. */
uint64_t load_quantile(const struct load_seen *seen, double part);

#endif
