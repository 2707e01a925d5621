#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "call/frame.h"

/* In an attribute set a nested template is folded up, whatever its length; on the way to a member it is
 * unfolded. */
static void folded_templates(void **state)
{
    (void)state;
    for (size_t len = 0; len < 64; len++) {
        char label[64] = {0};
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE inside[] = {{CKA_LABEL, label, len}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_ATTRIBUTE outside = {CKA_WRAP_TEMPLATE, inside, sizeof(inside)};
        struct attrs attrs = {0};
        memset(label, 'a', len);
        assert_int_equal(attrs_merge(&attrs, &outside, 1), CKR_OK);
        struct frame *frame = frame_new(VERB_CREATE, frame_room_attrs(&attrs), 0);
        assert_non_null(frame);
        frame_set_attrs(frame, 0, &attrs);
        attrs_free(&attrs);
        struct frame *clone = frame_clone(frame, 0);
        frame_unref(frame);
        assert_int_equal(clone->templ_count[0], 1);
        assert_int_equal(clone->templ[0][0].type, CKA_WRAP_TEMPLATE);
        assert_int_equal(clone->templ[0][0].ulValueLen, sizeof(inside));
        const CK_ATTRIBUTE *unfolded = clone->templ[0][0].pValue;
        for (int i = 0; i < 2; i++) {
            const CK_ATTRIBUTE *wanted = unfolded[i].type == CKA_LABEL ? &inside[0] : &inside[1];
            assert_int_equal(unfolded[i].type, wanted->type);
            assert_int_equal(unfolded[i].ulValueLen, wanted->ulValueLen);
            assert_memory_equal(unfolded[i].pValue, wanted->pValue, wanted->ulValueLen);
        }
        frame_unref(clone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
