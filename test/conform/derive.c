/* Key derivation. */
#include <stdio.h>

#include "keys.h"

enum { DATA = 32 };

static CK_BYTE data[DATA] = "thirty-two bytes to derive from.", public[512];
static CK_ECDH1_DERIVE_PARAMS ecdh;
static CK_KEY_DERIVATION_STRING_DATA string = {data, DATA};
static CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc;
static CK_DES_CBC_ENCRYPT_DATA_PARAMS des_cbc;

struct way {
    const char *name;
    CK_MECHANISM_TYPE mech;
    enum key base, made;
};

static const struct way ways[] = {
    {"ECDH1-P256", CKM_ECDH1_DERIVE, KEY_EC256, KEY_AES128},
    {"ECDH1-P384", CKM_ECDH1_DERIVE, KEY_EC384, KEY_AES256},
    {"ECDH1-P256-GENERIC", CKM_ECDH1_DERIVE, KEY_EC256, KEY_GENERIC},
    {"DH", CKM_DH_PKCS_DERIVE, KEY_DH, KEY_AES256},
    {"AES_ECB_DATA", CKM_AES_ECB_ENCRYPT_DATA, KEY_AES128, KEY_AES256},
    {"AES_CBC_DATA", CKM_AES_CBC_ENCRYPT_DATA, KEY_AES128, KEY_AES128},
    {"DES3_ECB_DATA", CKM_DES3_ECB_ENCRYPT_DATA, KEY_DES3, KEY_AES128},
    {"DES3_CBC_DATA", CKM_DES3_CBC_ENCRYPT_DATA, KEY_DES3, KEY_AES256},
    {"CONCATENATE", CKM_CONCATENATE_BASE_AND_DATA, KEY_AES128, KEY_GENERIC},
};

static CK_MECHANISM *mechanism(const struct way *way)
{
    static CK_MECHANISM mech;
    mech = (CK_MECHANISM){way->mech, &string, sizeof(string)};
    if (way->mech == CKM_ECDH1_DERIVE) {
        CK_ULONG len = keys_point(way->base, false, public, sizeof(public));
        ecdh = (CK_ECDH1_DERIVE_PARAMS){CKD_NULL, 0, NULL, len, public};
        mech.pParameter = &ecdh;
        mech.ulParameterLen = sizeof(ecdh);
    } else if (way->mech == CKM_DH_PKCS_DERIVE) {
        mech.ulParameterLen = keys_dh_public(public);
        mech.pParameter = public;
    } else if (way->mech == CKM_AES_CBC_ENCRYPT_DATA) {
        cbc = (CK_AES_CBC_ENCRYPT_DATA_PARAMS){.pData = data, .length = DATA};
        mech.pParameter = &cbc;
        mech.ulParameterLen = sizeof(cbc);
    } else if (way->mech == CKM_DES3_CBC_ENCRYPT_DATA) {
        des_cbc = (CK_DES_CBC_ENCRYPT_DATA_PARAMS){.pData = data, .length = DATA};
        mech.pParameter = &des_cbc;
        mech.ulParameterLen = sizeof(des_cbc);
    }
    return &mech;
}

static void target(enum key key, CK_BBOOL token, struct templ *ret)
{
    CK_ULONG len;
    *ret = (struct templ){.count = 0};
    (void)keys_value(key, &len);
    templ_ulong(ret, CKA_CLASS, CKO_SECRET_KEY);
    templ_ulong(ret, CKA_KEY_TYPE, key == KEY_GENERIC ? CKK_GENERIC_SECRET : CKK_AES);
    templ_ulong(ret, CKA_VALUE_LEN, key == KEY_GENERIC ? 32 : len);
    templ_bool(ret, CKA_TOKEN, token);
    templ_text(ret, CKA_LABEL, "derived");
    templ_bool(ret, CKA_SENSITIVE, CK_FALSE);
    templ_bool(ret, CKA_EXTRACTABLE, CK_TRUE);
}

static CK_RV derive(CK_MECHANISM *mech, CK_OBJECT_HANDLE base, struct templ *templ)
{
    CK_BYTE value[128];
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_ATTRIBUTE ask = {CKA_VALUE, value, sizeof(value)};
    CK_RV rv = DO(DeriveKey, world.session, mech, base, templ->at, templ->count, &key);
    if (rv == CKR_OK && world.p11->C_GetAttributeValue(world.session, key, &ask, 1) == CKR_OK)
        record_bytes("value", value, ask.ulValueLen);
    return rv;
}

static void to_session(const void *arg)
{
    const struct way *way = arg;
    struct templ templ;
    target(way->made, CK_FALSE, &templ);
    derive(mechanism(way), keys_make(way->base, NULL), &templ);
}

static void to_token(const void *arg)
{
    const struct way *way = arg;
    struct templ templ;
    target(way->made, CK_TRUE, &templ);
    derive(mechanism(way), keys_make(way->base, NULL), &templ);
}

static void not_allowed(const void *arg)
{
    const struct way *way = arg;
    struct templ templ;
    target(way->made, CK_FALSE, &templ);
    derive(mechanism(way), keys_make_with(way->base, CKA_DERIVE, CK_FALSE), &templ);
}

static void other_key(const void *arg)
{
    const struct way *way = arg;
    struct templ templ;
    target(way->made, CK_FALSE, &templ);
    derive(mechanism(way), keys_make(KEY_RSA, NULL), &templ);
}

static void no_parameter(const void *arg)
{
    const struct way *way = arg;
    struct templ templ;
    CK_MECHANISM mech = {way->mech, NULL, 0};
    target(way->made, CK_FALSE, &templ);
    derive(&mech, keys_make(way->base, NULL), &templ);
}

static void handles(const void *arg)
{
    (void)arg;
    struct templ templ;
    target(KEY_AES128, CK_FALSE, &templ);
    derive(mechanism(&ways[0]), CK_INVALID_HANDLE, &templ);
    derive(mechanism(&ways[0]), keys_make(KEY_CERTIFICATE, NULL), &templ);
}

static void mechanisms(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_MECHANISM sha = {CKM_SHA256, NULL, 0};
    CK_OBJECT_HANDLE base = keys_make(KEY_EC256, NULL);
    target(KEY_AES128, CK_FALSE, &templ);
    derive(&sha, base, &templ);
    derive(NULL, base, &templ);
}

static void templates(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_OBJECT_HANDLE base = keys_make(KEY_EC256, NULL);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_drop(&templ, CKA_VALUE_LEN);
    derive(mechanism(&ways[0]), base, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_ulong(&templ, CKA_VALUE_LEN, 64);
    derive(mechanism(&ways[0]), base, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_ulong(&templ, CKA_CLASS, CKO_PRIVATE_KEY);
    derive(mechanism(&ways[0]), base, &templ);
    target(KEY_AES128, CK_FALSE, &templ);
    templ_text(&templ, 0x12345678, "what");
    derive(mechanism(&ways[0]), base, &templ);
}

static void in_read_only(const void *arg)
{
    (void)arg;
    struct templ templ;
    target(KEY_AES128, CK_TRUE, &templ);
    derive(mechanism(&ways[0]), keys_make(KEY_EC256, NULL), &templ);
}

static void bad_point(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_OBJECT_HANDLE base = keys_make(KEY_EC256, NULL);
    CK_MECHANISM *mech = mechanism(&ways[0]);
    public[5] ^= 1;
    target(KEY_AES128, CK_FALSE, &templ);
    derive(mech, base, &templ);
    ecdh.ulPublicDataLen = 3;
    derive(mech, base, &templ);
}

/* Base and copy: the derived key outlives both. */
static void outlives(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_OBJECT_HANDLE base = keys_make(KEY_EC256, NULL), key = CK_INVALID_HANDLE;
    CK_ULONG size;
    target(KEY_AES128, CK_FALSE, &templ);
    if (DO(DeriveKey, world.session, mechanism(&ways[0]), base, templ.at, templ.count, &key) != CKR_OK)
        return;
    DO(DestroyObject, world.session, base);
    DO(GetObjectSize, world.session, key, &size);
}

void chapter_derive(void)
{
    static const struct test tests[] = {
        {"C_DeriveKey", "handles", SETUP_USER, handles},
        {"C_DeriveKey", "mechanisms", SETUP_USER, mechanisms},
        {"C_DeriveKey", "templates", SETUP_USER, templates},
        {"C_DeriveKey", "in-read-only", SETUP_RO_USER, in_read_only},
        {"C_DeriveKey", "bad-point", SETUP_USER, bad_point},
        {"C_DeriveKey", "outlives-its-base", SETUP_USER, outlives},
    };
    static const struct {
        const char *suffix;
        void (*run)(const void *arg);
    } steps[] = {{"to-session", to_session},
                 {"to-token", to_token},
                 {"not-allowed", not_allowed},
                 {"other-key", other_key},
                 {"no-parameter", no_parameter}};
    world_run_all("derive", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            char name[60];
            snprintf(name, sizeof(name), "%s.%s", ways[i].name, steps[j].suffix);
            world_run("derive", &(struct test){"C_DeriveKey", name, SETUP_TOKEN, steps[j].run}, &ways[i]);
        }
}
