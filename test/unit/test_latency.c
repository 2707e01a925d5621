#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "member/latency.h"

#define MS UINT64_C(1000000)

static void worse_counts_at_once(void **state)
{
    (void)state;
    assert_int_equal(latency_blend(0, 5 * MS, 0), 5 * MS);
    assert_int_equal(latency_blend(2 * MS, 5 * MS, 1), 5 * MS);
    assert_int_equal(latency_blend(0, 0, 0), 1);
}

static void better_decays_in(void **state)
{
    (void)state;
    assert_int_equal(latency_blend(9 * MS, MS, 0), 9 * MS);
    uint64_t later = latency_blend(9 * MS, MS, LATENCY_DECAY);
    /* A part of 1/e is left of the 8 ms between. */
    assert_in_range(later, 3900000, 4100000);
    assert_in_range(latency_blend(9 * MS, MS, 20 * LATENCY_DECAY), MS, MS + 10000);
    /* Many samples in that time are worth what one after it is. */
    uint64_t often = 9 * MS;
    for (int i = 0; i < 1000; i++)
        often = latency_blend(often, MS, LATENCY_DECAY / 1000);
    assert_in_range(often, 3800000, 4100000);
}

static void fades_but_never_to_none(void **state)
{
    (void)state;
    assert_int_equal(latency_faded(0, LATENCY_DECAY), 0);
    assert_int_equal(latency_faded(7 * MS, 0), 7 * MS);
    assert_true(latency_faded(7 * MS, LATENCY_DECAY) < 3 * MS);
    assert_int_equal(latency_faded(1, 100 * LATENCY_DECAY), 1);
}

static void slow_once_is_not_slow_for_ever(void **state)
{
    (void)state;
    struct latency slow = {0}, quick = {0};
    uint64_t now = LATENCY_DECAY;
    latency_begin(&slow, WORK_EC, now);
    latency_end(&slow, WORK_EC, now - 100 * MS, now, true);
    /* The other one goes on serving; nobody asks the slow one. */
    unsigned rounds = 0;
    for (; latency_now(&slow, WORK_EC, now) > latency_now(&quick, WORK_EC, now) + MS; rounds++) {
        assert_true(rounds < 100);
        now += LATENCY_DECAY / 10;
        latency_begin(&quick, WORK_EC, now);
        latency_end(&quick, WORK_EC, now - MS, now, true);
    }
    assert_true(rounds > 10);
}

/* Nobody has asked it for long: one call finds out. */
static void what_is_stale_is_found_out_anew(void **state)
{
    (void)state;
    struct latency latency = {0};
    uint64_t later = 100 * MS + LATENCY_STALE;
    latency_begin(&latency, WORK_EC, 0);
    latency_end(&latency, WORK_EC, 0, 100 * MS, true);
    assert_true(latency_now(&latency, WORK_EC, later) > 0);
    assert_int_equal(latency_now(&latency, WORK_EC, later + 1), 0);
    latency_begin(&latency, WORK_EC, later);
    assert_int_equal(latency.work[WORK_EC].probing, 0);
    latency_begin(&latency, WORK_EC, later + 1);
    assert_int_equal(latency.work[WORK_EC].probing, 1);
    latency_end(&latency, WORK_EC, later + 1, later + 1 + MS, true);
    assert_int_equal(latency_now(&latency, WORK_EC, later + 1 + MS), MS);
}

static void what_does_not_count_leaves_no_trace(void **state)
{
    (void)state;
    struct latency latency = {0};
    latency_begin(&latency, WORK_EC, 0);
    assert_int_equal(latency.outstanding, 1);
    assert_int_equal(latency.work[WORK_EC].probing, 1);
    latency_end(&latency, WORK_EC, 0, 2000 * MS, false);
    assert_int_equal(latency.outstanding, 0);
    assert_int_equal(latency.work[WORK_EC].probing, 0);
    assert_int_equal(latency_now(&latency, WORK_EC, 2000 * MS), 0);
}

static void forgets(void **state)
{
    (void)state;
    struct latency latency = {0};
    latency_begin(&latency, WORK_EC, 0);
    latency_end(&latency, WORK_EC, 0, 2000 * MS, true);
    latency.full_until = 5000 * MS;
    latency_forget(&latency);
    assert_int_equal(latency_now(&latency, WORK_EC, 2000 * MS), 0);
    assert_int_equal(latency.full_until, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worse_counts_at_once),
        cmocka_unit_test(better_decays_in),
        cmocka_unit_test(fades_but_never_to_none),
        cmocka_unit_test(slow_once_is_not_slow_for_ever),
        cmocka_unit_test(what_is_stale_is_found_out_anew),
        cmocka_unit_test(what_does_not_count_leaves_no_trace),
        cmocka_unit_test(forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
