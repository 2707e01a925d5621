#include "catalog_rig.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"

static void handles(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    assert_int_equal(catalog_members(catalog), MEMBERS);
    struct object *object = object_with("a", "1", CKO_DATA, false);
    assert_int_equal(catalog_add(catalog, &object), CKR_OK);
    CK_OBJECT_HANDLE handle = object->item.handle;
    assert_true(handle != CK_INVALID_HANDLE);
    struct object *again = catalog_ref(catalog, handle);
    assert_ptr_equal(again, object);
    object_unref(again);
    assert_int_equal(catalog_count(catalog), 1);
    catalog_remove(catalog, object);
    assert_null(catalog_ref(catalog, handle));
    assert_int_equal(catalog_count(catalog), 0);
    assert_true(atomic_load(&object->gone));
    catalog_remove(catalog, object); /* twice is once */
    /* Who held it reads on. */
    assert_int_equal(object->class, CKO_DATA);
    /* The next one in the same place has another handle. */
    struct object *next = added(catalog, "a", "1", CKO_DATA, false);
    assert_int_not_equal(next->item.handle, handle);
    assert_null(catalog_ref(catalog, handle));
    object_unref(object);
    assert_null(catalog_ref(catalog, CK_INVALID_HANDLE));
    assert_null(catalog_ref(catalog, ~0UL));
    catalog_free(catalog);
    catalog_free(NULL);
}

static void finds(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *a = added(catalog, "one", "1", CKO_PUBLIC_KEY, false);
    struct object *b = added(catalog, "one", "2", CKO_CERTIFICATE, false);
    struct object *c = added(catalog, "two", "1", CKO_CERTIFICATE, false);
    struct object *d = added(catalog, NULL, NULL, CKO_DATA, false);
    CK_OBJECT_HANDLE h[8];
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE by_class = {CKA_CLASS, &class, sizeof(class)};
    assert_int_equal(found(catalog, NULL, 0, false, h, 8), 4);
    assert_int_equal(h[0], a->item.handle);
    assert_int_equal(h[2], c->item.handle);
    assert_int_equal(h[3], d->item.handle);
    CK_ATTRIBUTE label = text(CKA_LABEL, "one");
    assert_int_equal(found(catalog, &label, 1, false, h, 8), 2);
    assert_int_equal(h[0], a->item.handle);
    assert_int_equal(h[1], b->item.handle);
    CK_ATTRIBUTE id = text(CKA_ID, "1");
    assert_int_equal(found(catalog, &id, 1, false, h, 8), 2);
    assert_int_equal(h[1], c->item.handle);
    assert_int_equal(found(catalog, &by_class, 1, false, h, 8), 2);
    CK_ATTRIBUTE both[] = {text(CKA_LABEL, "one"), text(CKA_ID, "1")};
    assert_int_equal(found(catalog, both, 2, false, h, 8), 1);
    assert_int_equal(h[0], a->item.handle);
    CK_ATTRIBUTE with_class[] = {text(CKA_LABEL, "one"), by_class};
    assert_int_equal(found(catalog, with_class, 2, false, h, 8), 1);
    assert_int_equal(h[0], b->item.handle);
    CK_ATTRIBUTE none[] = {text(CKA_LABEL, "One"), text(CKA_ID, "one"), text(CKA_ID, "3")};
    CK_ATTRIBUTE no_bytes[] = {{CKA_LABEL, NULL, 5}, {CKA_ID, "1", CK_UNAVAILABLE_INFORMATION}};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(found(catalog, &none[i], 1, false, h, 8), 0);
    assert_int_equal(found(catalog, &no_bytes[0], 1, false, h, 8), 0);
    assert_int_equal(found(catalog, &no_bytes[1], 1, false, h, 8), 0);
    /* An empty label is one that the object has: no index is asked for it. */
    struct attrs unnamed = attrs_with("", "1", CKO_DATA, false);
    catalog_set_attrs(catalog, d, &unnamed, 1, 1);
    CK_ATTRIBUTE empty = text(CKA_LABEL, "");
    assert_int_equal(found(catalog, &empty, 1, false, h, 8), 1);
    assert_int_equal(h[0], d->item.handle);
    catalog_remove(catalog, a);
    assert_int_equal(found(catalog, &label, 1, false, h, 8), 1);
    assert_int_equal(found(catalog, NULL, 0, false, h, 8), 3);
    assert_int_equal(h[0], b->item.handle);
    catalog_remove(catalog, d);
    catalog_remove(catalog, c);
    assert_int_equal(found(catalog, NULL, 0, false, h, 8), 1);
    catalog_free(catalog);
}

static void index_hits_come_in_order(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    CK_OBJECT_HANDLE h[200], wanted[50];
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        wanted[i] = added(catalog, "same", NULL, CKO_DATA, false)->item.handle;
    CK_ATTRIBUTE label = text(CKA_LABEL, "same");
    assert_int_equal(found(catalog, &label, 1, false, h, 200), ARRAY_LEN(wanted));
    assert_memory_equal(h, wanted, sizeof(wanted));
    for (size_t i = 0; i < 100; i++)
        (void)added(catalog, "same", NULL, CKO_DATA, false);
    assert_int_equal(found(catalog, &label, 1, false, h, 200), 150); /* each once, in whatever order */
    for (size_t i = 0; i < 150; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(h[i], h[k]);
    /* Without memory it says so, and nothing is lost. */
    CK_OBJECT_HANDLE *handle = NULL;
    size_t count = 0;
    mem_fail_after(1, false);
    assert_int_equal(catalog_find(catalog, &label, 1, false, &handle, &count), CKR_HOST_MEMORY);
    mem_fail_after(2, true);
    assert_int_equal(catalog_find(catalog, NULL, 0, false, &handle, &count), CKR_HOST_MEMORY);
    mem_fail_after(0, false);
    catalog_free(catalog);
}

static void who_may_see_what(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *public = added(catalog, "p", "1", CKO_DATA, false);
    struct object *private = added(catalog, "p", "1", CKO_DATA, true);
    struct object *internal = added(catalog, "p", "1", CKO_DATA, false);
    struct object *refused = added(catalog, "p", "1", CKO_DATA, false);
    internal->internal = true;
    atomic_store(&refused->refused, true);
    CK_OBJECT_HANDLE h[8];
    CK_ATTRIBUTE templ[] = {text(CKA_LABEL, "p"), text(CKA_ID, "1")};
    for (int i = 0; i < 3; i++) { /* by the list, by an index, by the other one */
        const CK_ATTRIBUTE *by = i == 0 ? NULL : &templ[i - 1];
        assert_int_equal(found(catalog, by, by ? 1 : 0, false, h, 8), 1);
        assert_int_equal(h[0], public->item.handle);
        assert_int_equal(found(catalog, by, by ? 1 : 0, true, h, 8), 2);
        assert_int_equal(h[1], private->item.handle);
    }
    assert_true(object_visible(private, true));
    assert_false(object_visible(private, false));
    assert_false(object_visible(internal, true));
    assert_false(object_visible(refused, true));
    catalog_free(catalog);
}

static void attributes_change(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *object = added(catalog, "old", "1", CKO_DATA, false);
    CK_ATTRIBUTE old = text(CKA_LABEL, "old"), new = text(CKA_LABEL, "new"), id = text(CKA_ID, "2");
    CK_OBJECT_HANDLE h[2];
    struct attrs attrs = attrs_with("new", "2", CKO_DATA, true), copy = {0};
    catalog_set_attrs(catalog, object, &attrs, 7, 3);
    assert_null(attrs.item);
    assert_int_equal(object->seq, 7);
    assert_int_equal(object->version, 3);
    assert_int_equal(found(catalog, &old, 1, true, h, 2), 0);
    assert_int_equal(found(catalog, &new, 1, true, h, 2), 1);
    assert_int_equal(found(catalog, &id, 1, true, h, 2), 1);
    assert_int_equal(found(catalog, &new, 1, false, h, 2), 0); /* it has become private */
    assert_int_equal(catalog_attrs(catalog, object, &copy), CKR_OK);
    assert_true(attrs_equal(&copy, &object->attrs));
    attrs_free(&copy);
    /* One that has been removed is not indexed anew. */
    object_ref(object);
    catalog_remove(catalog, object);
    attrs = attrs_with("third", "3", CKO_DATA, false);
    catalog_set_attrs(catalog, object, &attrs, 8, 4);
    CK_ATTRIBUTE third = text(CKA_LABEL, "third");
    assert_int_equal(found(catalog, &third, 1, true, h, 2), 0);
    object_unref(object);
    catalog_free(catalog);
}

static void by_uuid(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    static const uint8_t uuid[16] = {1, 2, 3}, other[16] = {1, 2, 4}, zero[16] = {0};
    struct object *object = object_with("a", NULL, CKO_DATA, false);
    memcpy(object->uuid, uuid, sizeof(uuid));
    assert_int_equal(catalog_add(catalog, &object), CKR_OK);
    (void)added(catalog, "b", NULL, CKO_DATA, false); /* without a uuid: not known by zeros */
    struct object *seen = catalog_by_uuid(catalog, uuid);
    assert_ptr_equal(seen, object);
    object_unref(seen);
    assert_null(catalog_by_uuid(catalog, other));
    assert_null(catalog_by_uuid(catalog, zero));
    /* A second one is not added: whoever brings it gets the first. */
    struct object *second = object_with("c", NULL, CKO_DATA, false);
    memcpy(second->uuid, uuid, sizeof(uuid));
    assert_int_equal(catalog_add(catalog, &second), CKR_OK);
    assert_ptr_equal(second, object);
    object_unref(second);
    assert_int_equal(catalog_count(catalog), 2);
    CK_OBJECT_HANDLE h[2];
    assert_int_equal(found(catalog, NULL, 0, false, h, 2), 2);
    catalog_remove(catalog, object);
    assert_null(catalog_by_uuid(catalog, uuid));
    object_unref(object);
    catalog_free(catalog);
}

static void twins(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *a = added(catalog, "twin", "1", CKO_DATA, false);
    assert_int_equal(catalog_twins(catalog, a, true), 1);
    struct object *b = added(catalog, "twin", "1", CKO_DATA, false);
    (void)added(catalog, "twin", "1", CKO_CERTIFICATE, false);
    (void)added(catalog, "other", "1", CKO_DATA, false);
    /* A session object and a plain copy have no place on the token. */
    struct object *session = object_with("twin", "1", CKO_DATA, false);
    session->token = false;
    assert_int_equal(catalog_add(catalog, &session), CKR_OK);
    struct object *copy = object_with("twin", "1", CKO_DATA, false);
    copy->original = object_ref(a);
    assert_int_equal(catalog_add(catalog, &copy), CKR_OK);
    assert_int_equal(catalog_twins(catalog, a, true), 2);
    assert_int_equal(catalog_twins(catalog, b, true), 2);
    catalog_remove(catalog, b);
    assert_int_equal(catalog_twins(catalog, a, true), 1);
    /* Without a label they are known by their id, and without that by what else they have. */
    struct object *by_id = added(catalog, NULL, "9", CKO_DATA, false);
    (void)added(catalog, "", "9", CKO_CERTIFICATE, false);
    assert_int_equal(catalog_twins(catalog, by_id, true), 1);
    struct object *nameless = added(catalog, NULL, NULL, CKO_DATA, false);
    /* CKA_ID is no part of a data object's identity: the two are the same on a token. */
    assert_int_equal(catalog_twins(catalog, nameless, true), 2);
    (void)added(catalog, NULL, NULL, CKO_DATA, false);
    assert_int_equal(catalog_twins(catalog, nameless, true), 3);
    assert_int_equal(catalog_twins(catalog, by_id, true), 3);
    struct object *key = added(catalog, NULL, "9", CKO_PUBLIC_KEY, false);
    assert_int_equal(catalog_twins(catalog, key, true), 1);
    (void)added(catalog, NULL, "9", CKO_PUBLIC_KEY, false);
    assert_int_equal(catalog_twins(catalog, key, true), 2);
    atomic_store(&key->own_id, true);
    assert_int_equal(catalog_twins(catalog, key, true), 2);
    assert_int_equal(catalog_twins(catalog, key, false), 1);
    object_unref(session);
    object_unref(copy);
    catalog_free(catalog);
}

static bool is_taken(struct catalog *catalog, const char *id, CK_OBJECT_CLASS class)
{
    struct object *object = object_with("other", id, class, true);
    bool taken = catalog_id_is_taken(catalog, &object->attrs, NULL);
    object_unref(object);
    return taken;
}

static void taken_id(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *key = added(catalog, "a", "1", CKO_SECRET_KEY, false);
    (void)added(catalog, "a", NULL, CKO_SECRET_KEY, false);
    (void)added(catalog, "a", "1", CKO_CERTIFICATE, false);
    assert_true(is_taken(catalog, "1", CKO_SECRET_KEY));
    assert_false(catalog_id_is_taken(catalog, &key->attrs, key));
    assert_false(is_taken(catalog, "1", CKO_PUBLIC_KEY));
    assert_false(is_taken(catalog, "2", CKO_SECRET_KEY));
    assert_false(is_taken(catalog, NULL, CKO_SECRET_KEY));
    assert_false(is_taken(catalog, "1", CKO_CERTIFICATE)); /* known by what is in it */
    key->token = false;
    assert_false(is_taken(catalog, "1", CKO_SECRET_KEY));
    catalog_free(catalog);
}

static void by_replica(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    struct object *a = added(catalog, "a", NULL, CKO_DATA, false),
                  *b = added(catalog, "b", NULL, CKO_DATA, false);
    struct object *copy = object_with("a", NULL, CKO_DATA, false);
    copy->original = object_ref(b);
    assert_int_equal(catalog_add(catalog, &copy), CKR_OK);
    object_set_replica(a, 1, 4, 10);
    object_set_replica(b, 1, 4, 11);
    object_set_replica(copy, 1, 4, 12);
    struct object *seen = catalog_by_replica(catalog, 1, 4, 11);
    assert_ptr_equal(seen, b);
    object_unref(seen);
    assert_null(catalog_by_replica(catalog, 1, 4, 12));
    assert_null(catalog_by_replica(catalog, 1, 5, 11));
    assert_null(catalog_by_replica(catalog, 0, 4, 11));
    object_unref(copy);
    catalog_free(catalog);
}

struct seen {
    size_t count, stop;
    struct catalog *catalog;
};

static bool see(struct object *object, void *ctx)
{
    struct seen *seen = ctx;
    if (seen->catalog)
        catalog_remove(seen->catalog, object);
    return ++seen->count != seen->stop;
}

static void each(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new(MEMBERS);
    for (int i = 0; i < 10; i++)
        (void)added(catalog, "x", NULL, CKO_DATA, false);
    struct seen all = {0}, some = {.stop = 4}, away = {.catalog = catalog};
    catalog_each(catalog, see, &all);
    assert_int_equal(all.count, 10);
    catalog_each(catalog, see, &some);
    assert_int_equal(some.count, 4);
    catalog_each(catalog, see, &away); /* a visitor may take away what it sees */
    assert_int_equal(away.count, 10);
    assert_int_equal(catalog_count(catalog), 0);
    catalog_free(catalog);
}

static void without_memory(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 6; n++) {
        mem_fail_after(n, false);
        struct catalog *catalog = catalog_new(MEMBERS);
        if (!catalog) {
            mem_fail_after(0, false);
            continue;
        }
        mem_fail_after(0, false);
        static const uint8_t uuid[16] = {9};
        struct object *object = object_with("a", "1", CKO_DATA, false);
        memcpy(object->uuid, uuid, sizeof(uuid));
        mem_fail_after(n, false);
        CK_RV rv = catalog_add(catalog, &object);
        mem_fail_after(0, false);
        if (rv != CKR_OK) {
            assert_int_equal(rv, CKR_HOST_MEMORY);
            assert_int_equal(catalog_count(catalog), 0);
            assert_null(catalog_by_uuid(catalog, uuid));
            CK_OBJECT_HANDLE h[1];
            CK_ATTRIBUTE label = text(CKA_LABEL, "a"), id = text(CKA_ID, "1");
            assert_int_equal(found(catalog, &label, 1, true, h, 1), 0);
            assert_int_equal(found(catalog, &id, 1, true, h, 1), 0);
            assert_int_equal(catalog_add(catalog, &object), CKR_OK);
        }
        object_unref(object);
        catalog_free(catalog);
    }
}

/* Time of this thread on a CPU, in ns: others on the machine do not count. */
static uint64_t worked(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * NS_PER_S +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * NS_PER_US;
}

/* The budget is 100 us for one find among 100,000; here with room for a slow machine and sanitizers. */
static void a_hundred_thousand(void **state)
{
    (void)state;
    enum { MANY = 100000, FINDS = 1000 };
    struct catalog *catalog = catalog_new(MEMBERS);
    char name[32];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "key %u", i);
        (void)added(catalog, name, NULL, CKO_SECRET_KEY, true);
    }
    assert_int_equal(catalog_count(catalog), MANY);
    uint64_t began = worked();
    for (unsigned i = 0; i < FINDS; i++) {
        CK_OBJECT_HANDLE h[1];
        snprintf(name, sizeof(name), "key %u", i * (MANY / FINDS));
        CK_ATTRIBUTE label = text(CKA_LABEL, name);
        assert_int_equal(found(catalog, &label, 1, true, h, 1), 1);
    }
    uint64_t each_took = (worked() - began) / FINDS;
    assert_true(each_took < 100 * NS_PER_US);
    /* None has an id: taking them all out is no walk through all the others each time. */
    began = worked();
    catalog_free(catalog);
    assert_true((worked() - began) / MANY < 20 * NS_PER_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles),
        cmocka_unit_test(finds),
        cmocka_unit_test(index_hits_come_in_order),
        cmocka_unit_test(who_may_see_what),
        cmocka_unit_test(attributes_change),
        cmocka_unit_test(by_uuid),
        cmocka_unit_test(twins),
        cmocka_unit_test(taken_id),
        cmocka_unit_test(by_replica),
        cmocka_unit_test(each),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
