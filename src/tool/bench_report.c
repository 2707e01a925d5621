#include "tool/bench_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call/names.h"

static const char *const SIDE_NAMES[SIDES] = {"module", "against"};

enum column {
    COLUMN_OP,
    COLUMN_THREADS,
    COLUMN_SIDE,
    COLUMN_RATE,
    COLUMN_P50,
    COLUMN_P99,
    COLUMN_P999,
    COLUMN_MAX,
    COLUMN_RATIO,
    COLUMN_CHECKED,
    COLUMN_WRONG,
    COLUMN_ERRORS,
    COLUMN_CALLS,
    COLUMN_ROUNDS
};
static const struct listing_column COLUMNS[] = {
    [COLUMN_OP] = {"OP", "op", LISTING_LEFT},
    [COLUMN_THREADS] = {"THREADS", "threads", LISTING_RIGHT},
    [COLUMN_SIDE] = {"SIDE", "side", LISTING_LEFT},
    [COLUMN_RATE] = {"OPS/S", "ops_per_second", LISTING_RIGHT},
    [COLUMN_P50] = {"P50 us", "p50_us", LISTING_RIGHT},
    [COLUMN_P99] = {"P99 us", "p99_us", LISTING_RIGHT},
    [COLUMN_P999] = {"P99.9 us", "p999_us", LISTING_RIGHT},
    [COLUMN_MAX] = {"MAX us", "max_us", LISTING_RIGHT},
    [COLUMN_RATIO] = {"RATIO", "ratio", LISTING_RIGHT},
    [COLUMN_CHECKED] = {"CHECKED", "checked", LISTING_RIGHT},
    [COLUMN_WRONG] = {"WRONG", "wrong", LISTING_RIGHT},
    [COLUMN_ERRORS] = {"ERRORS", "errors", LISTING_LEFT},
    [COLUMN_CALLS] = {NULL, "calls", LISTING_RIGHT},
    [COLUMN_ROUNDS] = {NULL, "round_ops_per_second", LISTING_RIGHT},
};

struct listing *bench_report_new(void)
{
    return listing_new(COLUMNS, ARRAY_LEN(COLUMNS));
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *value, size_t count)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, value, count * sizeof *value);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* NAN (shown as "-") where there is nothing to divide by. */
static double ratio(const struct bench_score score[SIDES], size_t rounds)
{
    double each[BENCH_ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        if (score[SIDE_AGAINST].rate[i] <= 0)
            return NAN;
        each[i] = score[SIDE_MODULE].rate[i] / score[SIDE_AGAINST].rate[i];
    }
    return median(each, rounds);
}

static void report_errors(struct listing *listing, const struct bench_result *result)
{
    char text[512] = "";
    size_t len = 0;
    json_t *object = json_object();
    for (size_t i = 0; i < result->errors; i++) {
        struct name_buf buf;
        const char *name = name_rv(result->error[i].rv, &buf);
        int n = snprintf(text + len, sizeof text - len, "%s%s:%llu", i ? " " : "", name,
                         (unsigned long long)result->error[i].count);
        len = size_min(len + (n > 0 ? (size_t)n : 0), sizeof text - 1);
        (void)json_object_set_new(object, name, json_integer((json_int_t)result->error[i].count));
    }
    listing_value(listing, COLUMN_ERRORS, len ? text : "0", object);
}

static void report_rounds(struct listing *listing, const struct bench_score *score, size_t rounds)
{
    json_t *array = json_array();
    for (size_t i = 0; i < rounds; i++)
        (void)json_array_append_new(array, json_real(score->rate[i]));
    listing_value(listing, COLUMN_ROUNDS, "", array);
}

static void report_latency(struct listing *listing, enum column column, uint64_t ns)
{
    double us = (double)ns / (double)NS_PER_US;
    listing_number(listing, column, us, us < 100 ? 2 : 0);
}

/* A bucket of the histogram may reach beyond the greatest value in it. */
static void report_quantile(struct listing *listing, enum column column, const struct bench_result *result,
                            double q)
{
    uint64_t ns = hist_quantile(&result->hist, q);
    report_latency(listing, column, ns < result->max_ns ? ns : result->max_ns);
}

void bench_report_add(struct listing *listing, const struct bench_op *op, unsigned long threads,
                      const struct bench_score *score, size_t sides, size_t rounds)
{
    for (size_t side = 0; side < sides; side++) {
        const struct bench_result *result = &score[side].result;
        listing_row(listing);
        listing_text(listing, COLUMN_OP, op->name);
        listing_count(listing, COLUMN_THREADS, threads);
        listing_text(listing, COLUMN_SIDE, SIDE_NAMES[side]);
        report_errors(listing, result);
        if (score[side].prepared != CKR_OK || !rounds)
            continue;
        listing_number(listing, COLUMN_RATE, median(score[side].rate, rounds), 0);
        report_quantile(listing, COLUMN_P50, result, 0.5);
        report_quantile(listing, COLUMN_P99, result, 0.99);
        report_quantile(listing, COLUMN_P999, result, 0.999);
        report_latency(listing, COLUMN_MAX, result->max_ns);
        listing_count(listing, COLUMN_CHECKED, result->checked);
        listing_count(listing, COLUMN_WRONG, result->wrong);
        listing_count(listing, COLUMN_CALLS, result->calls);
        report_rounds(listing, &score[side], rounds);
        if (side == SIDE_MODULE && sides == SIDES)
            listing_number(listing, COLUMN_RATIO, ratio(score, rounds), 3);
    }
}
