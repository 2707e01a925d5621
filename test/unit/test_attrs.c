#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "call/attrs.h"

static const CK_ATTRIBUTE_TYPE types[] = {
#define ATTR(name, shape, flags) CKA_##name,
#include "call/attrs.def"
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
static CK_KEY_TYPE rsa = CKK_RSA;

static void table_rises(void **state)
{
    (void)state;
    assert_true(ARRAY_LEN(types) > 150);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (i > 0)
            assert_true(types[i - 1] < types[i]);
        const struct attr_info *info = attr_lookup(types[i]);
        assert_non_null(info);
        assert_int_equal(info->type, types[i]);
        assert_memory_equal(info->name, "CKA_", 4);
    }
    assert_null(attr_lookup(0x12345678));
    assert_null(attr_lookup(5));
    assert_null(attr_lookup(~0UL));
}

static void what_is_known(void **state)
{
    (void)state;
    assert_int_equal(attr_lookup(CKA_PRIVATE_EXPONENT)->flags & ATTR_SENSITIVE, ATTR_SENSITIVE);
    assert_int_equal(attr_lookup(CKA_MODULUS)->flags & ATTR_SENSITIVE, 0);
    assert_int_equal(attr_lookup(CKA_MODULUS)->shape, ATTR_BIGINT);
    assert_int_equal(attr_lookup(CKA_ALLOWED_MECHANISMS)->shape, ATTR_MECHS);
    assert_int_equal(attr_lookup(CKA_UNWRAP_TEMPLATE)->shape, ATTR_TEMPLATE);
    assert_int_equal(attr_lookup(CKA_ENCAPSULATE_TEMPLATE)->shape, ATTR_TEMPLATE);
    assert_int_equal(attr_lookup(CKA_NSS_DB)->shape, ATTR_BYTES);
    assert_int_equal(attr_lookup(CKA_SIGN)->flags, ATTR_USAGE);
    assert_int_equal(attr_lookup(CKA_LOCAL)->flags, ATTR_MADE | ATTR_FIXED);
    assert_int_equal(attr_lookup(CKA_LABEL)->flags, 0);
    assert_int_equal(attr_lookup(CKA_TOKEN)->flags, ATTR_FIXED);
    /* A usage flag and a thing made by the token are known by their shape. */
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (attr_lookup(types[i])->flags & ATTR_USAGE)
            assert_int_equal(attr_lookup(types[i])->shape, ATTR_BOOL);
}

static bool has(CK_OBJECT_CLASS class, CK_ULONG subtype, CK_ATTRIBUTE_TYPE type)
{
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *list = attrs_of_class(class, subtype, &count);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        assert_non_null(attr_lookup(list[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(list[i] != list[j]);
        found |= list[i] == type;
    }
    return found;
}

static void classes(void **state)
{
    (void)state;
    assert_true(has(CKO_PRIVATE_KEY, CKK_RSA, CKA_COEFFICIENT));
    assert_false(has(CKO_PRIVATE_KEY, CKK_RSA, CKA_VALUE));
    assert_false(has(CKO_PRIVATE_KEY, CKK_EC, CKA_MODULUS));
    assert_true(has(CKO_PRIVATE_KEY, CKK_EC, CKA_VALUE));
    assert_true(has(CKO_PRIVATE_KEY, CKK_ML_DSA, CKA_SEED));
    assert_true(has(CKO_PUBLIC_KEY, CKK_EC, CKA_EC_POINT));
    assert_false(has(CKO_PUBLIC_KEY, CKK_EC, CKA_SENSITIVE));
    assert_true(has(CKO_SECRET_KEY, CKK_AES, CKA_VALUE_LEN));
    assert_true(has(CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKA_CHECK_VALUE));
    assert_true(has(CKO_CERTIFICATE, CKC_X_509, CKA_SERIAL_NUMBER));
    assert_true(has(CKO_CERTIFICATE, CKC_X_509_ATTR_CERT, CKA_AC_ISSUER));
    assert_true(has(CKO_DATA, 0, CKA_OBJECT_ID));
    assert_true(has(CKO_DOMAIN_PARAMETERS, CKK_DSA, CKA_SUBPRIME));
    /* What nobody knows is still a storage object. */
    assert_true(has(0x80001234, 0, CKA_LABEL));
    static const CK_OBJECT_CLASS all[] = {CKO_HW_FEATURE, CKO_MECHANISM,  CKO_OTP_KEY,
                                          CKO_PROFILE,    CKO_VALIDATION, CKO_TRUST};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_true(has(all[i], 0, CKA_CLASS));
}

static void set_get_drop(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0};
    assert_null(attrs_get(&attrs, CKA_LABEL));
    assert_int_equal(attrs_set(&attrs, CKA_LABEL, "abc", 3), CKR_OK);
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_VALUE_LEN, 32), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_ID, NULL, 0), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_ID, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(attrs.count, 4);
    for (size_t i = 1; i < attrs.count; i++)
        assert_true(attrs.item[i - 1].type < attrs.item[i].type);
    assert_memory_equal(attrs_get(&attrs, CKA_LABEL)->pValue, "abc", 3);
    assert_true(attrs_bool(&attrs, CKA_TOKEN, false));
    assert_true(attrs_bool(&attrs, CKA_PRIVATE, true));
    assert_false(attrs_bool(&attrs, CKA_PRIVATE, false));
    assert_int_equal(attrs_ulong(&attrs, CKA_VALUE_LEN, 7), 32);
    assert_int_equal(attrs_ulong(&attrs, CKA_MODULUS_BITS, 7), 7);
    assert_int_equal(attrs_ulong(&attrs, CKA_LABEL, 7), 7);
    assert_int_equal(attrs_get(&attrs, CKA_ID)->ulValueLen, 0);

    assert_int_equal(attrs_set(&attrs, CKA_LABEL, "longer", 6), CKR_OK);
    assert_int_equal(attrs.count, 4);
    assert_memory_equal(attrs_get(&attrs, CKA_LABEL)->pValue, "longer", 6);
    attrs_drop(&attrs, CKA_TOKEN);
    attrs_drop(&attrs, CKA_TOKEN);
    assert_int_equal(attrs.count, 3);
    assert_null(attrs_get(&attrs, CKA_TOKEN));
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(attrs_set_ulong(&attrs, 0x80000000UL + (i * 37) % 200, i), CKR_OK);
    assert_int_equal(attrs.count, 203);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(attrs_ulong(&attrs, 0x80000000UL + (i * 37) % 200, 999), i);
}

static void secrets_are_secret(void **state)
{
    (void)state;
    size_t before = secret_in_use();
    AUTO(attrs_free) struct attrs attrs = {0};
    assert_int_equal(attrs_set(&attrs, CKA_LABEL, "abc", 3), CKR_OK);
    assert_int_equal(secret_in_use(), before);
    assert_int_equal(attrs_set(&attrs, CKA_VALUE, "0123456789abcdef", 16), CKR_OK);
    assert_true(secret_in_use() > before);
    assert_int_equal(attrs_set(&attrs, CKA_VALUE, "x", 1), CKR_OK);
    attrs_drop(&attrs, CKA_VALUE);
    assert_int_equal(secret_in_use(), before);
}

static void merge(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0};
    CK_ATTRIBUTE good[] = {{CKA_LABEL, "new", 3},
                           {CKA_CLASS, &private_key, sizeof(private_key)},
                           {CKA_SIGN, &yes, 1},
                           {CKA_SIGN, &yes, 1}};
    assert_int_equal(attrs_set(&attrs, CKA_LABEL, "old", 3), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_ID, "id", 2), CKR_OK);
    assert_int_equal(attrs_merge(&attrs, good, 4), CKR_OK);
    assert_int_equal(attrs.count, 4);
    assert_memory_equal(attrs_get(&attrs, CKA_LABEL)->pValue, "new", 3);
    assert_memory_equal(attrs_get(&attrs, CKA_ID)->pValue, "id", 2);
    assert_int_equal(attrs_merge(&attrs, NULL, 0), CKR_OK);
    assert_int_equal(attrs_merge(&attrs, NULL, 1), CKR_ARGUMENTS_BAD);

    CK_ATTRIBUTE twice[] = {{CKA_LABEL, "x", 1}, {CKA_SIGN, &yes, 1}, {CKA_SIGN, &no, 1}};
    assert_int_equal(attrs_merge(&attrs, twice, 3), CKR_TEMPLATE_INCONSISTENT);
    CK_ATTRIBUTE null[] = {{CKA_LABEL, "x", 1}, {CKA_ID, NULL, 4}};
    assert_int_equal(attrs_merge(&attrs, null, 2), CKR_ARGUMENTS_BAD);
    CK_ATTRIBUTE endless[] = {{CKA_LABEL, "x", 1}, {CKA_ID, "x", CK_UNAVAILABLE_INFORMATION}};
    assert_int_equal(attrs_merge(&attrs, endless, 2), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_memory_equal(attrs_get(&attrs, CKA_LABEL)->pValue, "new", 3);
    assert_int_equal(attrs.count, 4);
}

static void nested(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0}, inner = {0};
    CK_ATTRIBUTE in[] = {{CKA_SIGN, &yes, 1}, {CKA_KEY_TYPE, &rsa, sizeof(rsa)}};
    CK_ATTRIBUTE in_other_order[] = {{CKA_KEY_TYPE, &rsa, sizeof(rsa)}, {CKA_SIGN, &yes, 1}};
    CK_ATTRIBUTE outer[] = {{CKA_UNWRAP_TEMPLATE, in, sizeof(in)}};
    assert_int_equal(attrs_merge(&attrs, outer, 1), CKR_OK);
    const CK_ATTRIBUTE *kept = attrs_get(&attrs, CKA_UNWRAP_TEMPLATE);
    assert_true(attrs_decode(&inner, kept->pValue, kept->ulValueLen));
    assert_true(attrs_match(&inner, in, 2));
    assert_int_equal(inner.count, 2);
    assert_true(attrs_match(&attrs, outer, 1));
    outer[0].pValue = in_other_order;
    assert_true(attrs_match(&attrs, outer, 1));
    in_other_order[1].pValue = &no;
    assert_false(attrs_match(&attrs, outer, 1));

    CK_ATTRIBUTE odd = {CKA_UNWRAP_TEMPLATE, in, sizeof(in) - 1};
    assert_int_equal(attrs_merge(&attrs, &odd, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    CK_ATTRIBUTE itself = {CKA_UNWRAP_TEMPLATE, &itself, sizeof(itself)};
    assert_int_equal(attrs_merge(&attrs, &itself, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_false(attrs_match(&attrs, &itself, 1));
    /* Its number has the array bit, its value is bytes. */
    static uint8_t point[48];
    CK_ATTRIBUTE nss = {CKA_NSS_DB, point, sizeof(point)};
    assert_int_equal(attrs_merge(&attrs, &nss, 1), CKR_OK);
    assert_int_equal(attrs_get(&attrs, CKA_NSS_DB)->ulValueLen, sizeof(point));
}

static void match(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0};
    CK_BBOOL also_true = 0xff;
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_MODULUS, "\0\0\xa1\xb2", 4), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_ID, "\0\1", 2), CKR_OK);
    CK_ATTRIBUTE same[] = {{CKA_TOKEN, &also_true, 1}, {CKA_MODULUS, "\xa1\xb2", 2}, {CKA_ID, "\0\1", 2}};
    assert_true(attrs_match(&attrs, same, 3));
    assert_true(attrs_match(&attrs, NULL, 0));
    assert_false(attrs_match(&attrs, NULL, 1));
    CK_ATTRIBUTE other[] = {{CKA_TOKEN, &no, 1},        {CKA_MODULUS, "\xa1\xb2\0", 3},
                            {CKA_MODULUS, "", 0},       {CKA_ID, "\1", 1},
                            {CKA_ID, NULL, 2},          {CKA_LABEL, "", 0},
                            {CKA_TOKEN, &also_true, 0}, {CKA_ID, "\0\1", CK_UNAVAILABLE_INFORMATION}};
    for (size_t i = 0; i < ARRAY_LEN(other); i++)
        assert_false(attrs_match(&attrs, &other[i], 1));

    AUTO(attrs_free) struct attrs copy = {0};
    assert_int_equal(attrs_set(&copy, CKA_ID, "other", 5), CKR_OK);
    assert_int_equal(attrs_copy(&copy, &attrs), CKR_OK);
    assert_true(attrs_equal(&attrs, &copy));
    assert_int_equal(attrs_set(&copy, CKA_ID, "\0\2", 2), CKR_OK);
    assert_false(attrs_equal(&attrs, &copy));
    attrs_drop(&copy, CKA_ID);
    assert_false(attrs_equal(&attrs, &copy));
}

static void templates(void **state)
{
    (void)state;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &private_key, sizeof(private_key)},
                            {CKA_SIGN, &yes, 1},
                            {CKA_ENCRYPT, &no, 1},
                            {CKA_WRAP, NULL, 1},
                            {CKA_KEY_TYPE, &rsa, 4}};
    assert_ptr_equal(template_get(templ, 5, CKA_SIGN), &templ[1]);
    assert_null(template_get(templ, 5, CKA_TOKEN));
    assert_null(template_get(NULL, 5, CKA_TOKEN));
    assert_true(template_bool(templ, 5, CKA_SIGN, false));
    assert_false(template_bool(templ, 5, CKA_ENCRYPT, true));
    assert_true(template_bool(templ, 5, CKA_WRAP, true));
    assert_int_equal(template_ulong(templ, 5, CKA_CLASS, 9), CKO_PRIVATE_KEY);
    assert_int_equal(template_ulong(templ, 5, CKA_KEY_TYPE, 9), 9);
    assert_int_equal(template_ulong(templ, 5, CKA_SIGN, 9), 9);
}

static void fill(struct attrs *attrs)
{
    CK_MECHANISM_TYPE allowed[] = {CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS};
    CK_ATTRIBUTE in[] = {{CKA_SIGN, &yes, 1}};
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &private_key, sizeof(private_key)},
                            {CKA_KEY_TYPE, &rsa, sizeof(rsa)},
                            {CKA_SIGN, &yes, 1},
                            {CKA_LABEL, "label", 5},
                            {CKA_ID, NULL, 0},
                            {CKA_START_DATE, "20260101", 8},
                            {CKA_VALUE, "secret", 6},
                            {CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)},
                            {CKA_UNWRAP_TEMPLATE, in, sizeof(in)},
                            {0x80001234, "vendor", 6}};
    assert_int_equal(attrs_merge(attrs, templ, ARRAY_LEN(templ)), CKR_OK);
}

static void round_trip(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0}, back = {0};
    AUTO(buf_free) struct buf first = {0}, again = {0};
    fill(&attrs);
    attrs_encode(&attrs, &first);
    assert_false(first.failed);
    assert_true(attrs_decode(&back, first.data, first.len));
    assert_true(attrs_equal(&attrs, &back));
    attrs_encode(&back, &again);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);

    AUTO(attrs_free) struct attrs none = {0}, none_back = {0};
    AUTO(buf_free) struct buf empty = {0};
    attrs_encode(&none, &empty);
    assert_true(attrs_decode(&none_back, empty.data, empty.len));
    assert_int_equal(none_back.count, 0);
}

/* Sealed records hold these bytes: they must stay what they are. */
static void encoding_stays(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0};
    AUTO(buf_free) struct buf out = {0};
    CK_MECHANISM_TYPE one = CKM_ECDSA;
    assert_int_equal(attrs_set_bool(&attrs, CKA_TOKEN, true), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_LABEL, "ab", 2), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_KEY_TYPE, CKK_EC), CKR_OK);
    assert_int_equal(attrs_set(&attrs, CKA_ALLOWED_MECHANISMS, &one, sizeof(one)), CKR_OK);
    attrs_encode(&attrs, &out);
    static const uint8_t expected[] = "\4\0\0\0"
                                      "\1\0\0\0\0\0\0\0\1\1"
                                      "\3\0\0\0\0\0\0\0\0\2\0\0\0ab"
                                      "\0\1\0\0\0\0\0\0\2\3\0\0\0\0\0\0\0"
                                      "\0\6\0\x40\0\0\0\0\3\1\0\0\0\x41\x10\0\0\0\0\0\0";
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.len);
}

static void malformed(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs attrs = {0}, ret = {0};
    AUTO(buf_free) struct buf good = {0};
    fill(&attrs);
    attrs_encode(&attrs, &good);
    for (size_t len = 0; len < good.len; len++)
        assert_false(attrs_decode(&ret, good.data, len));
    buf_u8(&good, 0);
    assert_false(attrs_decode(&ret, good.data, good.len));
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\1\0\0\0\1\0\0\0\0\0\0\0\1\2", 14},                                 /* a boolean of 2 */
        {"\1\0\0\0\1\0\0\0\0\0\0\0\x9\1", 14},                                /* no such form */
        {"\2\0\0\0\1\0\0\0\0\0\0\0\1\1\1\0\0\0\0\0\0\0\1\1", 24},             /* a type twice */
        {"\2\0\0\0\2\0\0\0\0\0\0\0\1\1\1\0\0\0\0\0\0\0\1\1", 24},             /* falling types */
        {"\1\0\0\0\0\6\0\x40\0\0\0\0\3\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 25}, /* too many numbers */
        {"\xff\xff\xff\xff\1\0\0\0\0\0\0\0\1\1", 14},                         /* too many attributes */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(attrs_decode(&ret, (const uint8_t *)bad[i].bytes, bad[i].len));
    assert_null(ret.item);
}

static void memory_fails(void **state)
{
    (void)state;
    AUTO(attrs_free) struct attrs full = {0}, base = {0}, before = {0};
    fill(&full);
    assert_int_equal(attrs_set(&base, CKA_LABEL, "old", 3), CKR_OK);
    assert_int_equal(attrs_copy(&before, &base), CKR_OK);
    CK_ATTRIBUTE in[] = {{CKA_SIGN, &yes, 1}};
    CK_ATTRIBUTE templ[] = {
        {CKA_LABEL, "new", 3}, {CKA_VALUE, "secret", 6}, {CKA_UNWRAP_TEMPLATE, in, sizeof(in)}};
    size_t failed = 0;
    for (unsigned long n = 1;; n++) {
        mem_fail_after(n, false);
        CK_RV rv = attrs_merge(&base, templ, ARRAY_LEN(templ));
        mem_fail_after(0, false);
        if (rv == CKR_OK)
            break;
        failed++;
        assert_int_equal(rv, CKR_HOST_MEMORY);
        assert_true(attrs_equal(&base, &before));
    }
    assert_true(failed > 3);
    assert_true(attrs_match(&base, templ, ARRAY_LEN(templ)));
    for (unsigned long n = 1;; n++) {
        AUTO(attrs_free) struct attrs copy = {0};
        mem_fail_after(n, true);
        CK_RV rv = attrs_copy(&copy, &full);
        mem_fail_after(0, false);
        if (rv == CKR_OK)
            break;
        assert_int_equal(rv, CKR_HOST_MEMORY);
        assert_int_equal(copy.count, 0);
    }
    AUTO(buf_free) struct buf out = {0};
    attrs_encode(&full, &out);
    for (unsigned long n = 1;; n++) {
        AUTO(attrs_free) struct attrs back = {0};
        mem_fail_after(n, false);
        bool ok = attrs_decode(&back, out.data, out.len);
        mem_fail_after(0, false);
        if (ok)
            break;
        assert_int_equal(back.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_rises),
        cmocka_unit_test(what_is_known),
        cmocka_unit_test(classes),
        cmocka_unit_test(set_get_drop),
        cmocka_unit_test(secrets_are_secret),
        cmocka_unit_test(merge),
        cmocka_unit_test(nested),
        cmocka_unit_test(match),
        cmocka_unit_test(templates),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(encoding_stays),
        cmocka_unit_test(malformed),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests_name("attrs", tests, NULL, NULL);
}
