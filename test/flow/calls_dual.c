/*
 * Dual-function operations, signatures known before the data, recovery, and what 3.2 asks of a session that
 * is not asynchronous; members that fail in the middle.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

#define PART  100
#define PARTS 5
#define TOTAL (PART * PARTS)

static CK_SESSION_HANDLE session, other;
static CK_OBJECT_HANDLE aes, public_key, private_key;
static CK_BYTE iv[16] = {1}, text[TOTAL], plain_cipher[TOTAL + 16], plain_digest[32], plain_signature[256];
static CK_ULONG plain_cipher_len;
static CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, 16}, sha = {CKM_SHA256, NULL, 0},
                    rsa = {CKM_SHA256_RSA_PKCS, NULL, 0}, cbc_raw = {CKM_AES_CBC, iv, 16};

static int begin(void **state)
{
    (void)state;
    rig_make("--chaos --timeout 3s");
    session = rig_login();
    other = rig_login();
    aes = rig_aes_key(session, false);
    rig_rsa_pair(session, &public_key, &private_key);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (CK_BYTE)(i * 7);
    CK_ULONG len = 32;
    plain_cipher_len = sizeof(plain_cipher);
    OK(rig_p11->C_EncryptInit(session, &cbc, aes));
    OK(rig_p11->C_Encrypt(session, text, TOTAL, plain_cipher, &plain_cipher_len));
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_Digest(session, text, TOTAL, plain_digest, &len));
    len = sizeof(plain_signature);
    OK(rig_p11->C_SignInit(session, &rsa, private_key));
    OK(rig_p11->C_Sign(session, text, TOTAL, plain_signature, &len));
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

/* Whoever has the operation's session fails: the others go on. */
static void fail_who_works(const char *rule)
{
    rig_fault("*", rule);
}

static void all_well(void)
{
    rig_fault("*", "ok");
    rig_wait_up();
}

/* Encrypts all of text by one of the two functions, with questions for the length and too small buffers on
 * the way; a member fails before part `fails` (-1: never). */
static CK_ULONG encrypt_all(CK_C_DigestEncryptUpdate update, CK_BYTE *out, CK_ULONG room, int fails)
{
    CK_ULONG done = 0;
    for (int i = 0; i < PARTS; i++) {
        CK_ULONG len = 0, got = room - done;
        if (i == fails)
            fail_who_works("C_EncryptUpdate rv=CKR_DEVICE_REMOVED times=1");
        OK(update(session, text + i * PART, PART, NULL, &len));
        assert_true(len >= 96);
        len = 1;
        assert_int_equal(update(session, text + i * PART, PART, out + done, &len), CKR_BUFFER_TOO_SMALL);
        assert_true(len >= 96 && len <= got);
        OK(update(session, text + i * PART, PART, out + done, &len));
        done += len;
    }
    return done;
}

static void finish_encryption(CK_BYTE *out, CK_ULONG room, CK_ULONG done)
{
    CK_ULONG len = room - done;
    OK(rig_p11->C_EncryptFinal(session, out + done, &len));
    assert_int_equal(done + len, plain_cipher_len);
    assert_memory_equal(out, plain_cipher, plain_cipher_len);
}

static void digest_encrypt_with(int fails)
{
    CK_BYTE out[TOTAL + 64], digest[32];
    CK_ULONG len = sizeof(digest);
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_EncryptInit(session, &cbc, aes));
    CK_ULONG done = encrypt_all(rig_p11->C_DigestEncryptUpdate, out, sizeof(out), fails);
    finish_encryption(out, sizeof(out), done);
    OK(rig_p11->C_DigestFinal(session, digest, &len));
    assert_memory_equal(digest, plain_digest, 32);
}

static void digest_encrypt(void **state)
{
    (void)state;
    digest_encrypt_with(-1);
    unsigned long before = rig_count("*", "C_EncryptUpdate").failed;
    digest_encrypt_with(2);
    all_well();
    assert_true(rig_count("*", "C_EncryptUpdate").failed > before);
}

static void sign_encrypt_with(int fails)
{
    CK_BYTE out[TOTAL + 64], signature[256];
    CK_ULONG len = sizeof(signature);
    OK(rig_p11->C_SignInit(session, &rsa, private_key));
    OK(rig_p11->C_EncryptInit(session, &cbc, aes));
    CK_ULONG done = encrypt_all(rig_p11->C_SignEncryptUpdate, out, sizeof(out), fails);
    finish_encryption(out, sizeof(out), done);
    OK(rig_p11->C_SignFinal(session, signature, &len));
    assert_memory_equal(signature, plain_signature, 256);
}

static void sign_encrypt(void **state)
{
    (void)state;
    sign_encrypt_with(-1);
    sign_encrypt_with(3);
    all_well();
}

/* The last part comes of C_DecryptFinal and is fed by hand, as the standard says. */
static void decrypt_all(CK_C_DecryptDigestUpdate update, CK_C_DigestUpdate feed, int fails)
{
    CK_BYTE out[TOTAL + 64];
    CK_ULONG done = 0, len;
    for (CK_ULONG at = 0, i = 0; at < plain_cipher_len; at += PART, i++) {
        CK_ULONG part = plain_cipher_len - at < PART ? plain_cipher_len - at : PART;
        if ((int)i == fails)
            fail_who_works("C_DecryptUpdate rv=CKR_DEVICE_REMOVED times=1");
        len = 1;
        if (part == PART)
            assert_int_equal(update(session, plain_cipher + at, part, out + done, &len),
                             CKR_BUFFER_TOO_SMALL);
        len = sizeof(out) - done;
        OK(update(session, plain_cipher + at, part, out + done, &len));
        done += len;
    }
    len = sizeof(out) - done;
    OK(rig_p11->C_DecryptFinal(session, out + done, &len));
    if (len)
        OK(feed(session, out + done, len));
    assert_int_equal(done + len, TOTAL);
    assert_memory_equal(out, text, TOTAL);
}

static void decrypt_digest(void **state)
{
    (void)state;
    for (int fails = -1; fails <= 2; fails += 3) {
        CK_BYTE digest[32];
        CK_ULONG len = sizeof(digest);
        OK(rig_p11->C_DecryptInit(session, &cbc, aes));
        OK(rig_p11->C_DigestInit(session, &sha));
        decrypt_all(rig_p11->C_DecryptDigestUpdate, rig_p11->C_DigestUpdate, fails);
        OK(rig_p11->C_DigestFinal(session, digest, &len));
        assert_memory_equal(digest, plain_digest, 32);
    }
    all_well();
}

static void decrypt_verify(void **state)
{
    (void)state;
    for (int fails = -1; fails <= 2; fails += 3) {
        OK(rig_p11->C_DecryptInit(session, &cbc, aes));
        OK(rig_p11->C_VerifyInit(session, &rsa, public_key));
        decrypt_all(rig_p11->C_DecryptVerifyUpdate, rig_p11->C_VerifyUpdate, fails);
        OK(rig_p11->C_VerifyFinal(session, plain_signature, 256));
    }
    all_well();
}

/* Input and output at the same place. */
static void in_place(void **state)
{
    (void)state;
    CK_BYTE data[TOTAL + 16], digest[32];
    CK_ULONG len = 496, rest = 16, size = sizeof(digest);
    memcpy(data, text, TOTAL);
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_EncryptInit(session, &cbc_raw, aes));
    OK(rig_p11->C_DigestEncryptUpdate(session, data, 496, data, &len));
    assert_int_equal(len, 496);
    assert_memory_equal(data, plain_cipher, 496);
    OK(rig_p11->C_EncryptFinal(session, data + 496, &rest));
    OK(rig_p11->C_DigestUpdate(session, text + 496, TOTAL - 496));
    OK(rig_p11->C_DigestFinal(session, digest, &size));
    assert_memory_equal(digest, plain_digest, 32);
}

static void order(void **state)
{
    (void)state;
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);
    const CK_RV none = CKR_OPERATION_NOT_INITIALIZED;
    assert_int_equal(rig_p11->C_DigestEncryptUpdate(session, text, 16, out, &len), none);
    OK(rig_p11->C_DigestInit(session, &sha));
    assert_int_equal(rig_p11->C_DigestEncryptUpdate(session, text, 16, out, &len), none);
    assert_int_equal(rig_p11->C_DecryptDigestUpdate(session, text, 16, out, &len), none);
    OK(rig_p11->C_EncryptInit(session, &cbc, aes));
    assert_int_equal(rig_p11->C_SignEncryptUpdate(session, text, 16, out, &len), none);
    assert_int_equal(rig_p11->C_DigestEncryptUpdate(session, text, 16, out, NULL), CKR_ARGUMENTS_BAD);
    len = sizeof(out);
    OK(rig_p11->C_DigestEncryptUpdate(session, text, 16, out, &len));
    /* Bad padding ends the decryption, and the digest with it. */
    OK(rig_p11->C_SessionCancel(session, CKF_ENCRYPT | CKF_DIGEST));
    assert_int_equal(rig_p11->C_DigestFinal(session, out, &len), none);
}

/* Past replay-limit the operation cannot be moved; then both of them end. */
static void both_end(void **state)
{
    (void)state;
    static CK_BYTE large[1 << 20], out[(1 << 20) + 64];
    CK_ULONG len = sizeof(out);
    OK(rig_p11->C_DigestInit(session, &sha));
    OK(rig_p11->C_EncryptInit(session, &cbc, aes));
    OK(rig_p11->C_DigestEncryptUpdate(session, large, sizeof(large), out, &len));
    fail_who_works("C_EncryptUpdate rv=CKR_DEVICE_ERROR");
    len = sizeof(out);
    assert_int_equal(rig_p11->C_DigestEncryptUpdate(session, large, 64, out, &len), CKR_DEVICE_ERROR);
    all_well();
    len = sizeof(out);
    assert_int_equal(rig_p11->C_EncryptFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(rig_p11->C_DigestFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void signature_first(void **state)
{
    (void)state;
    CK_BYTE wrong[256];
    CK_FUNCTION_LIST_3_2 *p = rig_p11;
    memcpy(wrong, plain_signature, 256);
    wrong[100] ^= 1;
    OK(p->C_VerifySignatureInit(session, &rsa, public_key, plain_signature, 256));
    OK(p->C_VerifySignature(session, text, TOTAL));
    assert_int_equal(p->C_VerifySignature(session, text, TOTAL), CKR_OPERATION_NOT_INITIALIZED);
    OK(p->C_VerifySignatureInit(session, &rsa, public_key, wrong, 256));
    assert_int_equal(p->C_VerifySignature(session, text, TOTAL), CKR_SIGNATURE_INVALID);
    OK(p->C_VerifySignatureInit(session, &rsa, public_key, plain_signature, 256));
    assert_int_equal(p->C_VerifySignatureInit(session, &rsa, public_key, wrong, 256), CKR_OPERATION_ACTIVE);
    /* C_Verify is of another operation. */
    assert_int_equal(p->C_VerifyUpdate(session, text, 1), CKR_OPERATION_NOT_INITIALIZED);
    rig_fault("hsm-1", "C_VerifyInit rv=CKR_DEVICE_ERROR");
    rig_fault("hsm-2", "C_VerifyInit rv=CKR_DEVICE_ERROR");
    OK(p->C_VerifySignatureUpdate(session, text, 300));
    OK(p->C_VerifySignatureUpdate(session, text + 300, TOTAL - 300));
    OK(p->C_VerifySignatureFinal(session));
    all_well();
    OK(p->C_VerifySignatureInit(session, &rsa, public_key, wrong, 256));
    OK(p->C_VerifySignatureUpdate(session, text, TOTAL));
    assert_int_equal(p->C_VerifySignatureFinal(session), CKR_SIGNATURE_INVALID);
    OK(p->C_VerifyInit(session, &rsa, public_key));
    assert_int_equal(p->C_VerifySignature(session, text, TOTAL), CKR_OPERATION_NOT_INITIALIZED);
    OK(p->C_Verify(session, text, TOTAL, plain_signature, 256));
    assert_int_equal(p->C_VerifySignatureInit(session, &rsa, public_key, NULL, 0), CKR_ARGUMENTS_BAD);
}

/* SoftHSM has neither recovery nor messages; the answer is its own, and nobody goes down for it. */
static void unsupported(void **state)
{
    (void)state;
    CK_MECHANISM raw = {CKM_RSA_PKCS, NULL, 0};
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);
    rig_log_empty();
    assert_int_equal(rig_p11->C_SignRecoverInit(session, &raw, private_key), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(rig_p11->C_SignRecover(session, text, 10, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(rig_p11->C_VerifyRecoverInit(session, &raw, public_key), CKR_FUNCTION_NOT_SUPPORTED);
    /* Nor has it message functions, and so nobody says that there are any. */
    CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0};
    CK_MECHANISM_INFO info;
    assert_int_equal(rig_p11->C_MessageEncryptInit(session, &gcm, aes), CKR_FUNCTION_NOT_SUPPORTED);
    OK(rig_p11->C_GetMechanismInfo(rig_slot, CKM_AES_GCM, &info));
    assert_int_equal(info.flags & (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT), 0);
    assert_false(rig_log_has("member-state"));
}

static void not_asynchronous(void **state)
{
    (void)state;
    CK_FUNCTION_LIST_3_2 *p = rig_p11;
    CK_UTF8CHAR name[] = "C_Sign";
    CK_ASYNC_DATA data = {0};
    CK_ULONG id = 0;
    CK_FLAGS flags = 99;
    CK_SESSION_HANDLE none = 0;
    assert_int_equal(p->C_OpenSession(rig_slot, CKF_SERIAL_SESSION | CKF_ASYNC_SESSION, NULL, NULL, &none),
                     CKR_SESSION_ASYNC_NOT_SUPPORTED);
    assert_int_equal(p->C_AsyncComplete(session, name, &data), CKR_SESSION_ASYNC_NOT_SUPPORTED);
    assert_int_equal(p->C_AsyncGetID(session, name, &id), CKR_SESSION_ASYNC_NOT_SUPPORTED);
    assert_int_equal(p->C_AsyncJoin(session, name, 1, text, 16), CKR_SESSION_ASYNC_NOT_SUPPORTED);
    assert_int_equal(p->C_AsyncComplete(session, NULL, &data), CKR_ARGUMENTS_BAD);
    assert_int_equal(p->C_AsyncComplete(0xdead, name, &data), CKR_SESSION_HANDLE_INVALID);
    OK(p->C_GetSessionValidationFlags(session, CKS_LAST_VALIDATION_OK, &flags));
    assert_int_equal(flags, 0);
    assert_int_equal(p->C_GetSessionValidationFlags(session, 77, &flags), CKR_ARGUMENTS_BAD);
    assert_int_equal(p->C_GetSessionValidationFlags(session, CKS_LAST_VALIDATION_OK, NULL),
                     CKR_ARGUMENTS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_encrypt), cmocka_unit_test(sign_encrypt),
        cmocka_unit_test(decrypt_digest), cmocka_unit_test(decrypt_verify),
        cmocka_unit_test(in_place),       cmocka_unit_test(order),
        cmocka_unit_test(both_end),       cmocka_unit_test(signature_first),
        cmocka_unit_test(unsupported),    cmocka_unit_test(not_asynchronous),
    };
    return cmocka_run_group_tests_name("calls_dual", tests, begin, end);
}
