#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "call/calls.h"

static void names_and_places(void **state)
{
    (void)state;
    assert_int_equal(CALL_Initialize, 0);
    assert_int_equal(CALL_Sign, 43);
    assert_int_equal(CALL_UnwrapKeyAuthenticated, 103);
    assert_string_equal(call_name(CALL_Sign), "C_Sign");
    assert_string_equal(call_name(CALL_UnwrapKeyAuthenticated), "C_UnwrapKeyAuthenticated");
    assert_string_equal(call_name(CALL_COUNT), "C_?");
    assert_string_equal(call_name((enum call_id) - 1), "C_?");
    for (int i = 0; i < CALL_COUNT; i++) {
        assert_memory_equal(call_name((enum call_id)i), "C_", 2);
        assert_string_equal(call_name((enum call_id)i), call_info((enum call_id)i)->name);
    }
}

static void versions_rise(void **state)
{
    (void)state;
    size_t of_2_40 = 0, of_3_0 = 0, of_3_2 = 0;
    for (int i = 0; i < CALL_COUNT; i++) {
        enum call_since since = call_info((enum call_id)i)->since;
        of_2_40 += since == SINCE_2_40;
        of_3_0 += since == SINCE_3_0;
        of_3_2 += since == SINCE_3_2;
        if (i > 0)
            assert_true(since >= call_info((enum call_id)(i - 1))->since);
    }
    assert_int_equal(of_2_40, 68);
    assert_int_equal(of_3_0, 24);
    assert_int_equal(of_3_2, 12);
}

static void what_may_be_repeated(void **state)
{
    (void)state;
    static const struct {
        enum call_id id;
        enum call_repeat repeat;
    } expected[] = {
        {CALL_Sign, REPEAT_FREE},
        {CALL_Decrypt, REPEAT_FREE},
        {CALL_GenerateRandom, REPEAT_FREE},
        {CALL_WrapKey, REPEAT_FREE},
        {CALL_GetAttributeValue, REPEAT_FREE},
        {CALL_FindObjectsInit, REPEAT_FREE},
        {CALL_GenerateKeyPair, REPEAT_PROTOCOL},
        {CALL_DestroyObject, REPEAT_PROTOCOL},
        {CALL_SetAttributeValue, REPEAT_PROTOCOL},
        {CALL_UnwrapKey, REPEAT_PROTOCOL},
        {CALL_Login, REPEAT_NEVER},
        {CALL_LoginUser, REPEAT_NEVER},
        {CALL_SetPIN, REPEAT_NEVER},
        {CALL_InitPIN, REPEAT_NEVER},
        {CALL_InitToken, REPEAT_NEVER},
        {CALL_GetSessionInfo, REPEAT_NONE},
        {CALL_GetTokenInfo, REPEAT_NONE},
        {CALL_OpenSession, REPEAT_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(call_info(expected[i].id)->repeat, expected[i].repeat);
    /* A kind that makes or changes objects is never free by itself. */
    for (int i = 0; i < CALL_COUNT; i++) {
        const struct call_info *info = call_info((enum call_id)i);
        if (info->kind == KIND_LOGIN && i != CALL_Logout)
            assert_int_equal(info->repeat, REPEAT_NEVER);
        if (info->kind == KIND_OBJECT && strncmp(info->name, "C_Get", 5) != 0)
            assert_int_equal(info->repeat, REPEAT_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_places),
        cmocka_unit_test(versions_rise),
        cmocka_unit_test(what_may_be_repeated),
    };
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
