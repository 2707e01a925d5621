#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

struct seen {
    bool signals_blocked;
    int cpus;
    unsigned cpu;
    char name[16];
    size_t stack;
    _Atomic uint32_t done;
};

static void look(void *arg)
{
    struct seen *seen = arg;
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    seen->signals_blocked =
        sigismember(&set, SIGPIPE) && sigismember(&set, SIGTERM) && sigismember(&set, SIGALRM);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    seen->cpus = CPU_COUNT(&cpus);
    seen->cpu = thread_cpu();
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_attr_t attr;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &seen->stack);
    pthread_attr_destroy(&attr);
    seen->done = 1;
    thread_wake(&seen->done, 1);
}

static void pinned(void **state)
{
    (void)state;
    struct seen seen = {0};
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    int cpu = 0;
    while (!CPU_ISSET((size_t)cpu, &cpus))
        cpu++;
    struct thread *t = thread_start("a-name-longer-than-15", cpu, look, &seen);
    assert_non_null(t);
    thread_join(t);
    assert_true(seen.signals_blocked);
    assert_int_equal(seen.cpus, 1);
    assert_int_equal(seen.cpu, cpu % THREAD_CPUS);
    assert_string_equal(seen.name, "a-name-longer-t");
    assert_true(seen.stack >= 1024 * 1024);
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM));
}

static void start_unpinned(void *arg)
{
    struct thread *t = thread_start("inner", -1, look, arg);
    thread_join(t);
}

static void unpinned(void **state)
{
    (void)state;
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    struct seen seen = {0};
    thread_join(thread_start("outer", -1, look, &seen));
    assert_int_equal(seen.cpus, CPU_COUNT(&cpus));
    seen.cpus = 0;
    thread_join(thread_start("outer", 0, start_unpinned, &seen));
    assert_int_equal(seen.cpus, CPU_COUNT(&cpus));
    /* A CPU that does not exist is no reason to have no thread. */
    seen.done = 0;
    thread_join(thread_start("far", CPU_SETSIZE - 1, look, &seen));
    assert_int_equal(seen.done, 1);
    thread_join(thread_start("farther", 1 << 20, look, &seen));
    thread_join(NULL);
}

static void detached(void **state)
{
    (void)state;
    static struct seen seen[50];
    for (int i = 0; i < 50; i++) {
        struct thread *t = thread_start("detached", -1, look, &seen[i]);
        assert_non_null(t);
        if (i % 2)
            sched_yield();
        thread_detach(t);
    }
    for (int i = 0; i < 50; i++) {
        while (seen[i].done == 0)
            assert_true(thread_wait(&seen[i].done, 0, clock_after(10 * NS_PER_S)));
        assert_true(seen[i].signals_blocked);
    }
}

static void no_memory(void **state)
{
    (void)state;
    struct seen seen = {0};
    mem_fail_after(1, false);
    assert_null(thread_start("x", -1, look, &seen));
    assert_int_equal(seen.done, 0);
}

static void cpus(void **state)
{
    (void)state;
    assert_in_range(thread_cpu_count(), 1, THREAD_CPUS);
    assert_in_range(thread_cpu(), 0, thread_cpu_count() - 1);
}

static void wait_has_a_deadline(void **state)
{
    (void)state;
    _Atomic uint32_t word = 5;
    assert_true(thread_wait(&word, 4, CLOCK_NEVER));
    uint64_t start = clock_now();
    while (thread_wait(&word, 5, start + 30 * NS_PER_MS))
        assert_true(clock_now() - start < 10 * NS_PER_S);
    assert_true(clock_now() - start >= 30 * NS_PER_MS);
    assert_false(thread_wait(&word, 5, 0));
}

/* One at a time, from 3 to 0. */
static void count_down(void *arg)
{
    _Atomic uint32_t *word = arg;
    for (int i = 0; i < 3; i++) {
        usleep(5000);
        atomic_fetch_sub(word, 1);
        thread_wake(word, 1);
    }
}

static void waits_until_zero(void **state)
{
    (void)state;
    _Atomic uint32_t word = 0;
    assert_true(thread_wait_zero(&word, 0));
    word = 3;
    assert_false(thread_wait_zero(&word, clock_after(NS_PER_MS)));
    struct thread *t = thread_start("count", -1, count_down, &word);
    assert_true(thread_wait_zero(&word, CLOCK_NEVER));
    assert_int_equal(word, 0);
    thread_join(t);
}

static void advance(void *arg)
{
    (void)arg;
    usleep(10000);
    clock_test_advance(NS_PER_S);
}

static void wait_under_test_clock(void **state)
{
    (void)state;
    _Atomic uint32_t word = 5;
    clock_test_set(1);
    struct thread *t = thread_start("advance", -1, advance, NULL);
    while (thread_wait(&word, 5, NS_PER_S))
        assert_true(clock_now() < NS_PER_S);
    assert_true(clock_now() == NS_PER_S + 1);
    thread_join(t);
    clock_test_set(0);
}

/* A word that two threads pass to and fro. */
static _Atomic uint32_t ball;
enum { PASSES = 5000 };

static void player(void *arg)
{
    uint32_t mine = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < PASSES; i++) {
        uint32_t now;
        while ((now = atomic_load(&ball)) % 2 != mine)
            thread_wait(&ball, now, CLOCK_NEVER);
        atomic_store(&ball, now + 1);
        thread_wake(&ball, 1);
    }
}

static void no_wake_is_lost(void **state)
{
    (void)state;
    static const uint32_t side[] = {0, 1};
    struct thread *a = thread_start("a", 0, player, (void *)(uintptr_t)&side[0]);
    struct thread *b = thread_start("b", 0, player, (void *)(uintptr_t)&side[1]);
    thread_join(a);
    thread_join(b);
    assert_int_equal(ball, 2 * PASSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinned),
        cmocka_unit_test(unpinned),
        cmocka_unit_test(detached),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(cpus),
        cmocka_unit_test(wait_has_a_deadline),
        cmocka_unit_test(waits_until_zero),
        cmocka_unit_test(wait_under_test_clock),
        cmocka_unit_test(no_wake_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
