#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "router/budget.h"

#define SECOND UINT64_C(1000000000)
#define START  (UINT64_C(77) * SECOND)

static unsigned spend_all(struct budget *budget, uint64_t now)
{
    unsigned spent = 0;
    while (budget_spend(budget, now) && spent < 100000)
        spent++;
    return spent;
}

static void reserve(void **state)
{
    (void)state;
    struct budget budget = {0};
    assert_int_equal(spend_all(&budget, START), 200);
    assert_false(budget_spend(&budget, START));
    assert_false(budget_spend(&budget, START + 1));
}

static void ten_a_second(void **state)
{
    (void)state;
    struct budget budget = {0};
    (void)spend_all(&budget, START);
    assert_int_equal(spend_all(&budget, START + SECOND), 10);
    assert_int_equal(spend_all(&budget, START + SECOND * 3 / 2), 5);
    assert_int_equal(spend_all(&budget, START + SECOND * 7 / 2), 20);
    /* Never more than the reserve, however long it was quiet. */
    assert_int_equal(spend_all(&budget, START + 100000 * SECOND), 200);
}

static void often_asked_still_earns(void **state)
{
    (void)state;
    struct budget budget = {0};
    (void)spend_all(&budget, START);
    unsigned spent = 0;
    for (uint64_t ms = 1; ms <= 2000; ms++)
        spent += budget_spend(&budget, START + ms * 1000000);
    assert_in_range(spent, 19, 20);
}

static void a_fifth_of_the_calls(void **state)
{
    (void)state;
    struct budget budget = {0};
    (void)spend_all(&budget, START);
    unsigned spent = 0;
    /* Not before it is earned. */
    for (unsigned i = 0; i < 4; i++) {
        budget_earn(&budget);
        assert_false(budget_spend(&budget, START));
    }
    budget_earn(&budget);
    assert_true(budget_spend(&budget, START));
    for (unsigned i = 0; i < 1000; i++) {
        budget_earn(&budget);
        spent += budget_spend(&budget, START);
    }
    assert_int_equal(spent, 200);
}

static void good_times_save_nothing(void **state)
{
    (void)state;
    struct budget budget = {0};
    for (unsigned i = 0; i < 100000; i++)
        budget_earn(&budget);
    assert_int_equal(spend_all(&budget, START), 200);
}

static void clock_may_stand_or_go_back(void **state)
{
    (void)state;
    struct budget budget = {0};
    (void)spend_all(&budget, START);
    assert_false(budget_spend(&budget, START - SECOND));
    assert_false(budget_spend(&budget, 1));
    assert_int_equal(spend_all(&budget, START + SECOND), 10);
}

static struct budget shared;
static _Atomic unsigned spent_by_all;

static void spender(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 5000; i++) {
        budget_earn(&shared);
        if (budget_spend(&shared, START))
            atomic_fetch_add(&spent_by_all, 1);
    }
}

static void several_threads(void **state)
{
    (void)state;
    struct thread *thread[4];
    for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
        thread[i] = thread_start("spender", -1, spender, NULL);
        assert_non_null(thread[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        thread_join(thread[i]);
    /* 20,000 calls: 4,000 and the reserve; some earnings of the beginning, when nothing was spent, are lost.
     */
    assert_in_range(spent_by_all, 3900, 4200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserve),
        cmocka_unit_test(ten_a_second),
        cmocka_unit_test(often_asked_still_earns),
        cmocka_unit_test(a_fifth_of_the_calls),
        cmocka_unit_test(good_times_save_nothing),
        cmocka_unit_test(clock_may_stand_or_go_back),
        cmocka_unit_test(several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
