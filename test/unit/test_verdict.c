#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "call/rv.h"
#include "router/verdict.h"

static const CK_RV standard[] = {
#define RV(name) CKR_##name,
#include "call/names.def"
};

/* The design's table once more, by class. All other codes of the standard are the application's. */
#define LAST CK_UNAVAILABLE_INFORMATION
static const struct {
    enum error_class class;
    CK_RV rv[10];
} wanted[] = {
    {ERROR_NONE, {CKR_OK, LAST}},
    {ERROR_TRANSPORT,
     {CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
      CKR_SLOT_ID_INVALID, CKR_CRYPTOKI_NOT_INITIALIZED, LAST}},
    {ERROR_SESSION_LOST, {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, LAST}},
    {ERROR_STALE_HANDLE,
     {CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_UNWRAPPING_KEY_HANDLE_INVALID,
      CKR_WRAPPING_KEY_HANDLE_INVALID, LAST}},
    {ERROR_FULL, {CKR_DEVICE_MEMORY, CKR_SESSION_COUNT, CKR_HOST_MEMORY, CKR_FUNCTION_REJECTED, LAST}},
    {ERROR_AMBIGUOUS,
     {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_FUNCTION_CANCELED, CKR_VENDOR_DEFINED, LAST}},
    {ERROR_UNABLE, {CKR_FUNCTION_NOT_SUPPORTED, LAST}},
};

static enum error_class class_wanted(CK_RV rv)
{
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        for (size_t k = 0; wanted[i].rv[k] != LAST; k++)
            if (wanted[i].rv[k] == rv)
                return wanted[i].class;
    return ERROR_APPLICATION;
}

static void every_code_of_the_standard(void **state)
{
    (void)state;
    const struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    unsigned seen = 0;
    assert_true(ARRAY_LEN(standard) > 95);
    for (size_t i = 0; i < ARRAY_LEN(standard); i++) {
        enum error_class class = verdict_class(standard[i], &facts);
        if (class != class_wanted(standard[i]))
            fail_msg("0x%lx is %s, not %s", standard[i], error_class_name(class),
                     error_class_name(class_wanted(standard[i])));
        seen |= 1u << class;
    }
    assert_int_equal(seen, (1u << (ERROR_APPLICATION + 1)) - 1);
}

/* softokn answers so to a wrong MAC: such a request must take nobody out. */
static void device_error_over_data(void **state)
{
    (void)state;
    struct verdict_facts facts = {.logged_in = true, .judged = true};
    assert_int_equal(verdict_class(CKR_DEVICE_ERROR, &facts), ERROR_AMBIGUOUS);
    assert_int_equal(verdict_class(CKR_DEVICE_REMOVED, &facts), ERROR_TRANSPORT);
    assert_int_equal(verdict_class(CKR_OK, &facts), ERROR_NONE);
    facts.judged = false;
    assert_int_equal(verdict_class(CKR_DEVICE_ERROR, &facts), ERROR_TRANSPORT);
}

static void codes_without_a_name(void **state)
{
    (void)state;
    const struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    const CK_RV vendors[] = {0x80000001UL,           0x80000123UL, 0xCE534350UL, RV_INSIDE - 1,
                             (RV_INSIDE | 0xff) + 1, 0xFFFFFFFFUL, ~(CK_RV)0};
    for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
        assert_int_equal(verdict_class(vendors[i], &facts), ERROR_AMBIGUOUS);
    /* Of a later standard: nobody's fault that we know of. */
    assert_int_equal(verdict_class(0x00007777UL, &facts), ERROR_APPLICATION);
}

static void our_own_codes(void **state)
{
    (void)state;
    const struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    assert_int_equal(verdict_class(RV_DEADLINE, &facts), ERROR_TRANSPORT);
    assert_int_equal(verdict_class(RV_STUCK, &facts), ERROR_TRANSPORT);
    assert_int_equal(verdict_class(RV_PIN_REFUSED, &facts), ERROR_UNABLE);
    assert_int_equal(verdict_class(RV_NOT_HERE, &facts), ERROR_UNABLE);
    assert_int_equal(verdict_class(RV_NO_MECHANISM, &facts), ERROR_UNABLE);
    assert_int_equal(verdict_class(RV_MISFIT, &facts), ERROR_UNABLE);
    assert_int_equal(verdict_class(RV_GONE, &facts), ERROR_APPLICATION);
}

static void facts_decide(void **state)
{
    (void)state;
    struct verdict_facts facts = {.logged_in = false, .needs_handles = false};
    assert_int_equal(verdict_class(CKR_USER_NOT_LOGGED_IN, &facts), ERROR_APPLICATION);
    facts.logged_in = true;
    assert_int_equal(verdict_class(CKR_USER_NOT_LOGGED_IN, &facts), ERROR_SESSION_LOST);
    /* A handle that we did not map is the application's: part of a mechanism's parameter, say. */
    assert_int_equal(verdict_class(CKR_KEY_HANDLE_INVALID, &facts), ERROR_APPLICATION);
    assert_int_equal(verdict_class(CKR_OBJECT_HANDLE_INVALID, &facts), ERROR_APPLICATION);
    assert_int_equal(verdict_class(CKR_DEVICE_ERROR, &facts), ERROR_TRANSPORT);
}

static void what_follows(void **state)
{
    (void)state;
    struct verdict_facts facts = {.logged_in = true};
    assert_int_equal(verdict_of(ERROR_NONE, &facts), VERDICT_ANSWER);
    assert_int_equal(verdict_of(ERROR_APPLICATION, &facts), VERDICT_ANSWER);
    assert_int_equal(verdict_of(ERROR_TRANSPORT, &facts), VERDICT_NEXT);
    assert_int_equal(verdict_of(ERROR_FULL, &facts), VERDICT_NEXT);
    assert_int_equal(verdict_of(ERROR_AMBIGUOUS, &facts), VERDICT_NEXT);
    assert_int_equal(verdict_of(ERROR_UNABLE, &facts), VERDICT_NEXT);
    /* The same member once more, and only once; the two do not count for each other. */
    assert_int_equal(verdict_of(ERROR_SESSION_LOST, &facts), VERDICT_RENEW_SESSION);
    facts.fresh_session = true;
    assert_int_equal(verdict_of(ERROR_SESSION_LOST, &facts), VERDICT_NEXT);
    assert_int_equal(verdict_of(ERROR_STALE_HANDLE, &facts), VERDICT_RENEW_HANDLE);
    facts.fresh_handle = true;
    assert_int_equal(verdict_of(ERROR_STALE_HANDLE, &facts), VERDICT_NEXT);
    facts.fresh_session = false;
    assert_int_equal(verdict_of(ERROR_SESSION_LOST, &facts), VERDICT_RENEW_SESSION);
}

#define SET(class) (1u << ERROR_##class)

static void when_nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(verdict_final(0, true, CKR_OK), CKR_TOKEN_NOT_PRESENT);
    /* All have answered alike: the request's fault. */
    assert_int_equal(verdict_final(SET(AMBIGUOUS), true, CKR_GENERAL_ERROR), CKR_GENERAL_ERROR);
    assert_int_equal(verdict_final(SET(AMBIGUOUS), true, 0x80000042UL), 0x80000042UL);
    assert_int_equal(verdict_final(SET(AMBIGUOUS), false, CKR_GENERAL_ERROR), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(AMBIGUOUS) | SET(TRANSPORT), false, CKR_GENERAL_ERROR),
                     CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(AMBIGUOUS) | SET(FULL), false, CKR_GENERAL_ERROR), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(TRANSPORT), true, RV_DEADLINE), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(TRANSPORT), true, CKR_TOKEN_NOT_PRESENT), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(SESSION_LOST), true, CKR_SESSION_CLOSED), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(STALE_HANDLE), true, CKR_KEY_HANDLE_INVALID), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(FULL), true, CKR_SESSION_COUNT), CKR_DEVICE_MEMORY);
    assert_int_equal(verdict_final(SET(FULL) | SET(UNABLE), false, CKR_SESSION_COUNT), CKR_DEVICE_MEMORY);
    assert_int_equal(verdict_final(SET(FULL) | SET(TRANSPORT), false, CKR_SESSION_COUNT), CKR_DEVICE_ERROR);
    assert_int_equal(verdict_final(SET(UNABLE), true, RV_NO_MECHANISM), CKR_MECHANISM_INVALID);
    assert_int_equal(verdict_final(SET(UNABLE), true, RV_NOT_HERE), CKR_DEVICE_ERROR);
}

/* Whatever was answered, no code of ours leaves the house. */
static void nothing_inside_goes_out(void **state)
{
    (void)state;
    for (unsigned classes = 0; classes < 1u << ERROR_APPLICATION; classes++)
        for (int alike = 0; alike < 2; alike++)
            for (CK_RV rv = RV_INSIDE; rv <= (RV_INSIDE | 8); rv++) {
                if (classes == SET(AMBIGUOUS) && alike)
                    continue;
                assert_true(verdict_final(classes, alike, rv) < CKR_VENDOR_DEFINED);
                assert_true(verdict_final(classes, alike, rv) != CKR_OK);
            }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(error_class_name(ERROR_NONE), "none");
    assert_string_equal(error_class_name(ERROR_APPLICATION), "application");
    for (unsigned i = 0; i <= ERROR_APPLICATION; i++)
        assert_true(strlen(error_class_name(i)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_of_the_standard),
        cmocka_unit_test(device_error_over_data),
        cmocka_unit_test(codes_without_a_name),
        cmocka_unit_test(our_own_codes),
        cmocka_unit_test(facts_decide),
        cmocka_unit_test(what_follows),
        cmocka_unit_test(when_nothing_is_left),
        cmocka_unit_test(nothing_inside_goes_out),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
