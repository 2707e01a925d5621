#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/operation_table.h"

#define NONE CKR_OPERATION_NOT_INITIALIZED
#define BUSY CKR_OPERATION_ACTIVE

/* The whole table, written down a second time: phase, event, answer (CKR_OK: allowed), next phase. */
static const struct {
    enum op_phase phase;
    enum op_event event;
    CK_RV rv;
    enum op_phase next;
} expected[] = {
    {PHASE_IDLE, EVENT_INIT, CKR_OK, PHASE_READY},
    {PHASE_IDLE, EVENT_ONE_SHOT, NONE, PHASE_IDLE},
    {PHASE_IDLE, EVENT_UPDATE, NONE, PHASE_IDLE},
    {PHASE_IDLE, EVENT_FINAL, NONE, PHASE_IDLE},
    {PHASE_IDLE, EVENT_SIZE_QUERY, NONE, PHASE_IDLE},
    {PHASE_IDLE, EVENT_CANCEL, NONE, PHASE_IDLE},
    {PHASE_IDLE, EVENT_FAIL, CKR_OK, PHASE_IDLE},
    {PHASE_READY, EVENT_INIT, BUSY, PHASE_READY},
    {PHASE_READY, EVENT_ONE_SHOT, CKR_OK, PHASE_IDLE},
    {PHASE_READY, EVENT_UPDATE, CKR_OK, PHASE_PARTS},
    {PHASE_READY, EVENT_FINAL, CKR_OK, PHASE_IDLE},
    {PHASE_READY, EVENT_SIZE_QUERY, CKR_OK, PHASE_READY},
    {PHASE_READY, EVENT_CANCEL, CKR_OK, PHASE_IDLE},
    {PHASE_READY, EVENT_FAIL, CKR_OK, PHASE_IDLE},
    {PHASE_PARTS, EVENT_INIT, BUSY, PHASE_PARTS},
    {PHASE_PARTS, EVENT_ONE_SHOT, NONE, PHASE_IDLE},
    {PHASE_PARTS, EVENT_UPDATE, CKR_OK, PHASE_PARTS},
    {PHASE_PARTS, EVENT_FINAL, CKR_OK, PHASE_IDLE},
    {PHASE_PARTS, EVENT_SIZE_QUERY, CKR_OK, PHASE_PARTS},
    {PHASE_PARTS, EVENT_CANCEL, CKR_OK, PHASE_IDLE},
    {PHASE_PARTS, EVENT_FAIL, CKR_OK, PHASE_IDLE},
};

static void test_every_row(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(expected), PHASES * EVENTS);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct op_rule rule = operation_rule(expected[i].phase, expected[i].event);
        assert_int_equal(rule.rv, expected[i].rv);
        assert_int_equal(rule.allowed, expected[i].rv == CKR_OK);
        assert_int_equal(rule.next, expected[i].next);
    }
}

static void test_ending_rule(void **state)
{
    (void)state;
    static const enum op_event events[] = {EVENT_ONE_SHOT, EVENT_UPDATE, EVENT_FINAL};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        assert_int_equal(operation_outcome(events[i], CKR_OK, false), events[i]);
        assert_int_equal(operation_outcome(events[i], CKR_OK, true), EVENT_SIZE_QUERY);
        assert_int_equal(operation_outcome(events[i], CKR_BUFFER_TOO_SMALL, false), EVENT_SIZE_QUERY);
        assert_int_equal(operation_outcome(events[i], CKR_DATA_INVALID, false), EVENT_FAIL);
        assert_int_equal(operation_outcome(events[i], CKR_DEVICE_ERROR, true), EVENT_FAIL);
    }
}

/* Init, a size query, a buffer too small, then the real one. */
static void test_story_of_one_shot(void **state)
{
    (void)state;
    enum op_phase phase = operation_rule(PHASE_IDLE, EVENT_INIT).next;
    phase = operation_rule(phase, operation_outcome(EVENT_ONE_SHOT, CKR_OK, true)).next;
    assert_int_equal(phase, PHASE_READY);
    phase = operation_rule(phase, operation_outcome(EVENT_ONE_SHOT, CKR_BUFFER_TOO_SMALL, false)).next;
    assert_int_equal(phase, PHASE_READY);
    phase = operation_rule(phase, operation_outcome(EVENT_ONE_SHOT, CKR_OK, false)).next;
    assert_int_equal(phase, PHASE_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_ending_rule),
        cmocka_unit_test(test_story_of_one_shot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
