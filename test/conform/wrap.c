/* Wrapping and unwrapping. */
#include <stdio.h>

#include "mech.h"

struct way {
    const char *name;
    CK_MECHANISM_TYPE mech;
    enum key wrapping, unwrapping;
    enum key wrapped;
    bool random; /* the blob is another one each time */
};

static const struct way ways[] = {
    {"KEY_WRAP-AES128", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_AES128, false},
    {"KEY_WRAP-GENERIC", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_GENERIC, false},
    {"KEY_WRAP-DES3", CKM_AES_KEY_WRAP, KEY_AES128, KEY_AES128, KEY_DES3, false},
    {"KEY_WRAP-RSA", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_RSA, false},
    {"KEY_WRAP-EC256", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_EC256, false},
    {"KEY_WRAP-DSA", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_DSA, false},
    {"KEY_WRAP-ED", CKM_AES_KEY_WRAP, KEY_AES256, KEY_AES256, KEY_ED, false},
    {"KEY_WRAP_PAD-AES256", CKM_AES_KEY_WRAP_PAD, KEY_AES256, KEY_AES256, KEY_AES256, false},
    {"KEY_WRAP_PAD-SHORT", CKM_AES_KEY_WRAP_PAD, KEY_AES256, KEY_AES256, KEY_SHORT, false},
    {"KEY_WRAP_PAD-EC384", CKM_AES_KEY_WRAP_PAD, KEY_AES256, KEY_AES256, KEY_EC384, false},
    {"RSA_PKCS-AES128", CKM_RSA_PKCS, KEY_RSA_PUBLIC, KEY_RSA, KEY_AES128, true},
    {"RSA_PKCS-GENERIC", CKM_RSA_PKCS, KEY_RSA_PUBLIC, KEY_RSA, KEY_GENERIC, true},
    {"RSA_PKCS-EC256", CKM_RSA_PKCS, KEY_RSA_PUBLIC, KEY_RSA, KEY_EC256, true},
    {"RSA_OAEP-AES256", CKM_RSA_PKCS_OAEP, KEY_RSA_PUBLIC, KEY_RSA, KEY_AES256, true},
    {"AES_CBC-AES128", CKM_AES_CBC, KEY_AES256, KEY_AES256, KEY_AES128, false},
    {"AES_CBC_PAD-AES128", CKM_AES_CBC_PAD, KEY_AES256, KEY_AES256, KEY_AES128, false},
};

static CK_MECHANISM *mechanism(const struct way *way)
{
    static CK_BYTE iv[16];
    static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    static CK_MECHANISM mech;
    mech = (CK_MECHANISM){way->mech, NULL, 0};
    if (way->mech == CKM_RSA_PKCS_OAEP)
        mech = (CK_MECHANISM){way->mech, &oaep, sizeof(oaep)};
    if (way->mech == CKM_AES_CBC || way->mech == CKM_AES_CBC_PAD)
        mech = (CK_MECHANISM){way->mech, iv, sizeof(iv)};
    return &mech;
}

static CK_BYTE blob[4096];

static CK_RV wrap(const struct way *way, CK_OBJECT_HANDLE key, CK_ULONG *ret_len)
{
    *ret_len = sizeof(blob);
    CK_OBJECT_HANDLE by = keys_make(way->wrapping, NULL);
    CK_RV rv = DO(WrapKey, world.session, mechanism(way), by, key, blob, ret_len);
    if (rv == CKR_OK && !way->random)
        record_bytes("blob", blob, *ret_len);
    return rv;
}

/* What is unwrapped: class and type of what went in. */
static void target(enum key key, CK_BBOOL token, struct templ *ret)
{
    struct templ all;
    keys_templ(key, &all);
    *ret = (struct templ){.count = 0};
    for (CK_ULONG i = 0; i < all.count; i++)
        if (all.at[i].type == CKA_CLASS || all.at[i].type == CKA_KEY_TYPE)
            templ_set(ret, all.at[i].type, all.at[i].pValue, all.at[i].ulValueLen);
    templ_bool(ret, CKA_TOKEN, token);
    templ_text(ret, CKA_LABEL, "unwrapped");
    templ_bool(ret, CKA_SENSITIVE, CK_FALSE);
    templ_bool(ret, CKA_EXTRACTABLE, CK_TRUE);
}

static void value_of(CK_OBJECT_HANDLE key)
{
    CK_BYTE value[512];
    CK_ATTRIBUTE ask = {CKA_VALUE, value, sizeof(value)};
    CK_RV rv = world.p11->C_GetAttributeValue(world.session, key, &ask, 1);
    if (rv == CKR_OK)
        record_bytes("value", value, ask.ulValueLen);
    else
        record_rv("value", rv);
}

static void there_and_back(const struct way *way, CK_BBOOL token)
{
    CK_ULONG len;
    struct templ templ;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    if (wrap(way, keys_make(way->wrapped, NULL), &len) != CKR_OK)
        return;
    target(way->wrapped, token, &templ);
    if (DO(UnwrapKey, world.session, mechanism(way), keys_make(way->unwrapping, NULL), blob, len, templ.at,
           templ.count, &key) != CKR_OK)
        return;
    if (way->wrapped != KEY_RSA)
        value_of(key);
    static const CK_ATTRIBUTE_TYPE flags[] = {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE,
                                              CKA_SIGN, CKA_TOKEN};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        CK_BBOOL flag = 7;
        CK_ATTRIBUTE ask = {flags[i], &flag, 1};
        (void)world.p11->C_GetAttributeValue(world.session, key, &ask, 1);
        record_say("%d", flag);
    }
}

static void to_session(const void *arg)
{
    there_and_back(arg, CK_FALSE);
}

static void to_token(const void *arg)
{
    there_and_back(arg, CK_TRUE);
}

static void wrap_lengths(const void *arg)
{
    const struct way *way = arg;
    CK_ULONG len = 0;
    CK_OBJECT_HANDLE by = keys_make(way->wrapping, NULL), key = keys_make(way->wrapped, NULL);
    DO(WrapKey, world.session, mechanism(way), by, key, NULL, &len);
    record_say("len=%lu", len);
    len = 1;
    DO(WrapKey, world.session, mechanism(way), by, key, blob, &len);
    record_say("len=%lu", len);
}

static void wrap_not_extractable(const void *arg)
{
    (void)arg;
    CK_ULONG len;
    wrap(&ways[0], keys_make_with(KEY_AES128, CKA_EXTRACTABLE, CK_FALSE), &len);
}

static void wrap_not_allowed(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(blob);
    DO(WrapKey, world.session, mechanism(&ways[0]), keys_make_with(KEY_AES256, CKA_WRAP, CK_FALSE),
       keys_make(KEY_AES128, NULL), blob, &len);
}

static void wrap_with_trusted(const void *arg)
{
    (void)arg;
    CK_ULONG len;
    wrap(&ways[0], keys_make_with(KEY_AES128, CKA_WRAP_WITH_TRUSTED, CK_TRUE), &len);
}

static void wrap_handles(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(blob);
    CK_OBJECT_HANDLE by = keys_make(KEY_AES256, NULL), key = keys_make(KEY_AES128, NULL);
    CK_MECHANISM *mech = mechanism(&ways[0]);
    DO(WrapKey, world.session, mech, CK_INVALID_HANDLE, key, blob, &len);
    DO(WrapKey, world.session, mech, by, CK_INVALID_HANDLE, blob, &len);
    DO(WrapKey, world.session, mech, keys_make(KEY_RSA_PUBLIC, NULL), key, blob, &len);
    DO(WrapKey, world.session, mech, by, keys_make(KEY_RSA_PUBLIC, NULL), blob, &len);
    DO(WrapKey, world.session, mech, by, keys_make(KEY_CERTIFICATE, NULL), blob, &len);
}

static void wrap_mechanism(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(blob);
    CK_MECHANISM sha = {CKM_SHA256, NULL, 0}, odd = {CKM_AES_KEY_WRAP, "x", 1};
    CK_OBJECT_HANDLE by = keys_make(KEY_AES256, NULL), key = keys_make(KEY_AES128, NULL);
    DO(WrapKey, world.session, &sha, by, key, blob, &len);
    DO(WrapKey, world.session, &odd, by, key, blob, &len);
    DO(WrapKey, world.session, NULL, by, key, blob, &len);
    DO(WrapKey, world.session, mechanism(&ways[0]), by, key, blob, NULL);
}

static void unwrap_with(CK_OBJECT_HANDLE by, CK_BYTE *from, CK_ULONG len, struct templ *templ)
{
    CK_OBJECT_HANDLE key;
    DO(UnwrapKey, world.session, mechanism(&ways[0]), by, from, len, templ->at, templ->count, &key);
}

static CK_ULONG good_blob(void)
{
    CK_ULONG len = sizeof(blob);
    if (world.p11->C_WrapKey(world.session, mechanism(&ways[0]), keys_make(KEY_AES256, NULL),
                             keys_make(KEY_AES128, NULL), blob, &len) != CKR_OK)
        return 24;
    return len;
}

static void unwrap_damaged(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_ULONG len = good_blob();
    target(KEY_AES128, CK_FALSE, &templ);
    blob[3] ^= 1;
    unwrap_with(keys_make(KEY_AES256, NULL), blob, len, &templ);
    unwrap_with(keys_make(KEY_AES256, NULL), blob, len - 1, &templ);
    unwrap_with(keys_make(KEY_AES256, NULL), blob, 0, &templ);
}

static void unwrap_handles(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_ULONG len = good_blob();
    target(KEY_AES128, CK_FALSE, &templ);
    unwrap_with(CK_INVALID_HANDLE, blob, len, &templ);
    unwrap_with(keys_make(KEY_RSA, NULL), blob, len, &templ);
    unwrap_with(keys_make_with(KEY_AES256, CKA_UNWRAP, CK_FALSE), blob, len, &templ);
    unwrap_with(keys_make(KEY_AES192, NULL), blob, len, &templ);
}

static void unwrap_templates(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_ULONG len = good_blob();
    CK_OBJECT_HANDLE by = keys_make(KEY_AES256, NULL);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_drop(&templ, CKA_KEY_TYPE);
    unwrap_with(by, blob, len, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_drop(&templ, CKA_CLASS);
    unwrap_with(by, blob, len, &templ);
    target(KEY_EC256, CK_FALSE, &templ);
    unwrap_with(by, blob, len, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    unwrap_with(by, blob, len, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_text(&templ, 0x12345678, "what");
    unwrap_with(by, blob, len, &templ);
}

static void unwrap_null(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_OBJECT_HANDLE by = keys_make(KEY_AES256, NULL), key;
    CK_ULONG len = good_blob();
    target(KEY_AES128, CK_FALSE, &templ);
    DO(UnwrapKey, world.session, NULL, by, blob, len, templ.at, templ.count, &key);
    DO(UnwrapKey, world.session, mechanism(&ways[0]), by, NULL, len, templ.at, templ.count, &key);
    DO(UnwrapKey, world.session, mechanism(&ways[0]), by, blob, len, templ.at, templ.count, NULL);
}

/* What was unwrapped in the session, and only then copied to the token. */
static void copy_unwrapped(const void *arg)
{
    const struct way *way = arg;
    CK_ULONG len;
    struct templ templ;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE to_token = {CKA_TOKEN, &yes, sizeof(yes)};
    CK_OBJECT_HANDLE key, copy;
    if (wrap(way, keys_make(way->wrapped, NULL), &len) != CKR_OK)
        return;
    target(way->wrapped, CK_FALSE, &templ);
    if (DO(UnwrapKey, world.session, mechanism(way), keys_make(way->unwrapping, NULL), blob, len, templ.at,
           templ.count, &key) == CKR_OK)
        DO(CopyObject, world.session, key, &to_token, 1, &copy);
}

static void unwrap_in_read_only(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_ULONG len = good_blob();
    target(KEY_AES128, CK_TRUE, &templ);
    unwrap_with(keys_make(KEY_AES256, NULL), blob, len, &templ);
}

void chapter_wrap(void)
{
    static const struct test tests[] = {
        {"C_WrapKey", "not-extractable", SETUP_USER, wrap_not_extractable},
        {"C_WrapKey", "not-allowed", SETUP_USER, wrap_not_allowed},
        {"C_WrapKey", "with-trusted", SETUP_USER, wrap_with_trusted},
        {"C_WrapKey", "handles", SETUP_USER, wrap_handles},
        {"C_WrapKey", "mechanism", SETUP_USER, wrap_mechanism},
        {"C_UnwrapKey", "damaged", SETUP_USER, unwrap_damaged},
        {"C_UnwrapKey", "handles", SETUP_USER, unwrap_handles},
        {"C_UnwrapKey", "templates", SETUP_USER, unwrap_templates},
        {"C_UnwrapKey", "null", SETUP_USER, unwrap_null},
        {"C_UnwrapKey", "in-read-only", SETUP_RO_USER, unwrap_in_read_only},
    };
    static const struct {
        const char *function, *suffix;
        void (*run)(const void *arg);
    } steps[] = {{"C_WrapKey", "lengths", wrap_lengths},
                 {"C_UnwrapKey", "to-session", to_session},
                 {"C_UnwrapKey", "to-token", to_token},
                 {"C_CopyObject", "copied-to-token", copy_unwrapped}};
    world_run_all("wrap", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            char name[60];
            snprintf(name, sizeof(name), "%s.%s", ways[i].name, steps[j].suffix);
            world_run("wrap", &(struct test){steps[j].function, name, SETUP_TOKEN, steps[j].run}, &ways[i]);
        }
}
