/* Objects of a catalogue under test. */
#ifndef TEST_UNIT_CATALOG_RIG_H
#define TEST_UNIT_CATALOG_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "catalog/catalog.h"

#define MEMBERS 3

static inline struct attrs attrs_with(const char *label, const char *id, CK_OBJECT_CLASS class, bool private)
{
    struct attrs attrs = {0};
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, class), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_PRIVATE, private), CKR_OK);
    if (label)
        assert_int_equal(attrs_set(&attrs, CKA_LABEL, label, strlen(label)), CKR_OK);
    if (id)
        assert_int_equal(attrs_set(&attrs, CKA_ID, id, strlen(id)), CKR_OK);
    return attrs;
}

static inline struct object *object_with(const char *label, const char *id, CK_OBJECT_CLASS class,
                                         bool private)
{
    struct object *object = object_new(MEMBERS);
    struct attrs attrs = attrs_with(label, id, class, private);
    assert_non_null(object);
    object_set_attrs(object, &attrs);
    return object;
}

static inline struct object *added(struct catalog *catalog, const char *label, const char *id,
                                   CK_OBJECT_CLASS class, bool private)
{
    struct object *object = object_with(label, id, class, private);
    assert_int_equal(catalog_add(catalog, &object), CKR_OK);
    object_unref(object); /* the catalogue has its own */
    return object;
}

/* The objects found, in the order given; their number is the result. */
static inline size_t found(struct catalog *catalog, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                           CK_OBJECT_HANDLE *ret, size_t max)
{
    CK_OBJECT_HANDLE *handle = NULL;
    size_t n = 0;
    assert_int_equal(catalog_find(catalog, templ, count, logged_in, &handle, &n), CKR_OK);
    for (size_t i = 0; i < n && i < max; i++)
        ret[i] = handle[i];
    mem_free(handle);
    return n;
}

static inline CK_ATTRIBUTE text(CK_ATTRIBUTE_TYPE type, const char *value)
{
    return (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, strlen(value)};
}

#endif
