#include "catalog_rig.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"

static struct catalog *shared;
static struct object *thing;
static _Atomic int inside[MEMBERS], made[MEMBERS], helped;

static void maker(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        unsigned member = (unsigned)i % MEMBERS;
        if (catalog_make_begin(shared, thing, member, clock_after(10 * NS_PER_S))) {
            if (atomic_fetch_add(&inside[member], 1) != 0)
                abort();
            thing->replica[member].bad++;
            atomic_fetch_add(&made[member], 1);
            atomic_fetch_sub(&inside[member], 1);
            catalog_make_end(shared, thing, member);
        } else {
            atomic_fetch_add(&helped, 1);
        }
    }
}

static void one_maker_at_a_time(void **state)
{
    (void)state;
    shared = catalog_new(MEMBERS);
    thing = added(shared, "a", NULL, CKO_DATA, false);
    struct thread *thread[4];
    for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
        thread[i] = thread_start("maker", -1, maker, NULL);
        assert_non_null(thread[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        thread_join(thread[i]);
    assert_int_equal(made[0] + made[1] + made[2] + helped, 4 * 300);
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_true(made[i] > 0);
        assert_int_equal(thing->replica[i].bad, made[i]);
    }
    assert_int_equal(thing->making, 0);
    catalog_free(shared);
}

static _Atomic int waiting, told;

static void waiter(void *arg)
{
    (void)arg;
    atomic_store(&waiting, 1);
    bool mine = catalog_make_begin(shared, thing, 0, clock_after(10 * NS_PER_S));
    atomic_store(&told, mine ? 1 : 2);
    if (mine)
        catalog_make_end(shared, thing, 0);
}

/* Who has waited does not make it once more: another one has just done so. */
static void who_waited_looks_again(void **state)
{
    (void)state;
    shared = catalog_new(MEMBERS);
    thing = added(shared, "a", NULL, CKO_DATA, false);
    told = 0;
    for (int i = 0; i < 50 && told != 2; i++) { /* it may come too late to wait */
        waiting = 0;
        assert_true(catalog_make_begin(shared, thing, 0, CLOCK_NEVER));
        struct thread *thread = thread_start("waiter", -1, waiter, NULL);
        assert_non_null(thread);
        while (waiting == 0)
            (void)thread_cpu();
        _Atomic uint32_t never = 0;
        (void)thread_wait(&never, 0, clock_after((uint64_t)(i + 1) * 5 * NS_PER_MS));
        catalog_make_end(shared, thing, 0);
        thread_join(thread);
        assert_true(told != 0);
    }
    assert_int_equal(told, 2);
    catalog_free(shared);
}

static void who_waits_leaves_in_time(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *object = added(catalog, "a", NULL, CKO_DATA, false);
    assert_true(catalog_make_begin(catalog, object, 1, CLOCK_NEVER));
    assert_true(catalog_make_begin(catalog, object, 2, CLOCK_NEVER)); /* another member, another maker */
    uint64_t began = clock_now();
    assert_false(catalog_make_begin(catalog, object, 1, clock_after(20 * NS_PER_MS)));
    assert_true(clock_now() - began >= 20 * NS_PER_MS);
    catalog_make_end(catalog, object, 1);
    assert_true(catalog_make_begin(catalog, object, 1, clock_after(NS_PER_MS)));
    catalog_make_end(catalog, object, 1);
    catalog_make_end(catalog, object, 2);
    catalog_free(catalog);
}

static void churner(void *arg)
{
    const char *label = arg;
    for (int i = 0; i < 500; i++) {
        struct object *object = object_with(label, "c", CKO_DATA, false);
        if (catalog_add(shared, &object) != CKR_OK)
            abort();
        struct attrs attrs = attrs_with(label, "d", CKO_DATA, false);
        catalog_set_attrs(shared, object, &attrs, 1, 2);
        catalog_remove(shared, object);
        object_unref(object);
    }
}

static void finds_while_others_change(void **state)
{
    (void)state;
    shared = catalog_new(MEMBERS);
    struct object *stays = added(shared, "stays", "s", CKO_DATA, false);
    char one[] = "one", two[] = "two";
    struct thread *thread[2] = {thread_start("one", -1, churner, one), thread_start("two", -1, churner, two)};
    CK_ATTRIBUTE label = text(CKA_LABEL, "stays"), id = text(CKA_ID, "d");
    for (int i = 0; i < 1000; i++) {
        CK_OBJECT_HANDLE h[8];
        assert_int_equal(found(shared, &label, 1, false, h, 8), 1);
        assert_int_equal(h[0], stays->item.handle);
        assert_true(found(shared, &id, 1, false, h, 8) <= 2);
        size_t n = found(shared, NULL, 0, false, h, 8);
        assert_in_range(n, 1, 3);
        for (size_t k = 0; k < n; k++) {
            AUTO(object_unref) struct object *object = catalog_ref(shared, h[k]);
            if (object)
                assert_int_equal(object->class, CKO_DATA);
        }
    }
    thread_join(thread[0]);
    thread_join(thread[1]);
    assert_int_equal(catalog_count(shared), 1);
    catalog_free(shared);
}

static const uint8_t race_uuid[16] = {7};

/* As when a record that is made here is read back from the vault before it has been added. */
static void bringer(void *arg)
{
    struct object **ret = arg;
    *ret = object_with("race", NULL, CKO_DATA, false);
    memcpy((*ret)->uuid, race_uuid, sizeof(race_uuid));
    if (catalog_add(shared, ret) != CKR_OK)
        abort();
}

static void who_brings_the_same_gets_one(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        shared = catalog_new(MEMBERS);
        struct object *brought[3] = {0};
        struct thread *thread[ARRAY_LEN(brought)];
        for (size_t k = 0; k < ARRAY_LEN(brought); k++) {
            thread[k] = thread_start("bringer", -1, bringer, &brought[k]);
            assert_non_null(thread[k]);
        }
        for (size_t k = 0; k < ARRAY_LEN(brought); k++)
            thread_join(thread[k]);
        assert_int_equal(catalog_count(shared), 1);
        for (size_t k = 0; k < ARRAY_LEN(brought); k++) {
            assert_ptr_equal(brought[k], brought[0]);
            object_unref(brought[k]);
        }
        catalog_free(shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_maker_at_a_time),          cmocka_unit_test(who_waited_looks_again),
        cmocka_unit_test(who_waits_leaves_in_time),     cmocka_unit_test(finds_while_others_change),
        cmocka_unit_test(who_brings_the_same_gets_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
