/* Message-based encryption and signatures (3.0). */
#include <string.h>

#include "mech.h"

static CK_BYTE iv[12] = "twelve bytes", tag[16], aad[] = "more data",
               plain[40] = "forty bytes that are to be a message...", out[128];
static CK_GCM_MESSAGE_PARAMS params;
static CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0};

static bool is_absent(void)
{
    if (!world.v30)
        record_say("absent");
    return !world.v30;
}

static void set_params(CK_GENERATOR_FUNCTION generator)
{
    params = (CK_GCM_MESSAGE_PARAMS){iv, sizeof(iv), 0, generator, tag, 128};
}

static CK_RV encrypt(CK_ULONG room)
{
    CK_ULONG len = room;
    CK_RV rv = DO_30(EncryptMessage, world.session, &params, sizeof(params), aad, sizeof(aad), plain,
                     sizeof(plain), out, &len);
    record_say("len=%lu", len);
    return rv;
}

static CK_RV begin(bool encryption)
{
    CK_OBJECT_HANDLE key = keys_make(KEY_AES256, NULL);
    set_params(CKG_NO_GENERATE);
    return encryption ? DO_30(MessageEncryptInit, world.session, &gcm, key)
                      : DO_30(MessageDecryptInit, world.session, &gcm, key);
}

static void one_message(const void *arg)
{
    (void)arg;
    if (is_absent())
        return;
    begin(true);
    if (encrypt(sizeof(out)) == CKR_OK) {
        record_bytes("out", out, sizeof(plain));
        record_bytes("tag", tag, sizeof(tag));
    }
    DO_30(MessageEncryptFinal, world.session);
    DO_30(MessageEncryptFinal, world.session);
}

static void two_messages(const void *arg)
{
    (void)arg;
    if (is_absent())
        return;
    begin(true);
    encrypt(sizeof(out));
    iv[0]++;
    encrypt(sizeof(out));
    iv[0]--;
    DO_30(MessageEncryptFinal, world.session);
}

static void lengths(const void *arg)
{
    (void)arg;
    CK_ULONG len = 0;
    if (is_absent())
        return;
    begin(true);
    DO_30(EncryptMessage, world.session, &params, sizeof(params), aad, sizeof(aad), plain, sizeof(plain),
          NULL, &len);
    record_say("len=%lu", len);
    encrypt(4);
    encrypt(sizeof(out));
}

static void generated(const void *arg)
{
    (void)arg;
    CK_BYTE before[sizeof(iv)];
    if (is_absent())
        return;
    begin(true);
    set_params(CKG_GENERATE_RANDOM);
    memcpy(before, iv, sizeof(iv));
    encrypt(sizeof(out));
    record_say("changed:%d", memcmp(before, iv, sizeof(iv)) != 0);
    memcpy(iv, before, sizeof(iv));
}

static void there_and_back(const void *arg)
{
    (void)arg;
    CK_BYTE back[128];
    CK_ULONG len = sizeof(back);
    if (is_absent())
        return;
    begin(true);
    encrypt(sizeof(out));
    DO_30(MessageEncryptFinal, world.session);
    begin(false);
    if (DO_30(DecryptMessage, world.session, &params, sizeof(params), aad, sizeof(aad), out, sizeof(plain),
              back, &len) == CKR_OK)
        record_say("len=%lu same:%d", len, memcmp(back, plain, sizeof(plain)) == 0);
    DO_30(MessageDecryptFinal, world.session);
}

static void damaged(const void *arg)
{
    (void)arg;
    CK_BYTE back[128];
    CK_ULONG len = sizeof(back);
    if (is_absent())
        return;
    begin(true);
    encrypt(sizeof(out));
    DO_30(MessageEncryptFinal, world.session);
    begin(false);
    tag[3] ^= 1;
    DO_30(DecryptMessage, world.session, &params, sizeof(params), aad, sizeof(aad), out, sizeof(plain), back,
          &len);
}

static void parts(const void *arg)
{
    (void)arg;
    CK_ULONG one = sizeof(out), two = sizeof(out);
    if (is_absent())
        return;
    begin(true);
    DO_30(EncryptMessageBegin, world.session, &params, sizeof(params), aad, sizeof(aad));
    DO_30(EncryptMessageNext, world.session, &params, sizeof(params), plain, 16, out, &one, 0);
    if (DO_30(EncryptMessageNext, world.session, &params, sizeof(params), plain + 16, 24, out + one, &two,
              CKF_END_OF_MESSAGE) == CKR_OK)
        record_bytes("out", out, one + two);
}

static void order(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    if (is_absent())
        return;
    encrypt(sizeof(out));
    begin(true);
    begin(true);
    DO_30(EncryptMessageNext, world.session, &params, sizeof(params), plain, 16, out, &len, 0);
    DO_30(MessageDecryptFinal, world.session);
}

static void init_bad(const void *arg)
{
    (void)arg;
    CK_MECHANISM other = {CKM_SHA256, NULL, 0};
    if (is_absent())
        return;
    DO_30(MessageEncryptInit, world.session, &gcm, CK_INVALID_HANDLE);
    DO_30(MessageEncryptInit, world.session, &other, keys_make(KEY_AES256, NULL));
    DO_30(MessageEncryptInit, world.session, &gcm, keys_make(KEY_RSA_PUBLIC, NULL));
    DO_30(MessageEncryptInit, world.session, &gcm, keys_make_with(KEY_AES256, CKA_ENCRYPT, CK_FALSE));
}

static void sign(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    if (is_absent())
        return;
    DO_30(MessageSignInit, world.session, &hmac, keys_make(KEY_GENERIC, NULL));
    DO_30(SignMessage, world.session, NULL, 0, plain, sizeof(plain), out, &len);
    DO_30(MessageSignFinal, world.session);
}

static void verify(const void *arg)
{
    (void)arg;
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    if (is_absent())
        return;
    DO_30(MessageVerifyInit, world.session, &hmac, keys_make(KEY_GENERIC, NULL));
    DO_30(VerifyMessage, world.session, NULL, 0, plain, sizeof(plain), out, 32);
    DO_30(MessageVerifyFinal, world.session);
}

void chapter_message(void)
{
    static const struct test tests[] = {
        {"C_EncryptMessage", "one", SETUP_USER, one_message},
        {"C_EncryptMessage", "two", SETUP_USER, two_messages},
        {"C_EncryptMessage", "lengths", SETUP_USER, lengths},
        {"C_EncryptMessage", "generated", SETUP_USER, generated},
        {"C_EncryptMessage", "order", SETUP_USER, order},
        {"C_DecryptMessage", "there-and-back", SETUP_USER, there_and_back},
        {"C_DecryptMessage", "damaged", SETUP_USER, damaged},
        {"C_EncryptMessageNext", "parts", SETUP_USER, parts},
        {"C_MessageEncryptInit", "bad", SETUP_USER, init_bad},
        {"C_SignMessage", "hmac", SETUP_USER, sign},
        {"C_VerifyMessage", "hmac", SETUP_USER, verify},
    };
    world_run_all("message", tests, ARRAY_LEN(tests));
}
