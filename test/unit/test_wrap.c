#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "call/rv.h"
#include "replica/wrap.h"
#include "router/verdict.h"

static const CK_RV standard[] = {
#define RV(name) CKR_##name,
#include "call/names.def"
};

static const CK_RV never[] = {CKR_KEY_NOT_WRAPPABLE, CKR_KEY_SIZE_RANGE, CKR_KEY_TYPE_INCONSISTENT,
                              CKR_KEY_UNEXTRACTABLE, CKR_MECHANISM_INVALID};

static void exactly_these(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(standard); i++) {
        bool wanted = false;
        for (size_t k = 0; k < ARRAY_LEN(never); k++)
            wanted = wanted || never[k] == standard[i];
        assert_int_equal(wrap_never(standard[i]), wanted);
    }
    for (CK_RV rv = RV_INSIDE; rv <= (RV_INSIDE | 0xff); rv++)
        assert_false(wrap_never(rv));
    assert_false(wrap_never(CKR_VENDOR_DEFINED | 1));
}

/* What another member may do better must never be taken for a property of the key. */
static void no_trouble_of_a_member(void **state)
{
    (void)state;
    const struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    for (size_t i = 0; i < ARRAY_LEN(standard); i++)
        if (verdict_class(standard[i], &facts) != ERROR_APPLICATION)
            assert_false(wrap_never(standard[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_these),
        cmocka_unit_test(no_trouble_of_a_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
