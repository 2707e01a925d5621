#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "member/health.h"

#define NOW    (UINT64_C(1000) * 1000000000)
#define SECOND UINT64_C(1000000000)
#define EVENTS (HEALTH_RESUME + 1)

static void same(const struct health *a, const struct health *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->cause, b->cause);
    assert_int_equal(a->since, b->since);
    assert_int_equal(a->next_probe, b->next_probe);
    assert_int_equal(a->backoff, b->backoff);
    assert_int_equal(a->failed_at, b->failed_at);
    assert_int_equal(a->slow_from, b->slow_from);
    assert_int_equal(a->good, b->good);
    assert_int_equal(a->blames, b->blames);
}

static struct health in_state(enum health_state state)
{
    struct health health = health_new(NOW - 100 * SECOND);
    health.state = state;
    health.good = 0;
    health.cause = CKR_DEVICE_REMOVED;
    health.since = NOW - 50 * SECOND;
    health.next_probe = NOW + 5 * SECOND;
    return health;
}

/* Where each event leads from each state, when it comes once. */
#define U HEALTH_UP
#define S HEALTH_SUSPECT
#define D HEALTH_DOWN
#define C HEALTH_CATCHING_UP
#define X HEALTH_DRAINED
#define P HEALTH_PIN_MISMATCH
#define M HEALTH_MISFIT
static const enum health_state next_state[EVENTS][HEALTH_STATES] = {
    /*                       up suspect down catching drained pin misfit */
    [HEALTH_TRANSPORT] = {D, D, D, D, X, D, D}, [HEALTH_BLAMED] = {S, S, D, C, X, P, M},
    [HEALTH_WORKED] = {U, S, D, C, X, P, M},    [HEALTH_PROBE_GOOD] = {U, U, D, C, X, P, M},
    [HEALTH_PROBE_BAD] = {D, D, D, D, X, D, D}, [HEALTH_CAUGHT_UP] = {U, S, D, U, X, P, M},
    [HEALTH_SIGN_ON] = {C, C, D, C, X, P, M},   [HEALTH_PIN_REFUSED] = {P, P, P, P, X, P, P},
    [HEALTH_NEW_PIN] = {U, S, D, C, X, C, M},   [HEALTH_UNFIT] = {M, M, M, M, X, M, M},
    [HEALTH_DRAIN] = {X, X, X, X, X, X, X},     [HEALTH_RESUME] = {U, S, D, C, D, P, M},
};

static void every_transition(void **state)
{
    (void)state;
    for (unsigned event = 0; event < EVENTS; event++)
        for (unsigned from = 0; from < HEALTH_STATES; from++) {
            struct health before = in_state(from);
            struct health after = health_step(before, event, CKR_DEVICE_ERROR, NOW, 0);
            if (after.state != next_state[event][from])
                fail_msg("event %u: %s -> %s, not %s", event, health_name(from), health_name(after.state),
                         health_name(next_state[event][from]));
            /* `since` is when the state began, and no state begins twice. */
            assert_int_equal(after.since, after.state == from ? before.since : NOW);
        }
}

static void nothing_moves_what_is_left_alone(void **state)
{
    (void)state;
    for (unsigned event = 0; event < EVENTS; event++)
        for (unsigned from = 0; from < HEALTH_STATES; from++) {
            bool counts = event == HEALTH_WORKED || event == HEALTH_PROBE_GOOD || event == HEALTH_PROBE_BAD ||
                          event == HEALTH_UNFIT || event == HEALTH_DRAIN || event == HEALTH_BLAMED ||
                          event == HEALTH_PIN_REFUSED;
            struct health before = in_state(from);
            struct health after = health_step(before, event, CKR_DEVICE_ERROR, NOW, 7);
            if (next_state[event][from] != from || (counts && from != HEALTH_DRAINED) ||
                (event == HEALTH_SIGN_ON && from == HEALTH_CATCHING_UP))
                continue;
            same(&before, &after);
        }
}

static void cause_is_remembered(void **state)
{
    (void)state;
    struct health health = health_step(in_state(HEALTH_UP), HEALTH_TRANSPORT, CKR_DEVICE_MEMORY, NOW, 0);
    assert_int_equal(health.cause, CKR_DEVICE_MEMORY);
    assert_int_equal(health.failed_at, NOW);
    /* A later failure of a call that was under way does not put a new cause or a longer back-off on it. */
    struct health again = health_step(health, HEALTH_TRANSPORT, CKR_GENERAL_ERROR, NOW + SECOND, 0);
    same(&again, &health);
    health = health_step(in_state(HEALTH_SUSPECT), HEALTH_PROBE_GOOD, CKR_OK, NOW, 0);
    assert_int_equal(health.cause, CKR_OK);
}

static void starts_with_one_probe(void **state)
{
    (void)state;
    struct health health = health_new(NOW);
    assert_int_equal(health.state, HEALTH_DOWN);
    assert_int_equal(health.next_probe, NOW);
    health = health_step(health, HEALTH_PROBE_GOOD, CKR_OK, NOW, 0);
    assert_int_equal(health.state, HEALTH_CATCHING_UP);
    assert_int_equal(health.next_probe, NOW);
    health = health_step(health, HEALTH_CAUGHT_UP, CKR_OK, NOW, 0);
    assert_int_equal(health.state, HEALTH_UP);
    /* It has never failed: no slow start. */
    assert_int_equal(health.slow_from, 0);
    assert_int_equal(health.next_probe, NOW + HEALTH_IDLE_PROBE);
}

static void rises_by_two_probes(void **state)
{
    (void)state;
    for (int misfit = 0; misfit < 2; misfit++) {
        struct health health = in_state(misfit ? HEALTH_MISFIT : HEALTH_DOWN);
        health.failed_at = NOW;
        health = health_step(health, HEALTH_PROBE_GOOD, CKR_OK, NOW, 0);
        assert_int_equal(health.state, misfit ? HEALTH_MISFIT : HEALTH_DOWN);
        assert_int_equal(health.next_probe, NOW + HEALTH_RISE_PROBE);
        /* A bad one in between begins anew. */
        struct health bad = health_step(health, HEALTH_PROBE_BAD, CKR_DEVICE_ERROR, NOW, 0);
        assert_int_equal(bad.good, 0);
        health = health_step(health, HEALTH_PROBE_GOOD, CKR_OK, NOW, 0);
        assert_int_equal(health.state, HEALTH_CATCHING_UP);
        health = health_step(health, HEALTH_CAUGHT_UP, CKR_OK, NOW + 1, 0);
        assert_int_equal(health.slow_from, NOW + 1);
        assert_int_equal(health.backoff, HEALTH_BACKOFF_MIN);
    }
}

static void three_blames(void **state)
{
    (void)state;
    struct health health = in_state(HEALTH_UP);
    for (int i = 0; i < HEALTH_BLAMES_MAX - 1; i++) {
        health = health_step(health, HEALTH_BLAMED, CKR_GENERAL_ERROR, NOW, 0);
        assert_int_equal(health.state, HEALTH_SUSPECT);
        assert_int_equal(health.next_probe, NOW);
        /* A good probe between them shows that it is alive, not that it is innocent. */
        health = health_step(health, HEALTH_PROBE_GOOD, CKR_OK, NOW, 0);
        assert_int_equal(health.state, HEALTH_UP);
        assert_int_equal(health.blames, i + 1);
    }
    struct health down = health_step(health, HEALTH_BLAMED, CKR_GENERAL_ERROR, NOW, 0);
    assert_int_equal(down.state, HEALTH_DOWN);
    assert_int_equal(down.cause, CKR_GENERAL_ERROR);
    assert_int_equal(down.blames, 0);
    /* In a row: a success in between makes the count begin anew. */
    health = health_step(health, HEALTH_WORKED, CKR_OK, NOW, 0);
    health = health_step(health, HEALTH_BLAMED, CKR_GENERAL_ERROR, NOW, 0);
    assert_int_equal(health.state, HEALTH_SUSPECT);
    assert_int_equal(health.blames, 1);
}

static void back_off_doubles_with_jitter(void **state)
{
    (void)state;
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t random = 0; random < 4096; random++) {
        struct health health = in_state(HEALTH_UP);
        health.backoff = HEALTH_BACKOFF_MAX; /* of an earlier failure: does not count after it was up */
        uint64_t wanted = HEALTH_BACKOFF_MIN;
        health = health_step(health, HEALTH_TRANSPORT, CKR_DEVICE_ERROR, NOW, random);
        for (int i = 0; i < 10; i++) {
            uint64_t wait = health.next_probe - NOW;
            assert_in_range(wait, wanted * 3 / 4, wanted);
            if (i == 0) {
                least = wait < least ? wait : least;
                most = wait > most ? wait : most;
            }
            wanted = wanted * 2 > HEALTH_BACKOFF_MAX ? HEALTH_BACKOFF_MAX : wanted * 2;
            health = health_step(health, HEALTH_PROBE_BAD, CKR_DEVICE_ERROR, NOW, random * 2654435761u);
        }
        assert_int_equal(health.backoff, HEALTH_BACKOFF_MAX);
    }
    /* It does vary, over the whole quarter. */
    assert_int_equal(most, HEALTH_BACKOFF_MIN);
    assert_true(least < HEALTH_BACKOFF_MIN * 77 / 100);
}

static void misfit_is_looked_at_again(void **state)
{
    (void)state;
    struct health health = health_step(in_state(HEALTH_CATCHING_UP), HEALTH_UNFIT, CKR_OK, NOW, 0);
    assert_int_equal(health.next_probe, NOW + HEALTH_BACKOFF_MIN);
    assert_int_equal(health.failed_at, NOW);
    health = health_step(health, HEALTH_UNFIT, CKR_OK, NOW, 0);
    assert_int_equal(health.next_probe, NOW + 2 * HEALTH_BACKOFF_MIN);
}

static void some_wait_for_people(void **state)
{
    (void)state;
    struct health health = health_step(in_state(HEALTH_UP), HEALTH_DRAIN, CKR_OK, NOW, 0);
    assert_int_equal(health.next_probe, UINT64_MAX);
    health = health_step(health, HEALTH_RESUME, CKR_OK, NOW, 0);
    assert_int_equal(health.next_probe, NOW);
    assert_int_equal(health_step(health, HEALTH_PROBE_GOOD, CKR_OK, NOW, 0).state, HEALTH_CATCHING_UP);
    health = health_step(in_state(HEALTH_UP), HEALTH_PIN_REFUSED, CKR_PIN_INCORRECT, NOW, 0);
    assert_int_equal(health.next_probe, UINT64_MAX);
    assert_int_equal(health.cause, CKR_PIN_INCORRECT);
    assert_int_equal(health_step(health, HEALTH_NEW_PIN, CKR_OK, NOW, 0).next_probe, NOW);
}

static void two_are_usable_three_alive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HEALTH_STATES; i++) {
        assert_int_equal(health_usable(i), i == HEALTH_UP || i == HEALTH_SUSPECT);
        assert_int_equal(health_alive(i), health_usable(i) || i == HEALTH_CATCHING_UP);
        assert_non_null(health_name(i));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(health_name(i), health_name(k));
    }
    assert_string_equal(health_name(HEALTH_PIN_MISMATCH), "pin-mismatch");
}

static void unknown_events_do_nothing(void **state)
{
    (void)state;
    struct health before = in_state(HEALTH_UP);
    struct health after = health_step(before, (enum health_event)EVENTS, CKR_OK, NOW, 0);
    same(&before, &after);
}

static void ramp(void **state)
{
    (void)state;
    assert_true(health_ramp(0, NOW) == 1.0);
    assert_true(health_ramp(NOW, NOW) == 0.1);
    assert_true(health_ramp(NOW + SECOND, NOW) == 0.1);
    assert_true(health_ramp(NOW, NOW + HEALTH_SLOW_START) == 1.0);
    double last = 0;
    for (uint64_t t = 0; t <= HEALTH_SLOW_START; t += SECOND / 10) {
        double now = health_ramp(NOW, NOW + t);
        assert_true(now >= last && now >= 0.1 && now <= 1.0);
        last = now;
    }
    double half = health_ramp(NOW, NOW + HEALTH_SLOW_START / 2);
    assert_true(half > 0.49 && half < 0.51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition),
        cmocka_unit_test(nothing_moves_what_is_left_alone),
        cmocka_unit_test(cause_is_remembered),
        cmocka_unit_test(starts_with_one_probe),
        cmocka_unit_test(rises_by_two_probes),
        cmocka_unit_test(three_blames),
        cmocka_unit_test(back_off_doubles_with_jitter),
        cmocka_unit_test(misfit_is_looked_at_again),
        cmocka_unit_test(some_wait_for_people),
        cmocka_unit_test(two_are_usable_three_alive),
        cmocka_unit_test(unknown_events_do_nothing),
        cmocka_unit_test(ramp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
