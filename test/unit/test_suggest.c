#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/suggest.h"

#define LONG63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void distance_test(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"slot", "slot", 0},
        {"SLOT", "slot", 0},
        {"call_timeout", "call-timeout", 0},
        {"slto", "slot", 1},
        {"lsot", "slot", 1},
        {"slt", "slot", 1},
        {"sloot", "slot", 1},
        {"slat", "slot", 1},
        {"kitten", "sitting", 3},
        {"ca", "abc", 3},
        {"abcd", "badc", 2},
        {LONG63, LONG63, 0},
        {LONG63, "", 63},
        {LONG63 "h", LONG63, SIZE_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s / %s\n", cases[i].a, cases[i].b);
        assert_int_equal(suggest_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(suggest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static void offer_test(void **state)
{
    static const char *const known[] = {"slot",       "label",        "sync",           "vault",
                                        "min-copies", "call-timeout", "keygen-timeout", "soft-delete",
                                        "role",       "zone"};
    static const struct {
        const char *word, *best;
    } cases[] = {
        {"slto", "slot"},
        {"vualt", "vault"},
        {"min-copy", "min-copies"},
        {"mincopies", "min-copies"},
        {"Soft_Delete", "soft-delete"},
        {"timeout", NULL},
        {"keygen-timout", "keygen-timeout"},
        {"rone", "role"},
        {"", NULL},
        {"x", NULL},
        {"pin", NULL},
        {LONG63 "h", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct suggest suggest = suggest_begin(cases[i].word);

        print_message("%s\n", cases[i].word);
        for (size_t j = 0; j < ARRAY_LEN(known); j++)
            suggest_offer(&suggest, known[j]);
        if (cases[i].best)
            assert_string_equal(suggest.best, cases[i].best);
        else
            assert_null(suggest.best);
    }
}

static void better_wins_test(void **state)
{
    struct suggest suggest = suggest_begin("shared");

    (void)state;
    suggest_offer(&suggest, "sharing");
    assert_null(suggest.best);
    suggest_offer(&suggest, "shares");
    assert_string_equal(suggest.best, "shares");
    assert_int_equal(suggest.distance, 1);
    suggest_offer(&suggest, "sharee");
    assert_string_equal(suggest.best, "shares");
    suggest_offer(&suggest, "shared");
    assert_string_equal(suggest.best, "shared");
    assert_int_equal(suggest.distance, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_test),
        cmocka_unit_test(offer_test),
        cmocka_unit_test(better_wins_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
