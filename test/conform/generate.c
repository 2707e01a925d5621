/* Key generation. */
#include <stdio.h>

#include "keys.h"

struct kind {
    const char *name;
    CK_MECHANISM_TYPE mech;
    CK_ATTRIBUTE_TYPE wanted; /* what says how large it is to be */
    const void *value;
    CK_ULONG len;
};

static const CK_ULONG bits = 1024, sixteen = 16, twenty_four = 24, thirty_two = 32, forty = 40;
static const struct kind secrets[] = {
    {"AES-16", CKM_AES_KEY_GEN, CKA_VALUE_LEN, &sixteen, sizeof(CK_ULONG)},
    {"AES-24", CKM_AES_KEY_GEN, CKA_VALUE_LEN, &twenty_four, sizeof(CK_ULONG)},
    {"AES-32", CKM_AES_KEY_GEN, CKA_VALUE_LEN, &thirty_two, sizeof(CK_ULONG)},
    {"GENERIC-40", CKM_GENERIC_SECRET_KEY_GEN, CKA_VALUE_LEN, &forty, sizeof(CK_ULONG)},
    {"DES2", CKM_DES2_KEY_GEN, CKA_LABEL, "x", 1},
    {"DES3", CKM_DES3_KEY_GEN, CKA_LABEL, "x", 1},
};
static const struct kind pairs[] = {
    {"RSA-1024", CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, &bits, sizeof(bits)},
    {"EC-P256", CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, keys_p256, sizeof(keys_p256)},
    {"EC-P384", CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, keys_p384, sizeof(keys_p384)},
    {"EC-P521", CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, keys_p521, sizeof(keys_p521)},
};

static void base(struct templ *templ, bool token)
{
    *templ = (struct templ){.count = 0};
    templ_bool(templ, CKA_TOKEN, token);
    templ_text(templ, CKA_LABEL, "made");
    templ_text(templ, CKA_ID, "m");
}

static void read_flags(CK_OBJECT_HANDLE object)
{
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_CLASS,
                                              CKA_TOKEN,
                                              CKA_PRIVATE,
                                              CKA_LABEL,
                                              CKA_KEY_TYPE,
                                              CKA_LOCAL,
                                              CKA_SENSITIVE,
                                              CKA_ENCRYPT,
                                              CKA_DECRYPT,
                                              CKA_SIGN,
                                              CKA_VERIFY,
                                              CKA_WRAP,
                                              CKA_UNWRAP,
                                              CKA_DERIVE,
                                              CKA_EXTRACTABLE,
                                              CKA_ALWAYS_SENSITIVE,
                                              CKA_NEVER_EXTRACTABLE,
                                              CKA_KEY_GEN_MECHANISM,
                                              CKA_MODIFIABLE,
                                              CKA_COPYABLE,
                                              CKA_DESTROYABLE,
                                              CKA_VALUE_LEN,
                                              CKA_MODULUS_BITS,
                                              CKA_PUBLIC_EXPONENT,
                                              CKA_EC_PARAMS};
    world_read(object, types, ARRAY_LEN(types));
}

static void secret(const struct kind *kind, bool token)
{
    struct templ templ;
    CK_MECHANISM mech = {kind->mech, NULL, 0};
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    base(&templ, token);
    templ_set(&templ, kind->wanted, kind->value, kind->len);
    if (DO(GenerateKey, world.session, &mech, templ.at, templ.count, &key) == CKR_OK)
        read_flags(key);
}

static void secret_session(const void *arg)
{
    secret(arg, false);
}

static void secret_token(const void *arg)
{
    secret(arg, true);
}

/* Of an RSA pair softokn wants to be told the exponent too. */
static void wanted(const struct kind *kind, struct templ *public)
{
    templ_set(public, kind->wanted, kind->value, kind->len);
    if (kind->wanted == CKA_MODULUS_BITS)
        templ_set(public, CKA_PUBLIC_EXPONENT, "\1\0\1", 3);
}

static void pair(const struct kind *kind, bool token)
{
    struct templ public, private;
    CK_MECHANISM mech = {kind->mech, NULL, 0};
    CK_OBJECT_HANDLE one = CK_INVALID_HANDLE, two = CK_INVALID_HANDLE;
    base(&public, token);
    base(&private, token);
    wanted(kind, &public);
    if (DO(GenerateKeyPair, world.session, &mech, public.at, public.count, private.at, private.count, &one,
           &two) != CKR_OK)
        return;
    read_flags(one);
    record_say("|");
    read_flags(two);
}

static void pair_session(const void *arg)
{
    pair(arg, false);
}

static void pair_token(const void *arg)
{
    pair(arg, true);
}

/* The private half signs, the public one verifies. */
static void pair_works(const void *arg)
{
    const struct kind *kind = arg;
    struct templ public, private;
    CK_MECHANISM make = {kind->mech, NULL, 0};
    CK_MECHANISM use = {kind->mech == CKM_EC_KEY_PAIR_GEN ? CKM_ECDSA : CKM_RSA_PKCS, NULL, 0};
    CK_OBJECT_HANDLE one = CK_INVALID_HANDLE, two = CK_INVALID_HANDLE;
    CK_BYTE data[20] = "twenty bytes to sign", signature[256];
    CK_ULONG len = sizeof(signature);
    base(&public, true);
    base(&private, true);
    wanted(kind, &public);
    DO(GenerateKeyPair, world.session, &make, public.at, public.count, private.at, private.count, &one, &two);
    DO(SignInit, world.session, &use, two);
    DO(Sign, world.session, data, sizeof(data), signature, &len);
    record_say("len=%lu", len);
    DO(VerifyInit, world.session, &use, one);
    DO(Verify, world.session, data, sizeof(data), signature, len);
}

static CK_RV aes(CK_ATTRIBUTE *templ, CK_ULONG count, CK_MECHANISM *mech)
{
    CK_OBJECT_HANDLE key;
    return DO(GenerateKey, world.session, mech, templ, count, &key);
}

static CK_MECHANISM aes_gen = {CKM_AES_KEY_GEN, NULL, 0};

static void without_length(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    aes(templ.at, templ.count, &aes_gen);
    aes(NULL, 0, &aes_gen);
}

static void bad_length(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 17);
    aes(templ.at, templ.count, &aes_gen);
    templ_ulong(&templ, CKA_VALUE_LEN, 0);
    aes(templ.at, templ.count, &aes_gen);
}

static void bad_mechanism(const void *arg)
{
    (void)arg;
    CK_MECHANISM cbc = {CKM_AES_CBC, NULL, 0}, unknown = {0x7f001234, NULL, 0},
                 rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    aes(templ.at, templ.count, &cbc);
    aes(templ.at, templ.count, &unknown);
    aes(templ.at, templ.count, &rsa);
    aes(templ.at, templ.count, NULL);
}

static void bad_arguments(const void *arg)
{
    (void)arg;
    DO(GenerateKey, world.session, &aes_gen, NULL, 1, NULL);
    aes(NULL, 1, &aes_gen);
}

static void other_class(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    templ_ulong(&templ, CKA_CLASS, CKO_DATA);
    aes(templ.at, templ.count, &aes_gen);
    templ_ulong(&templ, CKA_CLASS, CKO_SECRET_KEY);
    templ_ulong(&templ, CKA_KEY_TYPE, CKK_DES3);
    aes(templ.at, templ.count, &aes_gen);
}

static void with_value(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    templ_text(&templ, CKA_VALUE, "sixteen byte val");
    aes(templ.at, templ.count, &aes_gen);
}

static void unknown_attribute(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    templ_text(&templ, 0x12345678, "what");
    aes(templ.at, templ.count, &aes_gen);
}

static void in_read_only(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, true);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    aes(templ.at, templ.count, &aes_gen);
    templ_bool(&templ, CKA_TOKEN, CK_FALSE);
    aes(templ.at, templ.count, &aes_gen);
}

static void in_public(const void *arg)
{
    (void)arg;
    struct templ templ;
    base(&templ, false);
    templ_ulong(&templ, CKA_VALUE_LEN, 16);
    aes(templ.at, templ.count, &aes_gen);
    templ_bool(&templ, CKA_PRIVATE, CK_FALSE);
    aes(templ.at, templ.count, &aes_gen);
}

static void flags_given(const void *arg)
{
    (void)arg;
    struct templ templ;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    base(&templ, true);
    templ_ulong(&templ, CKA_VALUE_LEN, 32);
    templ_bool(&templ, CKA_EXTRACTABLE, CK_TRUE);
    templ_bool(&templ, CKA_SENSITIVE, CK_FALSE);
    templ_bool(&templ, CKA_SIGN, CK_FALSE);
    templ_bool(&templ, CKA_DERIVE, CK_TRUE);
    templ_bool(&templ, CKA_MODIFIABLE, CK_FALSE);
    if (DO(GenerateKey, world.session, &aes_gen, templ.at, templ.count, &key) == CKR_OK)
        read_flags(key);
}

static CK_RV rsa(struct templ *public, struct templ *private)
{
    templ_set(public, CKA_PUBLIC_EXPONENT, "\1\0\1", 3);
    CK_MECHANISM mech = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE one, two;
    return DO(GenerateKeyPair, world.session, &mech, public->at, public->count, private->at, private->count,
              &one, &two);
}

static void pair_bad(const void *arg)
{
    (void)arg;
    struct templ public, private;
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, aes_mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE one, two;
    base(&public, false);
    base(&private, false);
    rsa(&public, &private);
    templ_ulong(&public, CKA_MODULUS_BITS, 100);
    rsa(&public, &private);
    DO(GenerateKeyPair, world.session, &ec, public.at, public.count, private.at, private.count, &one, &two);
    DO(GenerateKeyPair, world.session, &aes_mech, public.at, public.count, private.at, private.count, &one,
       &two);
    DO(GenerateKeyPair, world.session, NULL, public.at, public.count, private.at, private.count, &one, &two);
    DO(GenerateKeyPair, world.session, &ec, public.at, public.count, private.at, private.count, NULL, &two);
}

static void pair_curve(const void *arg)
{
    (void)arg;
    struct templ public, private;
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE one, two;
    base(&public, false);
    base(&private, false);
    templ_set(&public, CKA_EC_PARAMS, keys_p256, 5);
    DO(GenerateKeyPair, world.session, &ec, public.at, public.count, private.at, private.count, &one, &two);
}

static void pair_in_read_only(const void *arg)
{
    (void)arg;
    struct templ public, private;
    base(&public, true);
    base(&private, true);
    templ_ulong(&public, CKA_MODULUS_BITS, 1024);
    rsa(&public, &private);
    templ_bool(&public, CKA_TOKEN, CK_FALSE);
    rsa(&public, &private);
}

static void pair_in_public(const void *arg)
{
    (void)arg;
    struct templ public, private;
    base(&public, false);
    base(&private, false);
    templ_ulong(&public, CKA_MODULUS_BITS, 1024);
    rsa(&public, &private);
}

void chapter_generate(void)
{
    static const struct test tests[] = {
        {"C_GenerateKey", "without-length", SETUP_USER, without_length},
        {"C_GenerateKey", "bad-length", SETUP_USER, bad_length},
        {"C_GenerateKey", "bad-mechanism", SETUP_USER, bad_mechanism},
        {"C_GenerateKey", "bad-arguments", SETUP_USER, bad_arguments},
        {"C_GenerateKey", "other-class", SETUP_USER, other_class},
        {"C_GenerateKey", "with-value", SETUP_USER, with_value},
        {"C_GenerateKey", "unknown-attribute", SETUP_USER, unknown_attribute},
        {"C_GenerateKey", "in-read-only", SETUP_RO_USER, in_read_only},
        {"C_GenerateKey", "in-public", SETUP_PUBLIC, in_public},
        {"C_GenerateKey", "flags-given", SETUP_TOKEN, flags_given},
        {"C_GenerateKeyPair", "bad", SETUP_USER, pair_bad},
        {"C_GenerateKeyPair", "unknown-curve", SETUP_USER, pair_curve},
        {"C_GenerateKeyPair", "in-read-only", SETUP_RO_USER, pair_in_read_only},
        {"C_GenerateKeyPair", "in-public", SETUP_PUBLIC, pair_in_public},
    };
    static const struct {
        const char *suffix;
        void (*run)(const void *arg);
    } secret_steps[] = {{"session", secret_session}, {"token", secret_token}},
      pair_steps[] = {{"session", pair_session}, {"token", pair_token}, {"works", pair_works}};
    char name[40];
    world_run_all("generate", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        for (size_t j = 0; j < ARRAY_LEN(secret_steps); j++) {
            snprintf(name, sizeof(name), "%s.%s", secrets[i].name, secret_steps[j].suffix);
            world_run("generate", &(struct test){"C_GenerateKey", name, SETUP_TOKEN, secret_steps[j].run},
                      &secrets[i]);
        }
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        for (size_t j = 0; j < ARRAY_LEN(pair_steps); j++) {
            snprintf(name, sizeof(name), "%s.%s", pairs[i].name, pair_steps[j].suffix);
            world_run("generate", &(struct test){"C_GenerateKeyPair", name, SETUP_TOKEN, pair_steps[j].run},
                      &pairs[i]);
        }
}
