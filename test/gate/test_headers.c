/* Our pkcs11.h against p11-kit's and NSS's: every constant, structure size and field that they share with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "headers.h"
#include "pkcs11-headers/pkcs11.h"

static const struct header_fact ours_as_p11kit[] = {
#include "headers_p11kit.def"
};

static const struct header_fact ours_as_nss[] = {
#include "headers_nss.def"
};

static void compare(const struct header_fact *ours, size_t our_count, const struct header_fact *theirs,
                    size_t count)
{
    size_t wrong = 0;

    assert_int_equal(our_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(ours[i].what, theirs[i].what);
        if (ours[i].value == theirs[i].value && ours[i].size == theirs[i].size)
            continue;
        print_error("%s: ours %#lx (%lu bytes), theirs %#lx (%lu bytes)\n", ours[i].what, ours[i].value,
                    ours[i].size, theirs[i].value, theirs[i].size);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void same_as_p11kit(void **state)
{
    (void)state;
    assert_true(p11kit_count > 688);
    compare(ours_as_p11kit, sizeof(ours_as_p11kit) / sizeof(ours_as_p11kit[0]), p11kit_facts, p11kit_count);
}

static void same_as_nss(void **state)
{
    (void)state;
    assert_true(nss_count > 882);
    compare(ours_as_nss, sizeof(ours_as_nss) / sizeof(ours_as_nss[0]), nss_facts, nss_count);
}

/* The five that p11-kit has wrong, by the standard. */
static void five_return_values(void **state)
{
    (void)state;
    assert_int_equal(CKR_EXCEEDED_MAX_ITERATIONS, 0x1b5);
    assert_int_equal(CKR_FIPS_SELF_TEST_FAILED, 0x1b6);
    assert_int_equal(CKR_LIBRARY_LOAD_FAILED, 0x1b7);
    assert_int_equal(CKR_PIN_TOO_WEAK, 0x1b8);
    assert_int_equal(CKR_PUBLIC_KEY_INVALID, 0x1b9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_p11kit),
        cmocka_unit_test(same_as_nss),
        cmocka_unit_test(five_return_values),
    };
    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
