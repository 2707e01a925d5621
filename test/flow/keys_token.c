/*
 * Keys that are unwrapped and derived to the token are on every member, as what they were; keys of every kind
 * travel wrapped; and what they are stays as it was asked for.
 */
#include "test/lib/keys_world.h"

#include <stdio.h>
#include <string.h>

static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_OBJECT_HANDLE kek, rsa_public, rsa_private;
static CK_BYTE text[32] = "thirty-two bytes are signed here";

static CK_ULONG result(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type, CK_BYTE *out)
{
    CK_MECHANISM mech = {type, NULL, 0};
    CK_ULONG len = 512;
    if (type == CKM_AES_ECB) {
        NEED(ha.f->C_EncryptInit(ha.session, &mech, key));
        NEED(ha.f->C_Encrypt(ha.session, text, sizeof(text), out, &len));
    } else {
        NEED(ha.f->C_SignInit(ha.session, &mech, key));
        NEED(ha.f->C_Sign(ha.session, text, sizeof(text), out, &len));
    }
    return len;
}

/* A key whose results are the same whenever they come of the same key. */
struct sample {
    const char *name;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    CK_MECHANISM_TYPE use;
    CK_OBJECT_HANDLE handle;
    CK_BYTE expected[512];
    CK_ULONG expected_len;
};
static struct sample samples[] = {
    {.name = "aes", .class = CKO_SECRET_KEY, .type = CKK_AES, .use = CKM_AES_ECB},
    {.name = "hmac-64", .class = CKO_SECRET_KEY, .type = CKK_GENERIC_SECRET, .use = CKM_SHA256_HMAC},
    {.name = "hmac-75", .class = CKO_SECRET_KEY, .type = CKK_GENERIC_SECRET, .use = CKM_SHA256_HMAC},
    {.name = "hmac-24", .class = CKO_SECRET_KEY, .type = CKK_GENERIC_SECRET, .use = CKM_SHA_1_HMAC},
    {.name = "rsa", .class = CKO_PRIVATE_KEY, .type = CKK_RSA, .use = CKM_RSA_PKCS},
};
enum { AES, HMAC_64, HMAC_75, HMAC_24, RSA, SAMPLES };

static void make_samples(void)
{
    CK_MECHANISM secret = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0}, pair = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    samples[AES].handle = keys_world_aes(&ha, "sample-aes", false, true);
    static const CK_ULONG len[] = {[HMAC_64] = 64, [HMAC_75] = 75, [HMAC_24] = 24};
    for (int i = HMAC_64; i <= HMAC_24; i++) {
        CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, len[i]), TRUTH(CKA_SIGN, CK_TRUE),
                                TRUTH(CKA_EXTRACTABLE, CK_TRUE)};
        NEED(ha.f->C_GenerateKey(ha.session, &secret, templ, COUNT(templ), &samples[i].handle));
    }
    CK_ATTRIBUTE public[] = {NUMBER(CKA_MODULUS_BITS, 2048), TRUTH(CKA_WRAP, CK_TRUE),
                             TRUTH(CKA_ENCRYPT, CK_TRUE)};
    CK_ATTRIBUTE private[] = {TRUTH(CKA_SIGN, CK_TRUE), TRUTH(CKA_EXTRACTABLE, CK_TRUE),
                              TRUTH(CKA_UNWRAP, CK_TRUE)};
    NEED(ha.f->C_GenerateKeyPair(ha.session, &pair, public, COUNT(public), private, COUNT(private),
                                 &rsa_public, &rsa_private));
    samples[RSA].handle = rsa_private;
    for (int i = 0; i < SAMPLES; i++)
        samples[i].expected_len = result(samples[i].handle, samples[i].use, samples[i].expected);
}

static void assert_is(const struct sample *sample, CK_OBJECT_HANDLE key)
{
    CK_BYTE now[512];
    assert_int_equal(result(key, sample->use, now), sample->expected_len);
    assert_memory_equal(now, sample->expected, sample->expected_len);
}

static CK_RSA_PKCS_OAEP_PARAMS oaep = {
    .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
static const struct way {
    const char *name;
    CK_MECHANISM mech;
    bool rsa;         /* under the RSA pair, else under the AES key */
    unsigned samples; /* bits: which keys it keeps whole on SoftHSM */
} ways[] = {
    {"key wrap", {CKM_AES_KEY_WRAP, NULL, 0}, false, 1 << AES | 1 << HMAC_64 | 1 << HMAC_24 | 1 << RSA},
    {"key wrap pad", {0x210a, NULL, 0}, false, 1 << AES | 1 << HMAC_64 | 1 << HMAC_24 | 1 << RSA},
    {"RSA PKCS#1", {CKM_RSA_PKCS, NULL, 0}, true, 1 << AES | 1 << HMAC_64 | 1 << HMAC_24 | 1 << HMAC_75},
    {"OAEP",
     {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)},
     true,
     1 << AES | 1 << HMAC_64 | 1 << HMAC_24 | 1 << HMAC_75}};

static CK_OBJECT_HANDLE travel(const struct way *way, const struct sample *sample, bool token,
                               const char *label)
{
    CK_BYTE blob[2048];
    CK_ULONG len = sizeof(blob), asked = 0;
    CK_OBJECT_HANDLE made;
    CK_MECHANISM mech = way->mech;
    CK_OBJECT_HANDLE with = way->rsa ? rsa_public : kek, back = way->rsa ? rsa_private : kek;
    NEED(ha.f->C_WrapKey(ha.session, &mech, with, sample->handle, NULL, &asked));
    NEED(ha.f->C_WrapKey(ha.session, &mech, with, sample->handle, blob, &len));
    assert_int_equal(len, asked);
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, sample->class), NUMBER(CKA_KEY_TYPE, sample->type),
                            TRUTH(CKA_TOKEN, token),          TRUTH(CKA_SENSITIVE, CK_TRUE),
                            TRUTH(CKA_EXTRACTABLE, CK_FALSE), TRUTH(CKA_SIGN, CK_TRUE),
                            TRUTH(CKA_ENCRYPT, CK_TRUE),      BYTES(CKA_LABEL, label, strlen(label))};
    /* A private key does not encrypt. */
    CK_ULONG count = COUNT(templ);
    if (sample->class == CKO_PRIVATE_KEY)
        templ[6] = templ[--count];
    NEED(ha.f->C_UnwrapKey(ha.session, &mech, back, blob, len, templ, count, &made));
    return made;
}

static void to_a_session(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT(ways); w++)
        for (int i = 0; i < SAMPLES; i++) {
            if (!(ways[w].samples & 1u << i))
                continue;
            print_message("%s by %s\n", samples[i].name, ways[w].name);
            CK_OBJECT_HANDLE made = travel(&ways[w], &samples[i], false, "session");
            assert_is(&samples[i], made);
            assert_false(keys_world_bool(&ha, made, CKA_TOKEN));
            assert_false(keys_world_bool(&ha, made, CKA_EXTRACTABLE));
            assert_false(keys_world_bool(&ha, made, CKA_LOCAL));
            NEED(ha.f->C_DestroyObject(ha.session, made));
        }
}

static void to_the_token(void **state)
{
    (void)state;
    char label[64];
    for (size_t w = 0; w < COUNT(ways); w++)
        for (int i = 0; i < SAMPLES; i++) {
            if (!(ways[w].samples & 1u << i))
                continue;
            print_message("%s by %s\n", samples[i].name, ways[w].name);
            snprintf(label, sizeof(label), "token-%zu-%s", w, samples[i].name);
            CK_OBJECT_HANDLE made = travel(&ways[w], &samples[i], true, label);
            assert_is(&samples[i], made);
            assert_true(keys_world_bool(&ha, made, CKA_TOKEN));
            assert_false(keys_world_bool(&ha, made, CKA_EXTRACTABLE));
            assert_true(keys_world_bool(&ha, made, CKA_SENSITIVE));
        }
    for (unsigned alone = 1; alone <= 3; alone++) {
        keys_world_only(alone);
        for (size_t w = 0; w < COUNT(ways); w++)
            for (int i = 0; i < SAMPLES; i++) {
                if (!(ways[w].samples & 1u << i))
                    continue;
                snprintf(label, sizeof(label), "token-%zu-%s", w, samples[i].name);
                assert_is(&samples[i], keys_world_find(&ha, label));
            }
    }
    keys_world_only(0);
}

static void ec_pair(CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private, bool token)
{
    CK_MECHANISM mech = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE a[] = {BYTES(CKA_EC_PARAMS, p256, sizeof(p256)), TRUTH(CKA_TOKEN, CK_FALSE)};
    CK_ATTRIBUTE b[] = {TRUTH(CKA_DERIVE, CK_TRUE), TRUTH(CKA_TOKEN, token), TRUTH(CKA_SIGN, CK_TRUE)};
    NEED(ha.f->C_GenerateKeyPair(ha.session, &mech, a, COUNT(a), b, COUNT(b), public, private));
}

static CK_ULONG point_of(CK_OBJECT_HANDLE public, CK_BYTE point[80])
{
    CK_ATTRIBUTE templ = {CKA_EC_POINT, point, 80};
    NEED(ha.f->C_GetAttributeValue(ha.session, public, &templ, 1));
    return templ.ulValueLen;
}

static CK_OBJECT_HANDLE agree(CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public, bool token,
                              const char *label)
{
    CK_BYTE point[80];
    CK_ECDH1_DERIVE_PARAMS ecdh = {
        .kdf = CKD_NULL, .pPublicData = point, .ulPublicDataLen = point_of(public, point)};
    CK_MECHANISM mech = {CKM_ECDH1_DERIVE, &ecdh, sizeof(ecdh)};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32),         TRUTH(CKA_TOKEN, token),
                            TRUTH(CKA_ENCRYPT, CK_TRUE),       TRUTH(CKA_SENSITIVE, CK_FALSE),
                            TRUTH(CKA_EXTRACTABLE, CK_TRUE),   BYTES(CKA_LABEL, label, strlen(label))};
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    NEED(ha.f->C_DeriveKey(ha.session, &mech, private, templ, COUNT(templ), &made));
    return made;
}

/* Both sides come to the same key; one keeps it on the token. */
static void agreement(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE public[2], private[2];
    CK_BYTE value[2][16], raw[2][32];
    ec_pair(&public[0], &private[0], true);
    ec_pair(&public[1], &private[1], false);
    CK_OBJECT_HANDLE mine = agree(private[0], public[1], true, "agreed"),
                     yours = agree(private[1], public[0], false, "agreed too");
    keys_world_ecb(&ha, mine, value[0]);
    keys_world_ecb(&ha, yours, value[1]);
    assert_memory_equal(value[0], value[1], 16);
    for (int i = 0; i < 2; i++) {
        CK_ATTRIBUTE templ = {CKA_VALUE, raw[i], 32};
        NEED(ha.f->C_GetAttributeValue(ha.session, i ? yours : mine, &templ, 1));
        assert_int_equal(templ.ulValueLen, 32);
    }
    assert_memory_equal(raw[0], raw[1], 32);
    for (unsigned alone = 1; alone <= 3; alone++) {
        CK_BYTE now[16];
        keys_world_only(alone);
        keys_world_ecb(&ha, mine, now);
        assert_memory_equal(now, value[0], 16);
        keys_world_ecb(&ha, yours, now);
        assert_memory_equal(now, value[0], 16);
    }
    keys_world_only(0);
}

static CK_OBJECT_HANDLE aes_data(CK_MECHANISM *mech, bool token)
{
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_TOKEN, token), TRUTH(CKA_ENCRYPT, CK_TRUE)};
    CK_OBJECT_HANDLE made;
    NEED(ha.f->C_DeriveKey(ha.session, mech, kek, templ, COUNT(templ), &made));
    return made;
}

static void from_data(void **state)
{
    (void)state;
    CK_BYTE data[32] = {3};
    CK_KEY_DERIVATION_STRING_DATA string = {data, 32};
    CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc = {.iv = {9}, .pData = data, .length = 32};
    CK_MECHANISM mech[] = {{CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)},
                           {CKM_AES_CBC_ENCRYPT_DATA, &cbc, sizeof(cbc)}};
    CK_BYTE value[2][2][16];
    for (int m = 0; m < 2; m++) {
        for (int token = 0; token < 2; token++) {
            CK_OBJECT_HANDLE made = aes_data(&mech[m], token);
            keys_world_ecb(&ha, made, value[m][token]);
            NEED(ha.f->C_DestroyObject(ha.session, made));
        }
        assert_memory_equal(value[m][0], value[m][1], 16);
    }
    assert_memory_not_equal(value[0][0], value[1][0], 16);
}

/* A member that fails in the middle: the next one does it, and nothing is left on the first. */
static void goes_on_elsewhere(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE made;
    for (unsigned i = 1; i <= 3; i++)
        keys_world_fault(i, "C_UnwrapKey rv=CKR_DEVICE_ERROR times=1");
    keys_world_fault(1, "ok");
    made = travel(&ways[0], &samples[AES], false, "moved");
    assert_is(&samples[AES], made);
    keys_world_only(0);
    for (unsigned i = 1; i <= 3; i++)
        keys_world_fault(i, "C_WrapKey rv=CKR_GENERAL_ERROR times=1");
    keys_world_fault(2, "ok");
    made = travel(&ways[0], &samples[AES], true, "moved too");
    assert_is(&samples[AES], made);
    keys_world_only(0);
}

static CK_OBJECT_HANDLE restricted_key(void)
{
    static CK_MECHANISM_TYPE only[] = {CKM_AES_CBC};
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE made;
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32),   TRUTH(CKA_TOKEN, CK_TRUE),
                            TRUTH(CKA_ENCRYPT, CK_TRUE), BYTES(CKA_LABEL, "restricted", 10),
                            BYTES(CKA_ID, "same", 4),    BYTES(CKA_ALLOWED_MECHANISMS, only, sizeof(only))};
    NEED(ha.f->C_GenerateKey(ha.session, &mech, templ, COUNT(templ), &made));
    return made;
}

static void cbc(CK_OBJECT_HANDLE key, CK_BYTE ret[16])
{
    CK_BYTE iv[16] = {0};
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_ULONG len = 16;
    NEED(ha.f->C_EncryptInit(ha.session, &mech, key));
    NEED(ha.f->C_Encrypt(ha.session, text, 16, ret, &len));
}

/* What they may do proves nothing, and by name they are one: none is taken for the other, on no member. */
static void restricted_keys_are_told_apart(void **state)
{
    (void)state;
    CK_BYTE one[16], two[16], now[16], id[16];
    CK_OBJECT_HANDLE first = restricted_key(), second = restricted_key();
    CK_ATTRIBUTE ask = {CKA_ID, id, sizeof(id)}, label = BYTES(CKA_LABEL, "renamed", 7);
    cbc(first, one);
    cbc(second, two);
    assert_memory_not_equal(one, two, sizeof(one));
    for (unsigned i = 1; i <= 3; i++) {
        keys_world_only(i);
        cbc(first, now);
        assert_memory_equal(now, one, sizeof(one));
        cbc(second, now);
        assert_memory_equal(now, two, sizeof(two));
    }
    keys_world_only(0);
    NEED(ha.f->C_SetAttributeValue(ha.session, second, &label, 1));
    NEED(ha.f->C_DestroyObject(ha.session, first));
    for (unsigned i = 1; i <= 3; i++) {
        keys_world_only(i);
        cbc(second, now);
        assert_memory_equal(now, two, sizeof(two));
    }
    keys_world_only(0);
    NEED(ha.f->C_GetAttributeValue(ha.session, second, &ask, 1));
    assert_int_equal(ask.ulValueLen, 4);
    assert_memory_equal(id, "same", 4);
}

/* The group's own keys lie on every token, and no number leads to them. */
static void hidden_keys_stay_hidden(void **state)
{
    (void)state;
    CK_BYTE out[64];
    for (CK_OBJECT_HANDLE handle = 1; handle < 200; handle++) {
        CK_MECHANISM mech = {CKM_AES_KEY_WRAP, NULL, 0};
        CK_ULONG len = sizeof(out), label_len;
        CK_BYTE label[64];
        CK_ATTRIBUTE templ = {CKA_LABEL, label, sizeof(label)};
        CK_RV rv = ha.f->C_WrapKey(ha.session, &mech, handle, samples[AES].handle, out, &len);
        if (rv == CKR_WRAPPING_KEY_HANDLE_INVALID)
            continue;
        NEED(ha.f->C_GetAttributeValue(ha.session, handle, &templ, 1));
        label_len = templ.ulValueLen;
        assert_false(label_len >= 5 && memcmp(label, "p11ha", 5) == 0);
    }
}

static int begin(void **state)
{
    (void)state;
    keys_world_up("--chaos --timeout 5s", NULL);
    kek = keys_world_aes(&ha, "kek-of-all", true, false);
    make_samples();
    return 0;
}

static int end(void **state)
{
    (void)state;
    keys_world_down();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_a_session),
        cmocka_unit_test(to_the_token),
        cmocka_unit_test(agreement),
        cmocka_unit_test(from_data),
        cmocka_unit_test(goes_on_elsewhere),
        cmocka_unit_test(restricted_keys_are_told_apart),
        cmocka_unit_test(hidden_keys_stay_hidden),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
