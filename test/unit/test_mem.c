#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"

static void new_is_zeroed_and_checked(void **state)
{
    (void)state;
    AUTO(mem_free) unsigned char *p = mem_new(100, 7);
    assert_non_null(p);
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(p[i], 0);
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(mem_new(huge, 3));
    assert_null(mem_resize(NULL, huge, 3));
    AUTO(mem_free) void *none = mem_new(0, 8);
    assert_non_null(none);
}

static void resize_keeps_the_old(void **state)
{
    (void)state;
    AUTO(mem_free) char *p = mem_strdup("abcdefgh");
    char *bigger = mem_resize(p, 1000, 4);
    assert_non_null(bigger);
    p = bigger;
    assert_string_equal(p, "abcdefgh");
    volatile size_t huge = SIZE_MAX / 4;
    assert_null(mem_resize(p, huge, 8));
    mem_fail_after(1, false);
    assert_null(mem_resize(p, 2000, 4));
    assert_string_equal(p, "abcdefgh");
}

static void copies_are_strings(void **state)
{
    (void)state;
    AUTO(mem_free) char *dup = mem_dup("ab\0cdXXX", 5);
    assert_memory_equal(dup, "ab\0cd", 6);
    AUTO(mem_free) char *empty = mem_dup(NULL, 0);
    assert_string_equal(empty, "");
    AUTO(mem_free) char *text = mem_printf("%s-%d", "slot", 42);
    assert_string_equal(text, "slot-42");
    assert_true(strlen(text) == 7);
}

static void nth_fails_once(void **state)
{
    (void)state;
    mem_fail_after(3, false);
    AUTO(mem_free) void *a = mem_new(1, 1);
    AUTO(mem_free) void *b = mem_dup("x", 1);
    AUTO(mem_free) void *c = mem_printf("%d", 3);
    AUTO(mem_free) void *d = mem_strdup("y");
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_non_null(d);
}

static void nth_fails_for_ever(void **state)
{
    (void)state;
    mem_fail_after(2, true);
    AUTO(mem_free) void *a = mem_new(1, 1);
    assert_non_null(a);
    for (int i = 0; i < 5; i++)
        assert_null(mem_new(1, 1));
    mem_fail_after(0, false);
    AUTO(mem_free) void *b = mem_new(1, 1);
    assert_non_null(b);
}

static int faults_off(void **state)
{
    (void)state;
    mem_fail_after(0, false);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(new_is_zeroed_and_checked, faults_off),
        cmocka_unit_test_teardown(resize_keeps_the_old, faults_off),
        cmocka_unit_test_teardown(copies_are_strings, faults_off),
        cmocka_unit_test_teardown(nth_fails_once, faults_off),
        cmocka_unit_test_teardown(nth_fails_for_ever, faults_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
