/* What bench found, as rows: one for each operation, number of threads and side. */
#ifndef TOOL_BENCH_REPORT_H
#define TOOL_BENCH_REPORT_H

#include "tool/bench_run.h"
#include "tool/listing.h"

#define BENCH_ROUNDS_MAX 100

enum bench_side { SIDE_MODULE, SIDE_AGAINST, SIDES };

/* What one operation with one number of threads gave on one side. */
struct bench_score {
    struct bench_result result; /* over all rounds */
    double rate[BENCH_ROUNDS_MAX];
    CK_RV prepared; /* CKR_OK, or why there was nothing to run */
};

MUST_USE struct listing *bench_report_new(void);
/* Adds one row for each side. `rounds` is how many are in score[].rate; 0: nothing was measured. */
void bench_report_add(struct listing *listing, const struct bench_op *op, unsigned long threads,
                      const struct bench_score *score, size_t sides, size_t rounds);

#endif
