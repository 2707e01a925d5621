#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "catalog/identity.h"

static void set(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
    assert_int_equal(attrs_set(attrs, type, text, strlen(text)), CKR_OK);
}

/* One with every attribute that an identity might take in, and some that it must not. */
static struct attrs object_of(CK_OBJECT_CLASS class)
{
    struct attrs attrs = {0};
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, class), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_KEY_TYPE, CKK_EC), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CERTIFICATE_TYPE, CKC_X_509), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_SIGN, true), CKR_OK);
    set(&attrs, CKA_ID, "id");
    set(&attrs, CKA_LABEL, "label");
    set(&attrs, CKA_VALUE, "value");
    set(&attrs, CKA_APPLICATION, "application");
    set(&attrs, CKA_OBJECT_ID, "object id");
    set(&attrs, CKA_MODULUS, "modulus");
    set(&attrs, CKA_PUBLIC_EXPONENT, "exponent");
    set(&attrs, CKA_EC_PARAMS, "params");
    set(&attrs, CKA_EC_POINT, "point");
    set(&attrs, CKA_PRIME, "prime");
    set(&attrs, CKA_SUBPRIME, "subprime");
    set(&attrs, CKA_BASE, "base");
    set(&attrs, CKA_CHECK_VALUE, "kcv");
    return attrs;
}

static const CK_ATTRIBUTE_TYPE all[] = {CKA_CLASS,     CKA_KEY_TYPE, CKA_CERTIFICATE_TYPE,
                                        CKA_TOKEN,     CKA_SIGN,     CKA_ID,
                                        CKA_LABEL,     CKA_VALUE,    CKA_APPLICATION,
                                        CKA_OBJECT_ID, CKA_MODULUS,  CKA_PUBLIC_EXPONENT,
                                        CKA_EC_PARAMS, CKA_EC_POINT, CKA_PRIME,
                                        CKA_SUBPRIME,  CKA_BASE,     CKA_CHECK_VALUE};

static const struct {
    CK_OBJECT_CLASS class;
    CK_ATTRIBUTE_TYPE type[IDENTITY_MAX];
    size_t count;
} wanted[] = {
    /* The value of a secret is not what a key is known by, and a private EC key has no point on some tokens.
     */
    {CKO_SECRET_KEY,
     {CKA_CLASS, CKA_TOKEN, CKA_KEY_TYPE, CKA_ID, CKA_LABEL, CKA_MODULUS, CKA_EC_PARAMS, CKA_PUBLIC_EXPONENT,
      CKA_PRIME, CKA_SUBPRIME, CKA_BASE},
     11},
    {CKO_PRIVATE_KEY,
     {CKA_CLASS, CKA_TOKEN, CKA_KEY_TYPE, CKA_ID, CKA_LABEL, CKA_MODULUS, CKA_EC_PARAMS, CKA_PUBLIC_EXPONENT,
      CKA_PRIME, CKA_SUBPRIME, CKA_BASE},
     11},
    {CKO_PUBLIC_KEY,
     {CKA_CLASS, CKA_TOKEN, CKA_KEY_TYPE, CKA_ID, CKA_LABEL, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS,
      CKA_EC_POINT, CKA_PRIME, CKA_SUBPRIME, CKA_BASE, CKA_VALUE},
     13},
    {CKO_CERTIFICATE, {CKA_CLASS, CKA_TOKEN, CKA_CERTIFICATE_TYPE, CKA_ID, CKA_LABEL, CKA_VALUE}, 6},
    {CKO_DATA, {CKA_CLASS, CKA_TOKEN, CKA_LABEL, CKA_APPLICATION, CKA_OBJECT_ID, CKA_VALUE}, 6},
};

static bool is_wanted(size_t which, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < wanted[which].count; i++)
        if (wanted[which].type[i] == type)
            return true;
    return false;
}

static void what_each_class_is_known_by(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_LEN(wanted); w++) {
        struct attrs attrs = object_of(wanted[w].class);
        CK_ATTRIBUTE templ[IDENTITY_MAX];
        size_t count = identity_template(&attrs, templ);
        assert_int_equal(count, wanted[w].count);
        for (size_t i = 0; i < count; i++) {
            assert_true(is_wanted(w, templ[i].type));
            const CK_ATTRIBUTE *attr = attrs_get(&attrs, templ[i].type);
            assert_ptr_equal(templ[i].pValue, attr->pValue);
            assert_int_equal(templ[i].ulValueLen, attr->ulValueLen);
        }
        attrs_free(&attrs);
    }
}

/* The hash changes with each of them, and with nothing else. */
static void hash_follows(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_LEN(wanted); w++) {
        struct attrs attrs = object_of(wanted[w].class);
        uint64_t hash = identity_hash(&attrs);
        assert_int_equal(hash, identity_hash(&attrs));
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            if (all[i] == CKA_CLASS)
                continue;
            struct attrs other = {0};
            assert_int_equal(attrs_copy(&other, &attrs), CKR_OK);
            set(&other, all[i], "changed!");
            assert_int_equal(identity_hash(&other) != hash, is_wanted(w, all[i]));
            attrs_drop(&other, all[i]);
            assert_int_equal(identity_hash(&other) != hash, is_wanted(w, all[i]));
            attrs_free(&other);
        }
        attrs_free(&attrs);
    }
}

/* Bytes that move from one attribute to the next are another identity. */
static void hash_keeps_them_apart(void **state)
{
    (void)state;
    struct attrs a = {0}, b = {0};
    set(&a, CKA_LABEL, "ab");
    set(&a, CKA_APPLICATION, "c");
    set(&b, CKA_LABEL, "a");
    set(&b, CKA_APPLICATION, "bc");
    assert_true(identity_hash(&a) != identity_hash(&b));
    attrs_free(&a);
    attrs_free(&b);
    /* The same bytes as something else. */
    set(&a, CKA_LABEL, "a");
    set(&b, CKA_APPLICATION, "a");
    assert_true(identity_hash(&a) != identity_hash(&b));
    attrs_free(&a);
    attrs_free(&b);
}

static void nothing_known(void **state)
{
    (void)state;
    struct attrs none = {0};
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    assert_int_equal(identity_template(&none, templ), 0);
    assert_int_equal(identity_hash(&none), 0);
    /* Empty is not missing. */
    struct attrs empty = {0};
    set(&empty, CKA_LABEL, "");
    assert_int_equal(identity_template(&empty, templ), 1);
    assert_true(identity_hash(&empty) != 0);
    attrs_free(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_class_is_known_by),
        cmocka_unit_test(hash_follows),
        cmocka_unit_test(hash_keeps_them_apart),
        cmocka_unit_test(nothing_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
