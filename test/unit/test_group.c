#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "router/group.h"

/* Two members that are not connected to anything. */
static struct member first, second;
static struct group group = {.count = 2, .member = {&first, &second}};

/* The member's list, of that one mechanism. */
static void list(struct member *member, CK_MECHANISM_TYPE type, CK_FLAGS flags)
{
    struct member_mechanisms *known = mem_new(1, sizeof(*known) + sizeof(known->item[0]));
    assert_non_null(known);
    known->count = 1;
    known->item[0] = (struct frame_mechanism){.type = type, .info = {.flags = flags}};
    mem_free(atomic_exchange(&member->mechanisms, known));
}

static int forget(void **state)
{
    (void)state;
    mem_free(atomic_exchange(&first.mechanisms, NULL));
    mem_free(atomic_exchange(&second.mechanisms, NULL));
    return 0;
}

static void unknown_may_be_offered(void **state)
{
    (void)state;
    assert_true(group_offers(&group, CKM_SHA256, 0));
    assert_true(group_offers(&group, CKM_AES_GCM, CKF_MESSAGE_ENCRYPT));
}

static void one_list_is_enough(void **state)
{
    (void)state;
    list(&second, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT);
    assert_true(group_offers(&group, CKM_AES_GCM, 0));
    assert_false(group_offers(&group, CKM_SHA256, 0));
    list(&first, CKM_SHA256, CKF_DIGEST);
    assert_true(group_offers(&group, CKM_AES_GCM, 0));
    assert_true(group_offers(&group, CKM_SHA256, 0));
    assert_false(group_offers(&group, CKM_SHA512, 0));
}

static void one_member_has_all_the_flags(void **state)
{
    (void)state;
    list(&first, CKM_AES_GCM, CKF_ENCRYPT);
    list(&second, CKM_AES_GCM, CKF_DECRYPT);
    assert_true(group_offers(&group, CKM_AES_GCM, CKF_ENCRYPT));
    assert_true(group_offers(&group, CKM_AES_GCM, CKF_DECRYPT));
    assert_false(group_offers(&group, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT));
    list(&second, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT);
    assert_true(group_offers(&group, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(unknown_may_be_offered, forget),
        cmocka_unit_test_teardown(one_list_is_enough, forget),
        cmocka_unit_test_teardown(one_member_has_all_the_flags, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
