#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/units.h"

#define UNTOUCHED UINT64_C(0xdeadbeef)

typedef bool parser(const char *text, uint64_t *ret);

struct good {
    const char *text;
    uint64_t value;
};

static void good_check(parser *parse, const struct good *good, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;

        print_message("good: %s\n", good[i].text);
        assert_true(parse(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
}

static void bad_check(parser *parse, const char *const *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;

        print_message("bad: %s\n", bad[i]);
        assert_false(parse(bad[i], &value));
        assert_int_equal(value, UNTOUCHED);
    }
}

static void number_test(void **state)
{
    static const struct good good[] = {
        {"0", 0}, {"007", 7}, {"32", 32}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "0x10",
                                      "one",
                                      "1s",
                                      "18446744073709551616",
                                      "18446744073709551620",
                                      "99999999999999999999999"};

    (void)state;
    good_check(units_parse_number, good, ARRAY_LEN(good));
    bad_check(units_parse_number, bad, ARRAY_LEN(bad));
}

static void duration_test(void **state)
{
    static const struct good good[] = {
        {"0", 0},
        {"0s", 0},
        {"1us", 1000},
        {"250ms", UINT64_C(250000000)},
        {"10s", UINT64_C(10000000000)},
        {"120s", UINT64_C(120000000000)},
        {"2m", UINT64_C(120000000000)},
        {"1h", UINT64_C(3600000000000)},
        {"30d", UINT64_C(2592000000000000)},
        {"213503d", UINT64_C(213503) * 86400 * 1000000000},
    };
    static const char *const bad[] = {"",      "s",       "10",  "10 s", "10S",
                                      "10sec", "1.5s",    "-1s", "10s ", "p95",
                                      "off",   "213504d", "1w",  "1ns",  "18446744073709551616s"};

    (void)state;
    good_check(units_parse_duration, good, ARRAY_LEN(good));
    bad_check(units_parse_duration, bad, ARRAY_LEN(bad));
}

static void size_test(void **state)
{
    static const struct good good[] = {
        {"0", 0},
        {"0MiB", 0},
        {"17B", 17},
        {"64KiB", 65536},
        {"1MiB", 1048576},
        {"4GiB", UINT64_C(4) << 30},
        {"17179869183GiB", UINT64_C(17179869183) << 30},
    };
    static const char *const bad[] = {"",     "1",  "MiB",   "1 MiB",  "1MB",
                                      "1mib", "1M", "1KiB ", "1.5KiB", "17179869184GiB"};

    (void)state;
    good_check(units_parse_size, good, ARRAY_LEN(good));
    bad_check(units_parse_size, bad, ARRAY_LEN(bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_test),
        cmocka_unit_test(duration_test),
        cmocka_unit_test(size_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
