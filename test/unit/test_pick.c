#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/pick.h"

#define MS 1000000.0

static struct candidate member(unsigned tier, double ewma)
{
    return (struct candidate){.usable = true, .tier = tier, .weight = 100, .ewma = ewma};
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed ^ *seed >> 15;
}

/* The same answer whatever the dice say. */
static void assert_always(const struct candidate *candidate, unsigned count, int wanted)
{
    uint32_t seed = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pick_member(candidate, count, next_random(&seed)), wanted);
}

static void nobody(void **state)
{
    (void)state;
    struct candidate candidate[20];
    for (unsigned i = 0; i < 20; i++)
        candidate[i] = (struct candidate){.tier = i % 3, .weight = 1, .ewma = MS};
    assert_always(candidate, 0, PICK_NONE);
    assert_always(candidate, 5, PICK_NONE);
    assert_always(candidate, 20, PICK_NONE);
    candidate[13].usable = true;
    assert_always(candidate, 20, 13);
}

static void best_tier_only(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(2, MS), member(1, MS), member(0, 900 * MS)};
    assert_always(candidate, 3, 2);
    candidate[2].usable = false;
    assert_always(candidate, 3, 1);
    candidate[1].usable = false;
    assert_always(candidate, 3, 0);
    /* A full or probing one of the best tier is still before the next tier. */
    candidate[1].usable = candidate[1].full = true;
    assert_always(candidate, 3, 1);
}

static void fastest_wins(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(0, 3 * MS), member(0, 2 * MS), member(0, 4 * MS)};
    assert_always(candidate, 3, 1);
    candidate[1].outstanding = 1; /* 4 against 3 */
    assert_always(candidate, 3, 0);
    candidate[0].outstanding = 1; /* 6, 4, 4 : either of the two */
    for (uint32_t random = 0; random < 50; random++)
        assert_int_not_equal(pick_member(candidate, 3, random), 0);
}

static void weights_count(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(0, 2 * MS), member(0, 3 * MS)};
    candidate[1].weight = 200;
    assert_always(candidate, 2, 1);
    /* One that comes back slowly is passed over. */
    candidate[1].weight = 20;
    assert_always(candidate, 2, 0);
}

static void full_is_penalised_not_excluded(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(0, 1 * MS), member(0, 15 * MS), member(0, 17 * MS)};
    candidate[0].full = true;
    assert_always(candidate, 3, 1);
    candidate[1].usable = false;
    assert_always(candidate, 3, 0);
    candidate[2].usable = false;
    assert_always(candidate, 3, 0);
}

static void no_history_gets_one_call(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(0, 1 * MS), member(0, 0)};
    assert_always(candidate, 2, 1);
    candidate[1].probing = true;
    candidate[0].outstanding = 1000;
    assert_always(candidate, 2, 0);
    /* Nobody else is there: better than nothing. */
    candidate[0].usable = false;
    assert_always(candidate, 2, 1);
    /* What is full and has no history would be the first choice for ever: nothing of it is ever measured. */
    candidate[0].usable = true;
    candidate[1].probing = false;
    candidate[1].full = true;
    assert_always(candidate, 2, 0);
    /* All probing: the least busy one. */
    candidate[0].ewma = 0;
    candidate[0].probing = candidate[1].probing = true;
    candidate[0].outstanding = 2;
    candidate[1].outstanding = 1;
    assert_always(candidate, 2, 1);
}

static void equals_share(void **state)
{
    (void)state;
    for (unsigned count = 2; count <= 16; count++) {
        struct candidate candidate[16];
        unsigned picked[16] = {0};
        for (unsigned i = 0; i < count; i++)
            candidate[i] = member(0, MS);
        uint32_t seed = count;
        for (unsigned i = 0; i < 1000 * count; i++)
            picked[pick_member(candidate, count, next_random(&seed))]++;
        for (unsigned i = 0; i < count; i++)
            assert_in_range(picked[i], 700, 1300);
    }
}

static void two_of_many(void **state)
{
    (void)state;
    struct candidate candidate[32];
    unsigned picked[32] = {0};
    for (unsigned i = 0; i < 32; i++)
        candidate[i] = member(i % 2, (i + 1) * MS);
    candidate[10].usable = false;
    uint32_t seed = 9;
    for (unsigned i = 0; i < 32000; i++)
        picked[pick_member(candidate, 32, next_random(&seed))]++;
    for (unsigned i = 0; i < 32; i++) {
        if (i % 2 == 1 || i == 10 || i == 30) /* other tier, not usable, slowest of all pairs */
            assert_int_equal(picked[i], 0);
        else
            assert_true(picked[i] > 0);
    }
    /* The better of two: the best of 15 is in 2 of 15 pairs. */
    assert_in_range(picked[0], 32000 * 2 / 15 * 8 / 10, 32000 * 2 / 15 * 12 / 10);
    assert_true(picked[0] > picked[14] && picked[14] > picked[28]);
}

/* Closed loop: callers go where the score is least, so each serves in proportion to its speed. */
static void load_follows_speed(void **state)
{
    (void)state;
    struct candidate candidate[] = {member(0, 1 * MS), member(0, 4 * MS)};
    for (int i = 0; i < 50; i++)
        candidate[pick_member(candidate, 2, (uint32_t)i)].outstanding++;
    assert_in_range(candidate[0].outstanding, 39, 41);
    assert_in_range(candidate[1].outstanding, 9, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody),
        cmocka_unit_test(best_tier_only),
        cmocka_unit_test(fastest_wins),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(full_is_penalised_not_excluded),
        cmocka_unit_test(no_history_gets_one_call),
        cmocka_unit_test(equals_share),
        cmocka_unit_test(two_of_many),
        cmocka_unit_test(load_follows_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
