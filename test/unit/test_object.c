#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "catalog/object.h"

static struct object *object_with(CK_OBJECT_CLASS class)
{
    struct object *object = object_new(3);
    struct attrs attrs = {0};
    assert_non_null(object);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, class), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_KEY_TYPE, CKK_RSA), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CERTIFICATE_TYPE, CKC_WTLS), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_MODULUS_BITS, 3072), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_PRIVATE, true), CKR_OK);
    object_set_attrs(object, &attrs);
    assert_null(attrs.item);
    assert_int_equal(attrs.count, 0);
    return object;
}

static void fields_follow_attributes(void **state)
{
    (void)state;
    AUTO(object_unref) struct object *key = object_with(CKO_PRIVATE_KEY);
    assert_int_equal(key->class, CKO_PRIVATE_KEY);
    assert_int_equal(key->subtype, CKK_RSA);
    assert_int_equal(key->bits, 3072);
    assert_true(key->token && key->private && !key->internal);
    assert_int_equal(key->pinned, -1);
    AUTO(object_unref) struct object *certificate = object_with(CKO_CERTIFICATE);
    assert_int_equal(certificate->subtype, CKC_WTLS);
    /* The modulus itself says more than what was asked for. */
    struct attrs attrs = {0};
    static const uint8_t modulus[512] = {0x80};
    assert_int_equal(attrs_copy(&attrs, &key->attrs), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_MODULUS, modulus, sizeof(modulus)), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, false), CKR_OK);
    object_set_attrs(key, &attrs);
    assert_int_equal(key->bits, 4096);
    assert_false(key->token);
    struct attrs none = {0};
    object_set_attrs(key, &none);
    assert_int_equal(key->class, CKO_DATA);
    assert_int_equal(key->subtype, CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(key->bits, 0);
}

static unsigned recipes_freed;

static void free_recipe(void *recipe)
{
    recipes_freed += recipe == &recipes_freed;
}

static void life(void **state)
{
    (void)state;
    recipes_freed = 0;
    struct object *original = object_with(CKO_SECRET_KEY), *copy = object_with(CKO_SECRET_KEY);
    original->recipe = &recipes_freed;
    original->recipe_free = free_recipe;
    copy->original = object_ref(original);
    assert_ptr_equal(object_base(copy), original);
    assert_ptr_equal(object_base(original), original);
    object_unref(original);
    assert_int_equal(recipes_freed, 0);
    object_unref(copy);
    assert_int_equal(recipes_freed, 1);
    object_unref(NULL);
    assert_null(object_of(NULL));
}

static void replicas(void **state)
{
    (void)state;
    AUTO(object_unref) struct object *object = object_with(CKO_SECRET_KEY);
    CK_OBJECT_HANDLE handle = 1;
    for (unsigned i = 0; i < 3; i++)
        assert_false(object_replica(object, i, 1, &handle));
    object_set_replica(object, 1, 5, 77);
    assert_true(object_replica(object, 1, 5, &handle));
    assert_int_equal(handle, 77);
    /* Of another epoch, before or after, it is none; and epoch 0 is no epoch. */
    assert_false(object_replica(object, 1, 4, &handle));
    assert_false(object_replica(object, 1, 6, &handle));
    assert_false(object_replica(object, 0, 5, &handle));
    assert_false(object_replica(object, 0, 0, &handle));
    object_set_replica(object, 1, 6, 78);
    assert_false(object_replica(object, 1, 5, &handle));
    assert_true(object_replica(object, 1, 6, &handle));
    assert_int_equal(handle, 78);
    object_drop_replica(object, 1);
    assert_false(object_replica(object, 1, 6, &handle));
}

static void proven_marks(void **state)
{
    (void)state;
    AUTO(object_unref) struct object *object = object_with(CKO_SECRET_KEY);
    for (uint64_t mark = 1; mark <= OBJECT_PROVEN; mark++) {
        assert_false(object_is_proven(object, mark));
        object_set_proven(object, mark);
        object_set_proven(object, mark);
        assert_true(object_is_proven(object, mark));
    }
    /* A new one takes an old one's place, and no more than that. */
    object_set_proven(object, 1000);
    assert_true(object_is_proven(object, 1000));
    unsigned known = 0;
    for (uint64_t mark = 1; mark <= OBJECT_PROVEN; mark++)
        known += object_is_proven(object, mark);
    assert_int_equal(known, OBJECT_PROVEN - 1);
}

/* The writer goes from epoch to epoch, with the handle 1000 * epoch: nobody may see a handle of another one.
 */
static struct object *shared;
static _Atomic bool over;

static void writer(void *arg)
{
    (void)arg;
    for (uint32_t epoch = 1; epoch < 20000; epoch++) {
        object_set_replica(shared, 0, epoch, epoch * 1000);
        if (epoch % 10 == 0)
            object_drop_replica(shared, 0);
    }
    atomic_store(&over, true);
}

static void handles_stay_with_their_epoch(void **state)
{
    (void)state;
    shared = object_with(CKO_SECRET_KEY);
    atomic_store(&over, false);
    struct thread *thread = thread_start("writer", -1, writer, NULL);
    assert_non_null(thread);
    while (!atomic_load(&over)) {
        uint32_t epoch = atomic_load(&shared->replica[0].epoch);
        CK_OBJECT_HANDLE handle;
        if (object_replica(shared, 0, epoch, &handle))
            assert_int_equal(handle, (CK_OBJECT_HANDLE)epoch * 1000);
    }
    thread_join(thread);
    object_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_follow_attributes),
        cmocka_unit_test(life),
        cmocka_unit_test(replicas),
        cmocka_unit_test(proven_marks),
        cmocka_unit_test(handles_stay_with_their_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
