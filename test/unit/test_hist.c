#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hist.h"

static struct hist hist, other;

static int clear(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        hist.count[i] = other.count[i] = 0;
    return 0;
}

static void within_3_percent(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < UINT64_C(4000000000000); ns += 1 + ns / 17) {
        clear(NULL);
        hist_add(&hist, ns);
        uint64_t got = hist_quantile(&hist, 0.5);
        uint64_t off = got > ns ? got - ns : ns - got;
        assert_true(off * 100 <= ns * 3);
        assert_int_equal(hist_total(&hist), 1);
    }
}

static void quantiles(void **state)
{
    (void)state;
    assert_int_equal(hist_quantile(&hist, 0.5), 0);
    for (uint64_t i = 1; i <= 100; i++)
        hist_add(&hist, i * 1000000);
    assert_int_equal(hist_total(&hist), 100);
    static const struct {
        double q;
        uint64_t low, high;
    } rows[] = {
        {-1, 970000, 1030000},        {0, 970000, 1030000},       {0.01, 970000, 1030000},
        {0.5, 48500000, 51500000},    {0.95, 92000000, 98000000}, {0.99, 96000000, 102000000},
        {0.991, 97000000, 103000000}, {1, 97000000, 103000000},   {7, 97000000, 103000000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_in_range(hist_quantile(&hist, rows[i].q), rows[i].low, rows[i].high);
}

static void order_is_kept(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t ns = 1; ns < UINT64_MAX / 3; ns *= 2) {
        clear(NULL);
        hist_add(&hist, ns);
        uint64_t got = hist_quantile(&hist, 1);
        assert_true(got >= before);
        before = got;
    }
    clear(NULL);
    hist_add(&hist, UINT64_MAX);
    assert_true(hist_quantile(&hist, 1) > UINT64_C(3600) * 1000000000);
}

static void merges(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        hist_add(&hist, 10);
    for (int i = 0; i < 30; i++)
        hist_add(&other, 20);
    hist_merge(&hist, &other);
    assert_int_equal(hist_total(&hist), 40);
    assert_int_equal(hist_total(&other), 30);
    assert_int_equal(hist_quantile(&hist, 0.25), 10);
    assert_int_equal(hist_quantile(&hist, 0.26), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(within_3_percent, clear),
        cmocka_unit_test_setup(quantiles, clear),
        cmocka_unit_test_setup(order_is_kept, clear),
        cmocka_unit_test_setup(merges, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
