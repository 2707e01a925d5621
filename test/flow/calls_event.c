/* C_WaitForSlotEvent: the group's token goes and comes; one member's does not count; C_Finalize ends a wait.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

static CK_SESSION_HANDLE session;

struct waiter {
    pthread_t thread;
    CK_SLOT_ID slot;
    CK_RV rv;
    _Atomic int done;
};

static void *wait_main(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rv = rig_p11->C_WaitForSlotEvent(0, &waiter->slot, NULL);
    atomic_store(&waiter->done, 1);
    return NULL;
}

static void start(struct waiter *waiter)
{
    *waiter = (struct waiter){.slot = 99};
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_main, waiter), 0);
    usleep(200000);
    assert_int_equal(atomic_load(&waiter->done), 0);
}

static bool ends(struct waiter *waiter, int seconds)
{
    for (int i = 0; i < seconds * 100 && !atomic_load(&waiter->done); i++)
        usleep(10000);
    if (!atomic_load(&waiter->done))
        return false;
    pthread_join(waiter->thread, NULL);
    return true;
}

static bool present(void)
{
    CK_SLOT_INFO info;
    OK(rig_p11->C_GetSlotInfo(rig_slot, &info));
    return info.flags & CKF_TOKEN_PRESENT;
}

static CK_RV ask_members(void)
{
    CK_BYTE random[8];
    return rig_p11->C_GenerateRandom(session, random, sizeof(random));
}

static int begin(void **state)
{
    (void)state;
    rig_make("--chaos --timeout 2s");
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

static void arguments(void **state)
{
    (void)state;
    CK_SLOT_ID slot = 0;
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    session = rig_login();
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot), CKR_ARGUMENTS_BAD);
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
}

static void one_member_is_no_event(void **state)
{
    (void)state;
    CK_SLOT_ID slot = 0;
    rig_fault("hsm-1", "gone");
    for (int i = 0; i < 20; i++)
        OK(ask_members());
    assert_true(rig_log_wait("member=hsm-1 from=up to=down", 10));
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
}

static void goes_and_comes(void **state)
{
    (void)state;
    struct waiter waiter;
    CK_SLOT_ID slot = 0;
    start(&waiter);
    rig_fault("*", "gone");
    assert_int_not_equal(ask_members(), CKR_OK);
    assert_true(ends(&waiter, 10));
    OK(waiter.rv);
    assert_int_equal(waiter.slot, rig_slot);
    assert_false(present());
    start(&waiter);
    rig_fault("*", "ok");
    assert_true(ends(&waiter, 20));
    OK(waiter.rv);
    assert_int_equal(waiter.slot, rig_slot);
    assert_true(present());
    assert_int_equal(rig_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT);
    OK(ask_members());
}

static void finalize_ends_it(void **state)
{
    (void)state;
    struct waiter one, two;
    struct timespec from, to;
    start(&one);
    start(&two);
    clock_gettime(CLOCK_MONOTONIC, &from);
    OK(rig_p11->C_Finalize(NULL));
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(ends(&one, 1) && ends(&two, 1));
    assert_int_equal(one.rv, CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(two.rv, CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_in_range((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000, 0, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(one_member_is_no_event),
        cmocka_unit_test(goes_and_comes),
        cmocka_unit_test(finalize_ends_it),
    };
    return cmocka_run_group_tests_name("calls_event", tests, begin, end);
}
