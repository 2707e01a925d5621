/* Attributes: C_GetAttributeValue and C_SetAttributeValue. */
#include <stdio.h>

#include "call/attrs.h"
#include "keys.h"

static void several(const void *arg)
{
    (void)arg;
    CK_OBJECT_CLASS class = 0;
    CK_BYTE label[64], id[64];
    CK_ATTRIBUTE ask[] = {
        {CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, label, sizeof(label)}, {CKA_ID, id, sizeof(id)}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 3);
    record_say("class=%lu", class);
    record_bytes("label", label, ask[1].ulValueLen);
    record_bytes("id", id, ask[2].ulValueLen);
}

static void lengths(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE ask[] = {{CKA_CLASS, NULL, 0}, {CKA_LABEL, NULL, 0}, {CKA_VALUE, NULL, 0}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 3);
    record_say("%lu %lu %lu", ask[0].ulValueLen, ask[1].ulValueLen, ask[2].ulValueLen);
}

static void small_buffer(const void *arg)
{
    (void)arg;
    /* softokn does not look how much room there is. */
    CK_BYTE value[64];
    CK_OBJECT_CLASS class = 0;
    CK_ATTRIBUTE ask[] = {{CKA_VALUE, value, 4}, {CKA_CLASS, &class, sizeof(class)}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 2);
    record_say("len=%ld class=%lu", (long)ask[0].ulValueLen, class);
}

/* As an application has it that asks once more after a failure. */
static void length_left_over(const void *arg)
{
    (void)arg;
    CK_BYTE value[64], label[64];
    CK_ATTRIBUTE ask[] = {{CKA_VALUE, value, CK_UNAVAILABLE_INFORMATION},
                          {CKA_LABEL, label, CK_UNAVAILABLE_INFORMATION}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 2);
    record_say("%ld %ld", (long)ask[0].ulValueLen, (long)ask[1].ulValueLen);
}

static void sensitive(const void *arg)
{
    (void)arg;
    CK_BYTE value[64];
    CK_OBJECT_CLASS class = 0;
    CK_ATTRIBUTE ask[] = {{CKA_VALUE, value, sizeof(value)}, {CKA_CLASS, &class, sizeof(class)}};
    DO(GetAttributeValue, world.session, keys_make_with(KEY_AES128, CKA_SENSITIVE, CK_TRUE), ask, 2);
    record_say("len=%ld class=%lu", (long)ask[0].ulValueLen, class);
}

static void not_extractable(const void *arg)
{
    (void)arg;
    CK_BYTE value[64];
    CK_ATTRIBUTE ask = {CKA_VALUE, value, sizeof(value)};
    DO(GetAttributeValue, world.session, keys_make_with(KEY_AES128, CKA_EXTRACTABLE, CK_FALSE), &ask, 1);
    record_say("len=%ld", (long)ask.ulValueLen);
}

static void unknown_type(const void *arg)
{
    (void)arg;
    CK_BYTE value[64];
    CK_OBJECT_CLASS class = 0;
    CK_ATTRIBUTE ask[] = {{0x12345678, value, sizeof(value)}, {CKA_CLASS, &class, sizeof(class)}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 2);
    record_say("len=%ld class=%lu", (long)ask[0].ulValueLen, class);
}

static void of_another_class(const void *arg)
{
    (void)arg;
    CK_BYTE value[64];
    CK_ATTRIBUTE ask = {CKA_MODULUS, value, sizeof(value)};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), &ask, 1);
    record_say("len=%ld", (long)ask.ulValueLen);
}

static void same_twice(const void *arg)
{
    (void)arg;
    CK_BYTE one[64], two[64];
    CK_ATTRIBUTE ask[] = {{CKA_LABEL, one, sizeof(one)}, {CKA_LABEL, two, sizeof(two)}};
    DO(GetAttributeValue, world.session, keys_make(KEY_AES128, NULL), ask, 2);
    record_bytes("one", one, ask[0].ulValueLen);
    record_bytes("two", two, ask[1].ulValueLen);
}

static void none(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE ask = {CKA_LABEL, NULL, 0};
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    DO(GetAttributeValue, world.session, key, &ask, 0);
    DO(GetAttributeValue, world.session, key, NULL, 0);
    DO(GetAttributeValue, world.session, key, NULL, 1);
}

static void unknown_object(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE ask = {CKA_LABEL, NULL, 0};
    DO(GetAttributeValue, world.session, CK_INVALID_HANDLE, &ask, 1);
    DO(GetAttributeValue, world.session, 0x7ffffff0, &ask, 1);
}

static void wrong_kind_of_unknown(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE ask = {0x12345678, NULL, 0};
    CK_BYTE value[4];
    CK_ATTRIBUTE mixed[] = {{0x12345678, NULL, 0}, {CKA_VALUE, value, sizeof(value)}};
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_SENSITIVE, CK_TRUE);
    DO(GetAttributeValue, world.session, key, &ask, 1);
    record_say("len=%ld", (long)ask.ulValueLen);
    DO(GetAttributeValue, world.session, key, mixed, 2);
    record_say("%ld %ld", (long)mixed[0].ulValueLen, (long)mixed[1].ulValueLen);
}

static void nested(const void *arg)
{
    (void)arg;
    CK_BBOOL yes = CK_TRUE, inner_value = 7;
    CK_ATTRIBUTE inner = {CKA_EXTRACTABLE, &yes, 1}, got = {CKA_EXTRACTABLE, &inner_value, 1};
    CK_ATTRIBUTE ask = {CKA_UNWRAP_TEMPLATE, NULL, 0};
    struct templ with = {.count = 0};
    templ_set(&with, CKA_UNWRAP_TEMPLATE, &inner, sizeof(inner));
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, &with);
    DO(GetAttributeValue, world.session, key, &ask, 1);
    record_say("len=%ld", (long)ask.ulValueLen);
    ask.pValue = &got;
    ask.ulValueLen = sizeof(got);
    DO(GetAttributeValue, world.session, key, &ask, 1);
    record_say("type=%lx value=%u", got.type, inner_value);
}

/* --- changes --- */

static CK_RV set(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    CK_ATTRIBUTE templ = {type, (CK_VOID_PTR)value, len};
    return DO(SetAttributeValue, world.session, object, &templ, 1);
}

static void show(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BYTE value[512];
    CK_ATTRIBUTE ask = {type, value, sizeof(value)};
    if (DO(GetAttributeValue, world.session, object, &ask, 1) == CKR_OK)
        record_bytes("value", value, ask.ulValueLen);
}

static void set_label(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    set(key, CKA_LABEL, "changed", 7);
    show(key, CKA_LABEL);
    set(key, CKA_LABEL, "", 0);
    show(key, CKA_LABEL);
}

static void set_several(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ[] = {{CKA_LABEL, "changed", 7}, {CKA_CLASS, "wrong", 5}};
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    DO(SetAttributeValue, world.session, key, templ, 2);
    show(key, CKA_CLASS);
}

static void set_bad(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    CK_ATTRIBUTE templ = {CKA_LABEL, "changed", 7};
    DO(SetAttributeValue, world.session, key, NULL, 1);
    DO(SetAttributeValue, world.session, CK_INVALID_HANDLE, &templ, 1);
    DO(SetAttributeValue, world.session, 0x7ffffff0, &templ, 1);
}

static void set_unknown_type(const void *arg)
{
    (void)arg;
    set(keys_make(KEY_AES128, NULL), 0x12345678, "changed", 7);
}

static void set_bad_boolean(const void *arg)
{
    (void)arg;
    set(keys_make(KEY_AES128, NULL), CKA_ENCRYPT, "changed", 7);
}

static void set_usage(const void *arg)
{
    (void)arg;
    CK_BBOOL no = CK_FALSE;
    CK_BYTE iv[16] = {0};
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    set(key, CKA_ENCRYPT, &no, 1);
    show(key, CKA_ENCRYPT);
    DO(EncryptInit, world.session, &mech, key);
}

static void set_to(CK_ATTRIBUTE_TYPE type, CK_BBOOL from, CK_BBOOL to)
{
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, type, from);
    set(key, type, &to, 1);
    show(key, type);
}

static void sensitive_on(const void *arg)
{
    (void)arg;
    set_to(CKA_SENSITIVE, CK_FALSE, CK_TRUE);
}

static void sensitive_off(const void *arg)
{
    (void)arg;
    set_to(CKA_SENSITIVE, CK_TRUE, CK_FALSE);
}

static void extractable_on(const void *arg)
{
    (void)arg;
    set_to(CKA_EXTRACTABLE, CK_FALSE, CK_TRUE);
}

static void extractable_off(const void *arg)
{
    (void)arg;
    set_to(CKA_EXTRACTABLE, CK_TRUE, CK_FALSE);
}

static void not_modifiable(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_MODIFIABLE, CK_FALSE);
    set(key, CKA_LABEL, "changed", 7);
    show(key, CKA_LABEL);
}

static CK_OBJECT_HANDLE on_token(CK_BBOOL private)
{
    struct templ with = {.count = 0};
    templ_bool(&with, CKA_TOKEN, CK_TRUE);
    templ_bool(&with, CKA_PRIVATE, private);
    return keys_make(KEY_AES128, &with);
}

static void set_on_token(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = on_token(CK_TRUE);
    set(key, CKA_LABEL, "changed", 7);
    show(key, CKA_LABEL);
    set(key, CKA_ID, "other", 5);
    show(key, CKA_ID);
}

static void set_on_token_read_only(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = on_token(CK_TRUE), own = keys_make(KEY_AES128, NULL);
    world.session = world_open(0);
    set(key, CKA_LABEL, "changed", 7);
    set(own, CKA_LABEL, "changed", 7);
}

static void set_logged_out(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE private = on_token(CK_TRUE), public = on_token(CK_FALSE);
    DO(Logout, world.session);
    set(private, CKA_LABEL, "changed", 7);
    set(public, CKA_LABEL, "changed", 7);
}

static void get_logged_out(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE private = on_token(CK_TRUE), public = on_token(CK_FALSE);
    DO(Logout, world.session);
    show(private, CKA_LABEL);
    show(public, CKA_LABEL);
}

/* Attributes that stay what they were. */
static void set_fixed(const void *arg)
{
    CK_ATTRIBUTE_TYPE type = *(const CK_ATTRIBUTE_TYPE *)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    CK_BYTE value[512];
    CK_ATTRIBUTE ask = {type, value, sizeof(value)};
    CK_RV rv = DO(GetAttributeValue, world.session, key, &ask, 1);
    if (rv == CKR_OK)
        set(key, type, value, ask.ulValueLen);
}

void chapter_attribute(void)
{
    static const struct test tests[] = {
        {"C_GetAttributeValue", "several", SETUP_USER, several},
        {"C_GetAttributeValue", "lengths", SETUP_USER, lengths},
        {"C_GetAttributeValue", "small-buffer", SETUP_USER, small_buffer},
        {"C_GetAttributeValue", "length-left-over", SETUP_USER, length_left_over},
        {"C_GetAttributeValue", "sensitive", SETUP_USER, sensitive},
        {"C_GetAttributeValue", "not-extractable", SETUP_USER, not_extractable},
        {"C_GetAttributeValue", "unknown-type", SETUP_USER, unknown_type},
        {"C_GetAttributeValue", "of-another-class", SETUP_USER, of_another_class},
        {"C_GetAttributeValue", "same-twice", SETUP_USER, same_twice},
        {"C_GetAttributeValue", "none", SETUP_USER, none},
        {"C_GetAttributeValue", "unknown-object", SETUP_USER, unknown_object},
        {"C_GetAttributeValue", "several-errors", SETUP_USER, wrong_kind_of_unknown},
        {"C_GetAttributeValue", "nested", SETUP_USER, nested},
        {"C_GetAttributeValue", "logged-out", SETUP_TOKEN, get_logged_out},
        {"C_SetAttributeValue", "label", SETUP_USER, set_label},
        {"C_SetAttributeValue", "one-of-two-fails", SETUP_USER, set_several},
        {"C_SetAttributeValue", "bad", SETUP_USER, set_bad},
        {"C_SetAttributeValue", "unknown-type", SETUP_USER, set_unknown_type},
        {"C_SetAttributeValue", "bad-boolean", SETUP_USER, set_bad_boolean},
        {"C_SetAttributeValue", "usage", SETUP_USER, set_usage},
        {"C_SetAttributeValue", "sensitive-on", SETUP_USER, sensitive_on},
        {"C_SetAttributeValue", "sensitive-off", SETUP_USER, sensitive_off},
        {"C_SetAttributeValue", "extractable-on", SETUP_USER, extractable_on},
        {"C_SetAttributeValue", "extractable-off", SETUP_USER, extractable_off},
        {"C_SetAttributeValue", "not-modifiable", SETUP_USER, not_modifiable},
        {"C_SetAttributeValue", "on-token", SETUP_TOKEN, set_on_token},
        {"C_SetAttributeValue", "on-token-read-only", SETUP_TOKEN, set_on_token_read_only},
        {"C_SetAttributeValue", "logged-out", SETUP_TOKEN, set_logged_out},
    };
    size_t count;
    const CK_ATTRIBUTE_TYPE *types = attrs_of_class(CKO_SECRET_KEY, CKK_AES, &count);
    world_run_all("attribute", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "type-%lx", types[i]);
        world_run("attribute", &(struct test){"C_SetAttributeValue", name, SETUP_USER, set_fixed}, &types[i]);
    }
}
