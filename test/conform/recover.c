/* Signatures with recovery. */
#include <string.h>

#include "keys.h"

static CK_BYTE data[32] = "thirty-two bytes to be recovered", out[512];
static CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0};

static CK_RV sign(CK_ULONG room)
{
    CK_ULONG len = room;
    CK_RV rv = DO(SignRecover, world.session, data, sizeof(data), out, &len);
    record_say("len=%lu", len);
    return rv;
}

static void sign_and_back(const void *arg)
{
    (void)arg;
    CK_BYTE signature[256];
    CK_ULONG len = sizeof(out);
    if (DO(SignRecoverInit, world.session, &pkcs, keys_make(KEY_RSA, NULL)) != CKR_OK ||
        sign(sizeof(out)) != CKR_OK)
        return;
    memcpy(signature, out, sizeof(signature));
    DO(VerifyRecoverInit, world.session, &pkcs, keys_make(KEY_RSA_PUBLIC, NULL));
    if (DO(VerifyRecover, world.session, signature, sizeof(signature), out, &len) == CKR_OK)
        record_bytes("recovered", out, len);
}

static void sign_lengths(const void *arg)
{
    (void)arg;
    CK_ULONG len = 0;
    DO(SignRecoverInit, world.session, &pkcs, keys_make(KEY_RSA, NULL));
    DO(SignRecover, world.session, data, sizeof(data), NULL, &len);
    record_say("len=%lu", len);
    sign(8);
    sign(sizeof(out));
    sign(sizeof(out));
}

static void sign_init_bad(const void *arg)
{
    (void)arg;
    CK_MECHANISM other = {CKM_SHA256, NULL, 0};
    CK_OBJECT_HANDLE key = keys_make(KEY_RSA, NULL);
    DO(SignRecoverInit, world.session, NULL, key);
    DO(SignRecoverInit, world.session, &other, key);
    DO(SignRecoverInit, world.session, &pkcs, CK_INVALID_HANDLE);
    DO(SignRecoverInit, world.session, &pkcs, keys_make(KEY_AES128, NULL));
    DO(SignRecoverInit, world.session, &pkcs, keys_make_with(KEY_RSA, CKA_SIGN_RECOVER, CK_FALSE));
}

static void sign_twice(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_RSA, NULL);
    DO(SignRecoverInit, world.session, &pkcs, key);
    DO(SignRecoverInit, world.session, &pkcs, key);
}

static void sign_none(const void *arg)
{
    (void)arg;
    sign(sizeof(out));
}

static void verify_none(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(VerifyRecover, world.session, data, 32, out, &len);
}

static void verify_init_bad(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_RSA_PUBLIC, NULL);
    DO(VerifyRecoverInit, world.session, NULL, key);
    DO(VerifyRecoverInit, world.session, &pkcs, CK_INVALID_HANDLE);
    DO(VerifyRecoverInit, world.session, &pkcs, keys_make_with(KEY_RSA_PUBLIC, CKA_VERIFY_RECOVER, CK_FALSE));
}

static void verify_damaged(const void *arg)
{
    (void)arg;
    CK_BYTE signature[256];
    CK_ULONG len = sizeof(out);
    memset(signature, 0x11, sizeof(signature));
    DO(VerifyRecoverInit, world.session, &pkcs, keys_make(KEY_RSA_PUBLIC, NULL));
    DO(VerifyRecover, world.session, signature, sizeof(signature), out, &len);
}

static void null_arguments(const void *arg)
{
    (void)arg;
    DO(SignRecoverInit, world.session, &pkcs, keys_make(KEY_RSA, NULL));
    DO(SignRecover, world.session, data, sizeof(data), out, NULL);
}

void chapter_recover(void)
{
    static const struct test tests[] = {
        {"C_SignRecover", "and-back", SETUP_USER, sign_and_back},
        {"C_SignRecover", "lengths", SETUP_USER, sign_lengths},
        {"C_SignRecover", "no-operation", SETUP_USER, sign_none},
        {"C_SignRecover", "null", SETUP_USER, null_arguments},
        {"C_SignRecoverInit", "bad", SETUP_USER, sign_init_bad},
        {"C_SignRecoverInit", "twice", SETUP_USER, sign_twice},
        {"C_VerifyRecover", "no-operation", SETUP_USER, verify_none},
        {"C_VerifyRecover", "damaged", SETUP_USER, verify_damaged},
        {"C_VerifyRecoverInit", "bad", SETUP_USER, verify_init_bad},
    };
    world_run_all("recover", tests, ARRAY_LEN(tests));
}
