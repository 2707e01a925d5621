#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

static struct lock session = LOCK_INIT(LOCK_SESSION);
static struct lock session_2 = LOCK_INIT(LOCK_SESSION);
static struct lock member = LOCK_INIT(LOCK_MEMBER);
static struct cond cond;

static void right_order(void)
{
    lock_take(&session);
    lock_take(&member);
    lock_drop(&session);
    lock_drop(&member);
    lock_take(&member);
    lock_drop(&member);
    lock_assert_none();
}

#ifndef NDEBUG
static void wrong_order(void)
{
    lock_take(&member);
    lock_take(&session);
}

static void same_level(void)
{
    lock_take(&session);
    lock_take(&session_2);
}

static void not_held(void)
{
    lock_drop(&session);
}

static void none_expected(void)
{
    lock_take(&session);
    lock_assert_none();
}

static void wait_not_innermost(void)
{
    lock_take(&session);
    lock_take(&member);
    cond_wait(&cond, &session, clock_now());
}

/* The signal that body ends by in a child; 0: none. */
static int fate(void (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        body();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void order_is_enforced(void **state)
{
    (void)state;
    assert_int_equal(fate(right_order), 0);
    assert_int_equal(fate(wrong_order), SIGABRT);
    assert_int_equal(fate(same_level), SIGABRT);
    assert_int_equal(fate(not_held), SIGABRT);
    assert_int_equal(fate(none_expected), SIGABRT);
    assert_int_equal(fate(wait_not_innermost), SIGABRT);
}
#endif

static int shared;
static bool ready;

static void count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        lock_take(&session);
        shared++;
        lock_drop(&session);
    }
}

static void lock_excludes(void **state)
{
    (void)state;
    right_order();
    struct thread *a = thread_start("a", -1, count_up, NULL), *b = thread_start("b", -1, count_up, NULL);
    assert_non_null(a);
    assert_non_null(b);
    thread_join(a);
    thread_join(b);
    assert_int_equal(shared, 40000);
}

static void make_ready(void *arg)
{
    (void)arg;
    lock_take(&session);
    ready = true;
    cond_wake_all(&cond);
    lock_drop(&session);
}

static void cond_wakes(void **state)
{
    (void)state;
    ready = false;
    lock_take(&session);
    struct thread *t = thread_start("ready", -1, make_ready, NULL);
    bool in_time = true;
    while (!ready && in_time)
        in_time = cond_wait(&cond, &session, clock_after(10 * NS_PER_S));
    while (!ready)
        cond_wait(&cond, &session, CLOCK_NEVER);
    lock_drop(&session);
    thread_join(t);
    assert_true(in_time);
    assert_true(ready);
}

static void cond_deadline(void **state)
{
    (void)state;
    uint64_t start = clock_now();
    lock_take(&session);
    while (cond_wait(&cond, &session, start + 30 * NS_PER_MS))
        ;
    assert_false(cond_wait(&cond, &session, start));
    lock_drop(&session);
    assert_true(clock_now() - start >= 30 * NS_PER_MS);
    assert_true(clock_now() - start < 10 * NS_PER_S);
}

static void advance(void *arg)
{
    (void)arg;
    usleep(10000);
    clock_test_advance(NS_PER_S);
}

static void cond_under_test_clock(void **state)
{
    (void)state;
    clock_test_set(1000 * NS_PER_S);
    uint64_t deadline = clock_after(NS_PER_S);
    struct thread *t = thread_start("advance", -1, advance, NULL);
    lock_take(&session);
    while (cond_wait(&cond, &session, deadline))
        assert_true(clock_now() <= deadline);
    lock_drop(&session);
    assert_int_equal(clock_now(), deadline);
    thread_join(t);
    clock_test_set(0);
}

static int set_up(void **state)
{
    (void)state;
    cond_init(&cond);
    lock_init(&session_2, LOCK_SESSION);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cond_end(&cond);
    lock_end(&session_2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef NDEBUG
        cmocka_unit_test(order_is_enforced),
#endif
        cmocka_unit_test(lock_excludes),     cmocka_unit_test(cond_wakes),
        cmocka_unit_test(cond_deadline),     cmocka_unit_test(cond_under_test_clock),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
