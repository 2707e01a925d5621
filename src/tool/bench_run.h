/* One operation, so many threads, so long: the measuring itself. */
#ifndef TOOL_BENCH_RUN_H
#define TOOL_BENCH_RUN_H

#include "base/hist.h"
#include "tool/bench_ops.h"

#define BENCH_ERRORS_MAX  16   /* different ones; the rest is counted under the last */
#define BENCH_CHECK_EVERY 1000 /* results */

struct bench_error {
    CK_RV rv;
    uint64_t count;
};

/* Sums over all threads (and, merged, over rounds). */
struct bench_result {
    struct hist hist; /* of the good calls */
    uint64_t calls;   /* good ones */
    uint64_t checked, wrong;
    uint64_t max_ns; /* of all calls, the failed ones too */
    double rate;     /* good calls a second; of one run only */
    struct bench_error error[BENCH_ERRORS_MAX];
    size_t errors;
};

/* Set by a signal: everything ends soon. */
extern _Atomic bool bench_run_stop;

/*
 * Runs for `span` ns and adds to *result (rate: set). `run` numbers the runs of a target: inputs of different
 * runs differ. False: no memory or no threads, nothing was measured.
 */
MUST_USE bool bench_run_for(const struct bench_target *target, unsigned threads, uint64_t span, unsigned run,
                            struct bench_result *result);
void bench_run_error(struct bench_result *result, CK_RV rv, uint64_t count);
uint64_t bench_run_errors(const struct bench_result *result);

#endif
