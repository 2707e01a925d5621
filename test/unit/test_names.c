#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "call/attrs.h"
#include "call/names.h"

struct row {
    CK_ULONG value;
    const char *text;
};
static const struct row rvs[] = {
#define RV(name) {CKR_##name, "CKR_" #name},
#include "call/names.def"
};
static const struct row mechs[] = {
#define MECH(name) {CKM_##name, "CKM_" #name},
#include "call/names.def"
};
static const struct row aliases[] = {
#define MECH_ALIAS(name) {CKM_##name, "CKM_" #name},
#include "call/names.def"
};
static const struct row classes[] = {
#define CLASS(name) {CKO_##name, "CKO_" #name},
#include "call/names.def"
};
static const struct row key_types[] = {
#define KEY_TYPE(name) {CKK_##name, "CKK_" #name},
#include "call/names.def"
};

/* The search needs rising numbers, without one twice. */
static void rises(const struct row *row, size_t rows, size_t expected)
{
    assert_int_equal(rows, expected);
    for (size_t i = 1; i < rows; i++)
        assert_true(row[i - 1].value < row[i].value);
}

static void tables_rise(void **state)
{
    (void)state;
    rises(rvs, ARRAY_LEN(rvs), 105);
    rises(mechs, ARRAY_LEN(mechs), 464);
    rises(classes, ARRAY_LEN(classes), 13);
    rises(key_types, ARRAY_LEN(key_types), 67);
}

static void every_number_has_its_name(void **state)
{
    (void)state;
    struct name_buf buf;
    for (size_t i = 0; i < ARRAY_LEN(rvs); i++)
        assert_string_equal(name_rv(rvs[i].value, &buf), rvs[i].text);
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++)
        assert_string_equal(name_mech(mechs[i].value, &buf), mechs[i].text);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        assert_string_equal(name_class(classes[i].value, &buf), classes[i].text);
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
        assert_string_equal(name_key_type(key_types[i].value, &buf), key_types[i].text);
    assert_string_equal(name_attr(CKA_LABEL, &buf), "CKA_LABEL");
    assert_string_equal(name_attr(CKA_NSS_DB, &buf), "CKA_NSS_DB");
    assert_string_equal(name_mech(0xce53436cUL, &buf), "CKM_NSS_CHACHA20_POLY1305");
    assert_string_equal(name_mech(0x1040, &buf), "CKM_EC_KEY_PAIR_GEN");
    assert_string_equal(name_key_type(3, &buf), "CKK_EC");
}

static void unknown_numbers(void **state)
{
    (void)state;
    struct name_buf buf;
    assert_string_equal(name_rv(CKR_VENDOR_DEFINED | 0x123, &buf), "CKR_0x80000123");
    assert_string_equal(name_rv(4, &buf), "CKR_0x00000004");
    assert_string_equal(name_rv(~0UL, &buf), "CKR_0xffffffffffffffff");
    assert_string_equal(name_mech(0x7777, &buf), "CKM_0x00007777");
    assert_string_equal(name_attr(0x80001234, &buf), "CKA_0x80001234");
    assert_string_equal(name_class(77, &buf), "CKO_0x0000004d");
    assert_string_equal(name_key_type(0x1234, &buf), "CKK_0x00001234");
}

static void names_to_numbers(void **state)
{
    (void)state;
    CK_ULONG value = 99;
    for (size_t i = 0; i < ARRAY_LEN(rvs); i++) {
        assert_true(name_to_rv(rvs[i].text, &value));
        assert_int_equal(value, rvs[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
        assert_true(name_to_mech(mechs[i].text, &value));
        assert_int_equal(value, mechs[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        assert_true(name_to_mech(aliases[i].text, &value));
        assert_int_equal(value, aliases[i].value);
    }
    assert_true(name_to_mech("CKM_NSS_HKDF_SHA256", &value));
    assert_int_equal(value, 0xce534354UL);
    assert_true(name_to_rv("0x30", &value));
    assert_int_equal(value, CKR_DEVICE_ERROR);
    assert_true(name_to_rv("48", &value));
    assert_int_equal(value, CKR_DEVICE_ERROR);
    assert_true(name_to_rv("010", &value));
    assert_int_equal(value, 10);
    assert_true(name_to_rv("CKR_0x80000123", &value));
    assert_int_equal(value, 0x80000123UL);
}

static void refused_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "CKR_NONSENSE", "CKM_AES_CBC", "-1",     "+1",   " 1", "12x",
        "0x",    "CKR_",         "CKR_5",       "ckr_ok", "0xg1", "1 ", "99999999999999999999999",
        "CKR_0x"};
    CK_RV value = 99;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(name_to_rv(bad[i], &value));
        assert_int_equal(value, 99);
    }
    assert_false(name_to_mech("CKR_OK", &value));
    assert_int_equal(value, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_rise),     cmocka_unit_test(every_number_has_its_name),
        cmocka_unit_test(unknown_numbers), cmocka_unit_test(names_to_numbers),
        cmocka_unit_test(refused_names),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
