#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static void time_goes_on(void **state)
{
    (void)state;
    uint64_t a = clock_now();
    struct timespec nap = {.tv_nsec = 20000000};
    nanosleep(&nap, NULL);
    uint64_t b = clock_now();
    assert_true(b - a >= 20 * NS_PER_MS);
    uint64_t coarse = clock_coarse();
    assert_true(coarse <= clock_now());
    assert_true(clock_now() - coarse < NS_PER_S);
    assert_true(clock_wall() > 1700000000);
}

static void after_saturates(void **state)
{
    (void)state;
    clock_test_set(1000);
    assert_int_equal(clock_after(5), 1005);
    assert_true(clock_after(CLOCK_NEVER) == CLOCK_NEVER);
    assert_true(clock_after(CLOCK_NEVER - 1000) == CLOCK_NEVER);
    assert_true(clock_after(CLOCK_NEVER - 1001) == CLOCK_NEVER - 1);
    clock_test_set(0);
}

static void time_is_shared(void **state)
{
    (void)state;
    clock_test_set(1000);
    assert_int_equal(clock_share(1600, 3), 1200);
    assert_int_equal(clock_share(1600, 1), 1600);
    assert_int_equal(clock_share(1001, 2), 1000);
    assert_int_equal(clock_share(1000, 2), 1000);
    assert_int_equal(clock_share(999, 2), 999);
    assert_true(clock_share(CLOCK_NEVER, 2) == CLOCK_NEVER);
    clock_test_set(0);
}

static void test_clock_stands(void **state)
{
    (void)state;
    clock_test_set(7 * NS_PER_S);
    assert_int_equal(clock_now(), 7 * NS_PER_S);
    assert_int_equal(clock_coarse(), 7 * NS_PER_S);
    clock_test_advance(3);
    assert_int_equal(clock_now(), 7 * NS_PER_S + 3);
    assert_true(clock_sleep_until(CLOCK_NEVER) == CLOCK_NEVER);
    uint64_t until = clock_sleep_until(100 * NS_PER_S);
    clock_test_set(0);
    assert_true(clock_now() + NS_PER_S > until);
    assert_true(clock_now() != 7 * NS_PER_S + 3);
    assert_int_equal(clock_sleep_until(12345), 12345);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_goes_on),
        cmocka_unit_test(after_saturates),
        cmocka_unit_test(time_is_shared),
        cmocka_unit_test(test_clock_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
