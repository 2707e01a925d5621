/* Objects: C_CreateObject, C_CopyObject, C_DestroyObject, C_GetObjectSize. */
#include "keys.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static CK_RV create(struct templ *templ)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    return DO(CreateObject, world.session, templ->at, templ->count, &object);
}

static void empty_template(const void *arg)
{
    (void)arg;
    struct templ templ = {.count = 0};
    create(&templ);
}

static void null_template(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE object;
    DO(CreateObject, world.session, NULL, 2, &object);
}

static void null_result(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    DO(CreateObject, world.session, templ.at, templ.count, NULL);
}

static void without_class(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_drop(&templ, CKA_CLASS);
    create(&templ);
}

static void without_key_type(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_drop(&templ, CKA_KEY_TYPE);
    create(&templ);
}

static void unknown_class(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_ulong(&templ, CKA_CLASS, 0x1234);
    create(&templ);
}

static void unknown_key_type(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_ulong(&templ, CKA_KEY_TYPE, 0x1234);
    create(&templ);
}

static void unknown_attribute(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_ulong(&templ, 0x12345678, 1);
    create(&templ);
}

static void attribute_of_another_class(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_text(&templ, CKA_MODULUS, "12345678");
    create(&templ);
}

static void attribute_twice(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ.at[templ.count++] = (CK_ATTRIBUTE){CKA_LABEL, "other", 5};
    create(&templ);
}

static void bad_boolean(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_ulong(&templ, CKA_ENCRYPT, CK_TRUE);
    create(&templ);
}

static void bad_class_length(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_set(&templ, CKA_CLASS, &yes, 1);
    create(&templ);
}

static void read_only_attribute(const void *arg)
{
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    CK_ATTRIBUTE_TYPE type = *(const CK_ATTRIBUTE_TYPE *)arg;
    if (type == CKA_KEY_GEN_MECHANISM)
        templ_ulong(&templ, type, CKM_AES_KEY_GEN);
    else
        templ_bool(&templ, type, CK_TRUE);
    create(&templ);
}

static void bad_value_length(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_text(&templ, CKA_VALUE, "seventeen bytes..");
    create(&templ);
}

static void without_value(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_drop(&templ, CKA_VALUE);
    create(&templ);
}

static void sensitive(const void *arg)
{
    (void)arg;
    CK_BYTE value[32];
    CK_ATTRIBUTE ask = {CKA_VALUE, value, sizeof(value)};
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_SENSITIVE, CK_TRUE);
    DO(GetAttributeValue, world.session, key, &ask, 1);
    record_say("len=%ld", (long)ask.ulValueLen);
}

static void token_in_read_only(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_bool(&templ, CKA_TOKEN, CK_TRUE);
    create(&templ);
}

static void session_in_read_only(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    create(&templ);
}

static void private_in_public(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_bool(&templ, CKA_PRIVATE, CK_TRUE);
    create(&templ);
}

static void public_in_public(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_AES128, &templ);
    templ_bool(&templ, CKA_PRIVATE, CK_FALSE);
    create(&templ);
    templ_bool(&templ, CKA_TOKEN, CK_TRUE);
    create(&templ);
}

static void trusted_by_user(const void *arg)
{
    (void)arg;
    struct templ templ;
    keys_templ(KEY_CERTIFICATE, &templ);
    templ_bool(&templ, CKA_TRUSTED, CK_TRUE);
    create(&templ);
}

static CK_OBJECT_HANDLE on_token(enum key key, CK_BBOOL private)
{
    struct templ with = {.count = 0};
    templ_bool(&with, CKA_TOKEN, CK_TRUE);
    templ_bool(&with, CKA_PRIVATE, private);
    return keys_make(key, &with);
}

static void token_survives_session(const void *arg)
{
    (void)arg;
    CK_ULONG size;
    CK_OBJECT_HANDLE object = on_token(KEY_AES128, CK_FALSE);
    DO(CloseSession, world.session);
    world.session = world_open(0);
    DO(GetObjectSize, world.session, object, &size);
}

static void encrypted_with(CK_OBJECT_HANDLE key)
{
    CK_BYTE block[16] = {0}, out[16];
    CK_ULONG len = sizeof(out);
    CK_MECHANISM mech = {CKM_AES_ECB, NULL, 0};
    DO(EncryptInit, world.session, &mech, key);
    if (DO(Encrypt, world.session, block, sizeof(block), out, &len) == CKR_OK)
        record_bytes("out", out, len);
}

/* CKA_ID need not be unique: the first of two such keys is still there, and still itself. */
static void same_id(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE first = on_token(KEY_AES128, CK_TRUE), second = on_token(KEY_AES256, CK_TRUE);
    record_say("other:%d", first != second);
    encrypted_with(first);
    encrypted_with(second);
    DO(DestroyObject, world.session, second);
    encrypted_with(first);
}

static void same_id_later(const void *arg)
{
    (void)arg;
    struct templ with = {.count = 0};
    CK_ATTRIBUTE id = {CKA_ID, "id", 2};
    templ_bool(&with, CKA_TOKEN, CK_TRUE);
    templ_bool(&with, CKA_PRIVATE, CK_TRUE);
    templ_text(&with, CKA_ID, "other");
    CK_OBJECT_HANDLE first = on_token(KEY_AES128, CK_TRUE), second = keys_make(KEY_AES256, &with);
    DO(SetAttributeValue, world.session, second, &id, 1);
    encrypted_with(first);
    encrypted_with(second);
    id = (CK_ATTRIBUTE){CKA_ID, "third", 5};
    DO(SetAttributeValue, world.session, second, &id, 1);
    DO(DestroyObject, world.session, first);
    encrypted_with(second);
}

/* --- copies --- */

static CK_OBJECT_HANDLE copy(CK_OBJECT_HANDLE from, CK_ATTRIBUTE *templ, CK_ULONG count)
{
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    DO(CopyObject, world.session, from, templ, count, &made);
    return made;
}

static void show(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BYTE value[512];
    CK_ATTRIBUTE ask = {type, value, sizeof(value)};
    if (DO(GetAttributeValue, world.session, object, &ask, 1) == CKR_OK)
        record_bytes("value", value, ask.ulValueLen);
}

static void copy_label(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    CK_OBJECT_HANDLE from = keys_make(KEY_AES128, NULL), made = copy(from, &templ, 1);
    record_say("other:%d", made != from);
    show(made, CKA_LABEL);
    show(made, CKA_VALUE);
    show(from, CKA_LABEL);
}

static void copy_outlives(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    CK_OBJECT_HANDLE from = keys_make(KEY_AES128, NULL), made = copy(from, &templ, 1);
    DO(DestroyObject, world.session, from);
    show(made, CKA_VALUE);
}

static void copy_empty_template(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "", 0};
    copy(keys_make(KEY_AES128, NULL), &templ, 0);
}

static void copy_null_template(const void *arg)
{
    (void)arg;
    copy(keys_make(KEY_AES128, NULL), NULL, 0);
    copy(keys_make(KEY_AES128, NULL), NULL, 1);
}

static void copy_null_result(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    DO(CopyObject, world.session, keys_make(KEY_AES128, NULL), &templ, 1, NULL);
}

static void copy_unknown(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    copy(CK_INVALID_HANDLE, &templ, 1);
    copy(0x7ffffff0, &templ, 1);
}

static void copy_to_token(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_TOKEN, &yes, 1};
    CK_OBJECT_HANDLE made = copy(keys_make(KEY_AES128, NULL), &templ, 1);
    show(made, CKA_TOKEN);
    show(made, CKA_VALUE);
}

static void copy_to_token_in_read_only(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_TOKEN, &yes, 1};
    copy(keys_make(KEY_AES128, NULL), &templ, 1);
}

static void copy_token_object(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_TOKEN, &no, 1};
    CK_OBJECT_HANDLE made = copy(on_token(KEY_AES128, CK_TRUE), &templ, 1);
    show(made, CKA_TOKEN);
    show(made, CKA_VALUE);
}

/* The copy is an object of its own. */
static void copy_then_change(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_TOKEN, &no, 1}, label = {CKA_LABEL, "changed", 7},
                 encrypt = {CKA_ENCRYPT, &no, 1};
    CK_OBJECT_HANDLE from = on_token(KEY_AES128, CK_TRUE), made = copy(from, &templ, 1);
    DO(SetAttributeValue, world.session, made, &label, 1);
    show(made, CKA_LABEL);
    show(from, CKA_LABEL);
    DO(SetAttributeValue, world.session, made, &encrypt, 1);
    show(from, CKA_ENCRYPT);
}

static void copy_keeps_the_limits(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    struct templ with = {.count = 0};
    templ_bool(&with, CKA_EXTRACTABLE, CK_FALSE);
    templ_bool(&with, CKA_MODIFIABLE, CK_TRUE);
    templ_bool(&with, CKA_DESTROYABLE, CK_FALSE);
    CK_OBJECT_HANDLE made = copy(keys_make(KEY_AES128, &with), &templ, 1);
    show(made, CKA_EXTRACTABLE);
    show(made, CKA_VALUE);
    show(made, CKA_DESTROYABLE);
    DO(DestroyObject, world.session, made);
}

static void copy_token_to_token(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    CK_OBJECT_HANDLE made = copy(on_token(KEY_AES128, CK_TRUE), &templ, 1);
    show(made, CKA_LABEL);
    show(made, CKA_EXTRACTABLE);
    show(made, CKA_VALUE);
}

static void copy_private_to_public(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_PRIVATE, &no, 1};
    copy(keys_make_with(KEY_AES128, CKA_PRIVATE, CK_TRUE), &templ, 1);
}

static void copy_public_to_private(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_PRIVATE, &yes, 1};
    show(copy(keys_make_with(KEY_AES128, CKA_PRIVATE, CK_FALSE), &templ, 1), CKA_PRIVATE);
}

static void copy_sensitive_to_open(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_SENSITIVE, &no, 1};
    copy(keys_make_with(KEY_AES128, CKA_SENSITIVE, CK_TRUE), &templ, 1);
}

static void copy_open_to_sensitive(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_SENSITIVE, &yes, 1};
    show(copy(keys_make(KEY_AES128, NULL), &templ, 1), CKA_SENSITIVE);
}

static void copy_to_extractable(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_EXTRACTABLE, &yes, 1};
    copy(keys_make_with(KEY_AES128, CKA_EXTRACTABLE, CK_FALSE), &templ, 1);
}

static void copy_other_value(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_VALUE, "sixteen byte val", 16};
    copy(keys_make(KEY_AES128, NULL), &templ, 1);
}

static void copy_other_class(const void *arg)
{
    (void)arg;
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ATTRIBUTE templ = {CKA_CLASS, &class, sizeof(class)};
    copy(keys_make(KEY_AES128, NULL), &templ, 1);
}

static void copy_not_copyable(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    copy(keys_make_with(KEY_AES128, CKA_COPYABLE, CK_FALSE), &templ, 1);
}

static void copy_logged_out(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ = {CKA_LABEL, "a copy", 6};
    CK_OBJECT_HANDLE object = on_token(KEY_AES128, CK_TRUE);
    DO(Logout, world.session);
    copy(object, &templ, 1);
}

/* --- end and size --- */

static void destroy(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE object = keys_make(KEY_AES128, NULL);
    DO(DestroyObject, world.session, object);
    DO(DestroyObject, world.session, object);
    show(object, CKA_LABEL);
}

static void destroy_unknown(const void *arg)
{
    (void)arg;
    DO(DestroyObject, world.session, CK_INVALID_HANDLE);
    DO(DestroyObject, world.session, 0x7ffffff0);
}

static void destroy_token(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE object = on_token(KEY_AES128, CK_TRUE);
    DO(DestroyObject, world.session, object);
    show(object, CKA_LABEL);
}

static void destroy_in_read_only(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE object = on_token(KEY_AES128, CK_TRUE), own = keys_make(KEY_AES128, NULL);
    CK_SESSION_HANDLE ro = world_open(0);
    DO(DestroyObject, ro, object);
    DO(DestroyObject, ro, own);
}

static void destroy_logged_out(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE private = on_token(KEY_AES128, CK_TRUE), public = on_token(KEY_AES256, CK_FALSE);
    DO(Logout, world.session);
    DO(DestroyObject, world.session, private);
    DO(DestroyObject, world.session, public);
}

static void destroy_not_destroyable(const void *arg)
{
    (void)arg;
    DO(DestroyObject, world.session, keys_make_with(KEY_AES128, CKA_DESTROYABLE, CK_FALSE));
}

static void size(const void *arg)
{
    (void)arg;
    CK_ULONG size = 0;
    DO(GetObjectSize, world.session, keys_make(KEY_AES128, NULL), &size);
    record_say("told:%d", size != 0);
}

static void size_bad(const void *arg)
{
    (void)arg;
    CK_ULONG size;
    DO(GetObjectSize, world.session, CK_INVALID_HANDLE, &size);
    DO(GetObjectSize, world.session, 0x7ffffff0, &size);
    DO(GetObjectSize, world.session, keys_make(KEY_AES128, NULL), NULL);
}

void chapter_object(void)
{
    static const struct test tests[] = {
        {"C_CreateObject", "empty-template", SETUP_USER, empty_template},
        {"C_CreateObject", "null-template", SETUP_USER, null_template},
        {"C_CreateObject", "null-result", SETUP_USER, null_result},
        {"C_CreateObject", "without-class", SETUP_USER, without_class},
        {"C_CreateObject", "without-key-type", SETUP_USER, without_key_type},
        {"C_CreateObject", "unknown-class", SETUP_USER, unknown_class},
        {"C_CreateObject", "unknown-key-type", SETUP_USER, unknown_key_type},
        {"C_CreateObject", "unknown-attribute", SETUP_USER, unknown_attribute},
        {"C_CreateObject", "attribute-of-another-class", SETUP_USER, attribute_of_another_class},
        {"C_CreateObject", "attribute-twice", SETUP_USER, attribute_twice},
        {"C_CreateObject", "bad-boolean", SETUP_USER, bad_boolean},
        {"C_CreateObject", "bad-class-length", SETUP_USER, bad_class_length},
        {"C_CreateObject", "bad-value-length", SETUP_USER, bad_value_length},
        {"C_CreateObject", "without-value", SETUP_USER, without_value},
        {"C_CreateObject", "sensitive", SETUP_USER, sensitive},
        {"C_CreateObject", "token-in-read-only", SETUP_RO_USER, token_in_read_only},
        {"C_CreateObject", "session-in-read-only", SETUP_RO_USER, session_in_read_only},
        {"C_CreateObject", "private-in-public", SETUP_PUBLIC, private_in_public},
        {"C_CreateObject", "public-in-public", SETUP_TOKEN, public_in_public},
        {"C_CreateObject", "trusted-by-user", SETUP_USER, trusted_by_user},
        {"C_CreateObject", "token-survives-session", SETUP_TOKEN, token_survives_session},
        {"C_CreateObject", "same-id", SETUP_TOKEN, same_id},
        {"C_SetAttributeValue", "same-id", SETUP_TOKEN, same_id_later},
        {"C_CopyObject", "label", SETUP_USER, copy_label},
        {"C_CopyObject", "outlives-the-original", SETUP_USER, copy_outlives},
        {"C_CopyObject", "empty-template", SETUP_USER, copy_empty_template},
        {"C_CopyObject", "null-template", SETUP_USER, copy_null_template},
        {"C_CopyObject", "null-result", SETUP_USER, copy_null_result},
        {"C_CopyObject", "unknown", SETUP_USER, copy_unknown},
        {"C_CopyObject", "to-token", SETUP_TOKEN, copy_to_token},
        {"C_CopyObject", "to-token-in-read-only", SETUP_RO_USER, copy_to_token_in_read_only},
        {"C_CopyObject", "token-object", SETUP_TOKEN, copy_token_object},
        {"C_CopyObject", "then-change", SETUP_TOKEN, copy_then_change},
        {"C_CopyObject", "keeps-the-limits", SETUP_USER, copy_keeps_the_limits},
        {"C_CopyObject", "token-to-token", SETUP_TOKEN, copy_token_to_token},
        {"C_CopyObject", "private-to-public", SETUP_USER, copy_private_to_public},
        {"C_CopyObject", "public-to-private", SETUP_USER, copy_public_to_private},
        {"C_CopyObject", "sensitive-to-open", SETUP_USER, copy_sensitive_to_open},
        {"C_CopyObject", "open-to-sensitive", SETUP_USER, copy_open_to_sensitive},
        {"C_CopyObject", "to-extractable", SETUP_USER, copy_to_extractable},
        {"C_CopyObject", "other-value", SETUP_USER, copy_other_value},
        {"C_CopyObject", "other-class", SETUP_USER, copy_other_class},
        {"C_CopyObject", "not-copyable", SETUP_USER, copy_not_copyable},
        {"C_CopyObject", "logged-out", SETUP_TOKEN, copy_logged_out},
        {"C_DestroyObject", "twice", SETUP_USER, destroy},
        {"C_DestroyObject", "unknown", SETUP_USER, destroy_unknown},
        {"C_DestroyObject", "token-object", SETUP_TOKEN, destroy_token},
        {"C_DestroyObject", "in-read-only", SETUP_TOKEN, destroy_in_read_only},
        {"C_DestroyObject", "logged-out", SETUP_TOKEN, destroy_logged_out},
        {"C_DestroyObject", "not-destroyable", SETUP_USER, destroy_not_destroyable},
        {"C_GetObjectSize", "success", SETUP_USER, size},
        {"C_GetObjectSize", "bad", SETUP_USER, size_bad},
    };
    static const struct {
        const char *name;
        CK_ATTRIBUTE_TYPE type;
    } made[] = {{"local", CKA_LOCAL},
                {"always-sensitive", CKA_ALWAYS_SENSITIVE},
                {"never-extractable", CKA_NEVER_EXTRACTABLE},
                {"key-gen-mechanism", CKA_KEY_GEN_MECHANISM}};
    world_run_all("object", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        world_run("object", &(struct test){"C_CreateObject", made[i].name, SETUP_USER, read_only_attribute},
                  &made[i].type);
}
