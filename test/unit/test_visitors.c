#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/visitors.h"

static void counted_in_and_out(void **state)
{
    (void)state;
    static struct visitors visitors;
    assert_false(visitors_any(&visitors));
    unsigned first = visitors_enter(&visitors), second = visitors_enter(&visitors);
    assert_in_range(first, 0, THREAD_CPUS - 1);
    visitors_leave(&visitors, first);
    assert_true(visitors_any(&visitors));
    visitors_leave(&visitors, second);
    assert_false(visitors_any(&visitors));
}

static void each_cpu_has_a_cache_line(void **state)
{
    (void)state;
    static struct visitors visitors;
    assert_int_equal((char *)&visitors.cpu[1] - (char *)&visitors.cpu[0], 64);
}

struct visit {
    struct visitors *visitors;
    unsigned ticket;
};

static void leave_later(void *arg)
{
    struct visit *visit = arg;
    usleep(10000);
    visitors_leave(visit->visitors, visit->ticket);
}

static void the_last_one_is_waited_for(void **state)
{
    (void)state;
    static struct visitors visitors;
    assert_true(visitors_wait(&visitors, NS_PER_MS, 0));
    struct visit visit = {&visitors, visitors_enter(&visitors)};
    uint64_t start = clock_now();
    assert_false(visitors_wait(&visitors, NS_PER_MS, start + 5 * NS_PER_MS));
    assert_true(clock_now() - start >= 5 * NS_PER_MS);
    struct thread *t = thread_start("visit", -1, leave_later, &visit);
    assert_true(visitors_wait(&visitors, NS_PER_MS, CLOCK_NEVER));
    assert_false(visitors_any(&visitors));
    thread_join(t);
}

static void a_child_forgets(void **state)
{
    (void)state;
    static struct visitors visitors;
    (void)visitors_enter(&visitors);
    visitors_forget(&visitors);
    assert_false(visitors_any(&visitors));
}

/* A house that is shut again and again, and torn down meanwhile. */
enum { ROUNDS = 100 };
static struct visitors guests;
static _Atomic uint32_t shut, over;
static _Atomic uint64_t visits, surprises;
static bool stands = true; /* not atomic: TSan tells if somebody looks while it changes */

static void guest(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        unsigned ticket = visitors_enter(&guests);
        if (!atomic_load(&shut)) {
            atomic_fetch_add(&visits, 1);
            if (!stands)
                atomic_fetch_add(&surprises, 1);
        }
        visitors_leave(&guests, ticket);
    }
}

static void nobody_is_inside_a_shut_house(void **state)
{
    (void)state;
    struct thread *t[3];
    for (int i = 0; i < 3; i++)
        assert_non_null(t[i] = thread_start("guest", -1, guest, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before = atomic_load(&visits);
        while (atomic_load(&visits) == before)
            usleep(1);
        atomic_store(&shut, 1);
        assert_true(visitors_wait(&guests, NS_PER_US, clock_after(20 * NS_PER_S)));
        stands = false;
        usleep(10);
        stands = true;
        atomic_store(&shut, 0);
    }
    atomic_store(&over, 1);
    for (int i = 0; i < 3; i++)
        thread_join(t[i]);
    assert_int_equal(surprises, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_in_and_out),
        cmocka_unit_test(each_cpu_has_a_cache_line),
        cmocka_unit_test(the_last_one_is_waited_for),
        cmocka_unit_test(a_child_forgets),
        cmocka_unit_test(nobody_is_inside_a_shut_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
