/* Dual-function operations and C_DigestKey. */
#include "mech.h"

static CK_BYTE data[48], out[512];
static CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};

static CK_OBJECT_HANDLE begin_cipher(bool encrypt)
{
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    if (encrypt)
        DO(EncryptInit, world.session, mech_of(&mech_ciphers[0]), key);
    else
        DO(DecryptInit, world.session, mech_of(&mech_ciphers[0]), key);
    return key;
}

static void digest_result(void)
{
    CK_ULONG len = sizeof(out);
    if (DO(DigestFinal, world.session, out, &len) == CKR_OK)
        record_bytes("digest", out, len);
}

static void digest_encrypt(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(DigestInit, world.session, &sha256);
    begin_cipher(true);
    if (DO(DigestEncryptUpdate, world.session, data, sizeof(data), out, &len) == CKR_OK)
        record_bytes("out", out, len);
    digest_result();
    len = sizeof(out);
    DO(EncryptFinal, world.session, out, &len);
}

static void digest_encrypt_lengths(const void *arg)
{
    (void)arg;
    CK_ULONG len = 0;
    DO(DigestInit, world.session, &sha256);
    begin_cipher(true);
    DO(DigestEncryptUpdate, world.session, data, sizeof(data), NULL, &len);
    record_say("len=%lu", len);
    len = 1;
    DO(DigestEncryptUpdate, world.session, data, sizeof(data), out, &len);
    len = sizeof(out);
    DO(DigestEncryptUpdate, world.session, data, sizeof(data), out, &len);
    digest_result();
}

static void decrypt_digest(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(DigestInit, world.session, &sha256);
    begin_cipher(false);
    if (DO(DecryptDigestUpdate, world.session, data, sizeof(data), out, &len) == CKR_OK)
        record_bytes("out", out, len);
    digest_result();
}

static void sign_encrypt(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(SignInit, world.session, mech_of(&mech_signs[0]), keys_make(KEY_RSA, NULL));
    begin_cipher(true);
    if (DO(SignEncryptUpdate, world.session, data, sizeof(data), out, &len) == CKR_OK)
        record_bytes("out", out, len);
    len = sizeof(out);
    if (DO(SignFinal, world.session, out, &len) == CKR_OK)
        record_bytes("signature", out, len);
}

static void decrypt_verify(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(VerifyInit, world.session, mech_of(&mech_signs[0]), keys_make(KEY_RSA_PUBLIC, NULL));
    begin_cipher(false);
    DO(DecryptVerifyUpdate, world.session, data, sizeof(data), out, &len);
    DO(VerifyFinal, world.session, out, 256);
}

static void none(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(DigestEncryptUpdate, world.session, data, sizeof(data), out, &len);
    DO(DecryptDigestUpdate, world.session, data, sizeof(data), out, &len);
    DO(SignEncryptUpdate, world.session, data, sizeof(data), out, &len);
    DO(DecryptVerifyUpdate, world.session, data, sizeof(data), out, &len);
}

static void only_one(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(out);
    DO(DigestInit, world.session, &sha256);
    DO(DigestEncryptUpdate, world.session, data, sizeof(data), out, &len);
    DO(DigestUpdate, world.session, data, sizeof(data));
}

/* --- C_DigestKey --- */

static void digest_key_with(CK_OBJECT_HANDLE key)
{
    DO(DigestInit, world.session, &sha256);
    DO(DigestUpdate, world.session, data, sizeof(data));
    if (DO(DigestKey, world.session, key) == CKR_OK)
        digest_result();
}

static void digest_key(const void *arg)
{
    (void)arg;
    digest_key_with(keys_make(KEY_GENERIC, NULL));
}

static void digest_key_sensitive(const void *arg)
{
    (void)arg;
    digest_key_with(keys_make_with(KEY_GENERIC, CKA_SENSITIVE, CK_TRUE));
}

static void digest_key_not_extractable(const void *arg)
{
    (void)arg;
    digest_key_with(keys_make_with(KEY_AES128, CKA_EXTRACTABLE, CK_FALSE));
}

static void digest_key_private(const void *arg)
{
    (void)arg;
    digest_key_with(keys_make(KEY_RSA, NULL));
}

static void digest_key_unknown(const void *arg)
{
    (void)arg;
    digest_key_with(CK_INVALID_HANDLE);
}

static void digest_key_first(const void *arg)
{
    (void)arg;
    DO(DigestInit, world.session, &sha256);
    if (DO(DigestKey, world.session, keys_make(KEY_AES256, NULL)) == CKR_OK)
        digest_result();
}

static void digest_key_none(const void *arg)
{
    (void)arg;
    DO(DigestKey, world.session, keys_make(KEY_AES256, NULL));
}

void chapter_dual(void)
{
    static const struct test tests[] = {
        {"C_DigestEncryptUpdate", "success", SETUP_USER, digest_encrypt},
        {"C_DigestEncryptUpdate", "lengths", SETUP_USER, digest_encrypt_lengths},
        {"C_DigestEncryptUpdate", "only-one-runs", SETUP_USER, only_one},
        {"C_DecryptDigestUpdate", "success", SETUP_USER, decrypt_digest},
        {"C_SignEncryptUpdate", "success", SETUP_USER, sign_encrypt},
        {"C_DecryptVerifyUpdate", "success", SETUP_USER, decrypt_verify},
        {"C_DecryptVerifyUpdate", "none-runs", SETUP_USER, none},
        {"C_DigestKey", "success", SETUP_USER, digest_key},
        {"C_DigestKey", "sensitive", SETUP_USER, digest_key_sensitive},
        {"C_DigestKey", "not-extractable", SETUP_USER, digest_key_not_extractable},
        {"C_DigestKey", "private-key", SETUP_USER, digest_key_private},
        {"C_DigestKey", "unknown", SETUP_USER, digest_key_unknown},
        {"C_DigestKey", "first", SETUP_USER, digest_key_first},
        {"C_DigestKey", "no-operation", SETUP_USER, digest_key_none},
    };
    world_run_all("dual", tests, ARRAY_LEN(tests));
}
