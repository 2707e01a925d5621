#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "replica/template.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void set(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
    assert_int_equal(attrs_set(attrs, type, text, strlen(text)), CKR_OK);
}

static void flag(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
    assert_int_equal(attrs_set_bool(attrs, type, value), CKR_OK);
}

static const CK_ATTRIBUTE *in(const struct template *t, CK_ATTRIBUTE_TYPE type)
{
    return template_get(t->item, t->count, type);
}

static bool flag_in(const struct template *t, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = in(t, type);
    assert_non_null(attr);
    assert_int_equal(attr->ulValueLen, 1);
    return *(CK_BBOOL *)attr->pValue;
}

static struct attrs private_key(void)
{
    struct attrs attrs = {0};
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, CKO_PRIVATE_KEY), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_KEY_TYPE, CKK_RSA), CKR_OK);
    flag(&attrs, CKA_TOKEN, true);
    flag(&attrs, CKA_PRIVATE, true);
    flag(&attrs, CKA_SENSITIVE, true);
    flag(&attrs, CKA_EXTRACTABLE, false);
    flag(&attrs, CKA_SIGN, true);
    flag(&attrs, CKA_DECRYPT, false);
    flag(&attrs, CKA_UNWRAP, false);
    flag(&attrs, CKA_LOCAL, true);
    flag(&attrs, CKA_ALWAYS_SENSITIVE, true);
    flag(&attrs, CKA_NEVER_EXTRACTABLE, false);
    flag(&attrs, CKA_COPYABLE, false);
    flag(&attrs, CKA_DESTROYABLE, false);
    flag(&attrs, CKA_MODIFIABLE, false);
    flag(&attrs, CKA_ALWAYS_AUTHENTICATE, false);
    flag(&attrs, CKA_WRAP_WITH_TRUSTED, false);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_KEY_GEN_MECHANISM, CKM_RSA_PKCS_KEY_PAIR_GEN), CKR_OK);
    set(&attrs, CKA_ID, "id");
    set(&attrs, CKA_LABEL, "label");
    set(&attrs, CKA_SUBJECT, "");
    set(&attrs, CKA_START_DATE, "");
    set(&attrs, CKA_MODULUS, "modulus");
    set(&attrs, CKA_PUBLIC_EXPONENT, "exponent");
    set(&attrs, CKA_PUBLIC_KEY_INFO, "info");
    set(&attrs, CKA_UNIQUE_ID, "unique");
    return attrs;
}

/* What a member told of the tried-out object of that class. */
static struct attrs told(CK_OBJECT_CLASS class)
{
    struct attrs attrs = {0};
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, class), CKR_OK);
    flag(&attrs, CKA_TOKEN, false);
    flag(&attrs, CKA_EXTRACTABLE, true);
    flag(&attrs, CKA_NEVER_EXTRACTABLE, true);
    flag(&attrs, CKA_COPYABLE, true);
    set(&attrs, CKA_VALUE, "value");
    set(&attrs, CKA_PRIVATE_EXPONENT, "secret");
    return attrs;
}

static void made_as_a_session_object(void **state)
{
    (void)state;
    struct attrs attrs = private_key();
    struct template t;
    for (int unwrap = 0; unwrap < 2; unwrap++)
        for (int bare = 0; bare < 2; bare++) {
            template_session(&attrs, unwrap, bare, &t);
            assert_false(flag_in(&t, CKA_TOKEN));
            /* A replica is as private, sensitive and locked in as the key is. */
            assert_true(flag_in(&t, CKA_PRIVATE));
            assert_true(flag_in(&t, CKA_SENSITIVE));
            assert_false(flag_in(&t, CKA_EXTRACTABLE));
            /* Defaults differ from token to token: every usage flag is spelled out. */
            assert_true(flag_in(&t, CKA_SIGN));
            assert_false(flag_in(&t, CKA_DECRYPT));
            assert_false(flag_in(&t, CKA_UNWRAP));
            assert_non_null(in(&t, CKA_ID));
            assert_non_null(in(&t, CKA_LABEL));
            assert_non_null(in(&t, CKA_SUBJECT));
            static const CK_ATTRIBUTE_TYPE out[] = {CKA_LOCAL,
                                                    CKA_ALWAYS_SENSITIVE,
                                                    CKA_NEVER_EXTRACTABLE,
                                                    CKA_KEY_GEN_MECHANISM,
                                                    CKA_COPYABLE,
                                                    CKA_DESTROYABLE,
                                                    CKA_MODIFIABLE,
                                                    CKA_ALWAYS_AUTHENTICATE,
                                                    CKA_WRAP_WITH_TRUSTED,
                                                    CKA_START_DATE,
                                                    CKA_UNIQUE_ID,
                                                    CKA_PUBLIC_KEY_INFO};
            for (size_t i = 0; i < ARRAY_LEN(out); i++)
                assert_null(in(&t, out[i]));
            assert_int_equal(in(&t, CKA_MODULUS) != NULL, !unwrap);
            assert_int_equal(in(&t, CKA_PUBLIC_EXPONENT) != NULL, !unwrap);
            for (size_t i = 0; i < t.count; i++)
                for (size_t k = 0; k < i; k++)
                    assert_int_not_equal(t.item[i].type, t.item[k].type);
        }
    attrs_free(&attrs);
}

/* What limits a key limits each of its replicas: a token that does not know a limit must say so. */
static void limits_are_never_left_out(void **state)
{
    (void)state;
    struct attrs attrs = private_key();
    CK_MECHANISM_TYPE allowed[] = {CKM_RSA_PKCS_PSS};
    struct template t;
    flag(&attrs, CKA_ALWAYS_AUTHENTICATE, true);
    flag(&attrs, CKA_WRAP_WITH_TRUSTED, true);
    assert_int_equal(attrs_set(&attrs, CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)), CKR_OK);
    for (int bare = 0; bare < 2; bare++) {
        template_session(&attrs, true, bare, &t);
        assert_true(flag_in(&t, CKA_ALWAYS_AUTHENTICATE));
        assert_true(flag_in(&t, CKA_WRAP_WITH_TRUSTED));
        assert_non_null(in(&t, CKA_ALLOWED_MECHANISMS));
    }
    attrs_free(&attrs);
}

static void bare_leaves_out_what_is_rare(void **state)
{
    (void)state;
    struct attrs attrs = {0};
    struct template t;
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CLASS, CKO_CERTIFICATE), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_CERTIFICATE_CATEGORY, 0), CKR_OK);
    set(&attrs, CKA_VALUE, "der");
    set(&attrs, CKA_URL, "http://x");
    set(&attrs, CKA_ISSUER, "issuer");
    template_session(&attrs, false, false, &t);
    assert_non_null(in(&t, CKA_URL));
    assert_non_null(in(&t, CKA_ISSUER));
    assert_non_null(in(&t, CKA_VALUE));
    assert_null(in(&t, CKA_CERTIFICATE_CATEGORY));
    template_session(&attrs, false, true, &t);
    assert_null(in(&t, CKA_URL));
    assert_non_null(in(&t, CKA_ISSUER));
    assert_non_null(in(&t, CKA_VALUE));
    attrs_free(&attrs);
}

static void never_more_than_there_is_room(void **state)
{
    (void)state;
    struct attrs attrs = {0};
    struct template t;
    for (CK_ULONG i = 0; i < 2 * TEMPLATE_MAX; i++)
        assert_int_equal(attrs_set_ulong(&attrs, CKA_VENDOR_DEFINED + i, i), CKR_OK);
    template_session(&attrs, false, false, &t);
    assert_int_equal(t.count, TEMPLATE_MAX);
    attrs_free(&attrs);
}

static void what_no_table_knows(void **state)
{
    (void)state;
    struct attrs attrs = private_key(), there = private_key();
    struct template t;
    set(&attrs, CKA_VENDOR_DEFINED + 7, "theirs");
    set(&there, CKA_VENDOR_DEFINED + 7, "other");
    set(&attrs, CKA_VENDOR_DEFINED + 8, "");
    set(&attrs, CKA_ENCRYPT, ""); /* a usage flag is spelled out whatever it looks like */
    set(&attrs, CKA_WRAP_WITH_TRUSTED, "");
    set(&attrs, CKA_WRAP_TEMPLATE, "encoded");
    assert_int_equal(attrs_set_ulong(&attrs, CKA_JAVA_MIDP_SECURITY_DOMAIN, 0), CKR_OK);
    assert_int_equal(attrs_set_ulong(&attrs, CKA_NAME_HASH_ALGORITHM, CKM_SHA_1), CKR_OK);
    template_session(&attrs, true, false, &t);
    assert_non_null(in(&t, CKA_VENDOR_DEFINED + 7));
    assert_non_null(in(&t, CKA_ENCRYPT));
    assert_null(in(&t, CKA_VENDOR_DEFINED + 8));
    assert_null(in(&t, CKA_JAVA_MIDP_SECURITY_DOMAIN));
    assert_null(in(&t, CKA_NAME_HASH_ALGORITHM));
    assert_null(in(&t, CKA_WRAP_TEMPLATE)); /* an encoding is no template */
    template_session(&attrs, true, true, &t);
    assert_null(in(&t, CKA_VENDOR_DEFINED + 7));
    template_changes(&attrs, &there, &t);
    assert_null(in(&t, CKA_VENDOR_DEFINED + 7));
    attrs_free(&attrs);
    attrs_free(&there);
}

static void without_memory(void **state)
{
    (void)state;
    CK_ULONG len = 13;
    CK_ATTRIBUTE asked[] = {{CKA_COPYABLE, &no, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}};
    bool done = false;
    for (unsigned long n = 1; !done; n++) {
        assert_true(n < 100);
        struct attrs attrs = told(CKO_SECRET_KEY), tryout = {0};
        set(&attrs, CKA_VENDOR_DEFINED + 7, "theirs");
        mem_fail_after(n, false);
        CK_RV rv = template_logical(asked, ARRAY_LEN(asked), true, true, &attrs);
        if (rv == CKR_OK)
            rv = template_tryout(asked, ARRAY_LEN(asked), true, &tryout);
        mem_fail_after(0, false);
        assert_true(rv == CKR_OK || rv == CKR_HOST_MEMORY);
        done = rv == CKR_OK;
        attrs_free(&attrs);
        attrs_free(&tryout);
    }
}

static void published(void **state)
{
    (void)state;
    struct attrs attrs = private_key();
    struct template t;
    template_publish(&attrs, &t);
    assert_int_equal(t.count, 1);
    assert_true(flag_in(&t, CKA_TOKEN));
    attrs_free(&attrs);
}

static void changes(void **state)
{
    (void)state;
    struct attrs wanted = private_key(), there = private_key();
    struct template t;
    template_changes(&wanted, &there, &t);
    assert_int_equal(t.count, 0);
    set(&there, CKA_LABEL, "lebal");
    set(&there, CKA_ID, "longer id");
    set(&there, CKA_SUBJECT, "somebody"); /* wanted empty */
    flag(&there, CKA_SIGN, false);
    /* Not to be brought in line: fixed, made by the token, kept here, or not known there. */
    set(&there, CKA_MODULUS, "another");
    flag(&there, CKA_LOCAL, false);
    flag(&there, CKA_COPYABLE, true);
    attrs_drop(&there, CKA_DECRYPT);
    template_changes(&wanted, &there, &t);
    assert_int_equal(t.count, 4);
    assert_memory_equal(in(&t, CKA_LABEL)->pValue, "label", 5);
    assert_int_equal(in(&t, CKA_ID)->ulValueLen, 2);
    assert_int_equal(in(&t, CKA_SUBJECT)->ulValueLen, 0);
    assert_true(flag_in(&t, CKA_SIGN));
    attrs_free(&wanted);
    attrs_free(&there);
}

static void tried_out(void **state)
{
    (void)state;
    CK_ATTRIBUTE asked[] = {{CKA_TOKEN, &yes, 1},       {CKA_EXTRACTABLE, &no, 1}, {CKA_COPYABLE, &no, 1},
                            {CKA_DESTROYABLE, &no, 1},  {CKA_MODIFIABLE, &no, 1},  {CKA_SENSITIVE, &yes, 1},
                            {CKA_LABEL, (void *)"l", 1}};
    struct attrs tryout = {0};
    assert_int_equal(template_tryout(asked, ARRAY_LEN(asked), true, &tryout), CKR_OK);
    assert_false(attrs_bool(&tryout, CKA_TOKEN, true));
    assert_true(attrs_bool(&tryout, CKA_EXTRACTABLE, false));
    assert_true(attrs_bool(&tryout, CKA_SENSITIVE, false));
    assert_int_equal(tryout.count, 4);
    attrs_free(&tryout);
    /* No key: what is asked of EXTRACTABLE is none of our business. */
    assert_int_equal(template_tryout(asked, 1, false, &tryout), CKR_OK);
    assert_null(attrs_get(&tryout, CKA_EXTRACTABLE));
    attrs_free(&tryout);
    CK_ATTRIBUTE bad = {CKA_LABEL, NULL, 5};
    assert_int_equal(template_tryout(&bad, 1, true, &tryout), CKR_ARGUMENTS_BAD);
    attrs_free(&tryout);
}

static void logical_key(void **state)
{
    (void)state;
    const CK_OBJECT_CLASS secret[] = {CKO_SECRET_KEY, CKO_PRIVATE_KEY};
    CK_ULONG len = 13;
    for (size_t i = 0; i < ARRAY_LEN(secret); i++) {
        struct attrs attrs = told(secret[i]);
        CK_ATTRIBUTE asked[] = {{CKA_COPYABLE, &no, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}};
        assert_int_equal(template_logical(asked, ARRAY_LEN(asked), true, true, &attrs), CKR_OK);
        assert_true(attrs_bool(&attrs, CKA_TOKEN, false));
        assert_false(attrs_bool(&attrs, CKA_EXTRACTABLE, true)); /* the tryout's was our wish */
        assert_false(attrs_bool(&attrs, CKA_NEVER_EXTRACTABLE, true));
        assert_true(attrs_bool(&attrs, CKA_PRIVATE, false)); /* whatever the member makes of it */
        assert_false(attrs_bool(&attrs, CKA_COPYABLE, true));
        assert_true(attrs_bool(&attrs, CKA_MODIFIABLE, false));
        assert_true(attrs_bool(&attrs, CKA_DESTROYABLE, false));
        /* Nothing secret is kept. */
        assert_null(attrs_get(&attrs, CKA_VALUE));
        assert_null(attrs_get(&attrs, CKA_PRIVATE_EXPONENT));
        assert_int_equal(attrs_ulong(&attrs, CKA_VALUE_LEN, 0), secret[i] == CKO_SECRET_KEY ? 13 : 0);
        attrs_free(&attrs);
    }
    struct attrs attrs = told(CKO_SECRET_KEY);
    CK_ATTRIBUTE imported[] = {
        {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE, (void *)"0123456789", 10}, {CKA_PRIVATE, &no, 1}};
    assert_int_equal(template_logical(imported, 3, false, true, &attrs), CKR_OK);
    assert_false(attrs_bool(&attrs, CKA_PRIVATE, false));
    assert_true(attrs_bool(&attrs, CKA_EXTRACTABLE, false));
    assert_false(attrs_bool(&attrs, CKA_TOKEN, true));
    assert_int_equal(attrs_ulong(&attrs, CKA_VALUE_LEN, 0), 10);
    assert_null(attrs_get(&attrs, CKA_VALUE));
    attrs_free(&attrs);
    /* In an external group the member's word on EXTRACTABLE stands. */
    attrs = told(CKO_SECRET_KEY);
    assert_int_equal(template_logical(NULL, 0, true, false, &attrs), CKR_OK);
    assert_true(attrs_bool(&attrs, CKA_EXTRACTABLE, false));
    assert_true(attrs_bool(&attrs, CKA_NEVER_EXTRACTABLE, false));
    assert_null(attrs_get(&attrs, CKA_VALUE_LEN));
    attrs_free(&attrs);
}

static void logical_others(void **state)
{
    (void)state;
    const CK_OBJECT_CLASS open[] = {CKO_PUBLIC_KEY, CKO_CERTIFICATE, CKO_DATA};
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        struct attrs attrs = told(open[i]);
        CK_ATTRIBUTE asked = {CKA_DESTROYABLE, &no, 1};
        assert_int_equal(template_logical(&asked, 1, true, true, &attrs), CKR_OK);
        assert_memory_equal(attrs_get(&attrs, CKA_VALUE)->pValue, "value", 5);
        assert_false(attrs_bool(&attrs, CKA_DESTROYABLE, true));
        assert_true(attrs_bool(&attrs, CKA_TOKEN, false));
        attrs_free(&attrs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_as_a_session_object),
        cmocka_unit_test(limits_are_never_left_out),
        cmocka_unit_test(bare_leaves_out_what_is_rare),
        cmocka_unit_test(never_more_than_there_is_room),
        cmocka_unit_test(what_no_table_knows),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(published),
        cmocka_unit_test(changes),
        cmocka_unit_test(tried_out),
        cmocka_unit_test(logical_key),
        cmocka_unit_test(logical_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
