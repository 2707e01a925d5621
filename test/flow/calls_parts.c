/* Messages in parts, and signatures of messages, on tokens that have them (test/fake/messenger.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

#define PART  40
#define TOTAL 200

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE aes, secret;
static CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};
static CK_BYTE text[TOTAL], aad[] = "additional", iv[12] = {7}, tag[16], whole[TOTAL], whole_tag[16], mac[32];
static CK_GCM_MESSAGE_PARAMS with = {iv, 12, 0, CKG_NO_GENERATE, tag, 128};

static void all_well(void)
{
    rig_fault("*", "ok");
    rig_wait_up();
}

static int begin(void **state)
{
    (void)state;
    char command[400];
    CK_ULONG len = 32;
    rig_make("--chaos --timeout 3s");
    snprintf(command, sizeof(command),
             "sed -i \"s|^env.CHAOS_MODULE = .*|env.CHAOS_MODULE = $P11HA_BUILD/messenger.so|\" "
             "%s/rig/p11ha.conf",
             rig_dir);
    assert_int_equal(system(command), 0);
    session = rig_login();
    aes = rig_aes_key(session, false);
    CK_MECHANISM generate = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &rig_yes, 1},
                            {CKA_SIGN, &rig_yes, 1},
                            {CKA_VERIFY, &rig_yes, 1},
                            {CKA_VALUE_LEN, &len, sizeof(len)}};
    OK(rig_p11->C_GenerateKey(session, &generate, templ, 4, &secret));
    for (size_t i = 0; i < TOTAL; i++)
        text[i] = (CK_BYTE)(i * 5);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

static void whole_ones(void **state)
{
    (void)state;
    CK_ULONG len = TOTAL;
    CK_BYTE back[TOTAL];
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    OK(rig_p11->C_EncryptMessage(session, &with, sizeof(with), aad, sizeof(aad), text, TOTAL, whole, &len));
    memcpy(whole_tag, tag, 16);
    OK(rig_p11->C_MessageEncryptFinal(session));
    OK(rig_p11->C_MessageDecryptInit(session, &gcm, aes));
    rig_fault("hsm-1", "C_DecryptMessage rv=CKR_DEVICE_ERROR");
    rig_fault("hsm-2", "C_DecryptMessage rv=CKR_DEVICE_ERROR");
    for (int i = 0; i < 5; i++) {
        OK(rig_p11->C_DecryptMessage(session, &with, sizeof(with), aad, sizeof(aad), whole, TOTAL, back,
                                     &len));
        assert_memory_equal(back, text, TOTAL);
    }
    OK(rig_p11->C_MessageDecryptFinal(session));
    all_well();
}

/* In parts the same comes out, whatever the room; a part that did not fit is not fed twice. */
static void encrypt_parts(void **state)
{
    (void)state;
    CK_BYTE out[TOTAL];
    CK_ULONG len;
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    for (int round = 0; round < 3; round++) {
        memset(tag, 0, sizeof(tag));
        OK(rig_p11->C_EncryptMessageBegin(session, &with, sizeof(with), aad, sizeof(aad)));
        len = TOTAL;
        assert_int_equal(
            rig_p11->C_EncryptMessage(session, &with, sizeof(with), aad, sizeof(aad), text, TOTAL, out, &len),
            CKR_OPERATION_ACTIVE);
        for (int at = 0; at < TOTAL; at += PART) {
            CK_FLAGS last = at + PART == TOTAL ? CKF_END_OF_MESSAGE : 0;
            OK(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text + at, PART, NULL, &len,
                                             last));
            assert_true(len >= PART);
            len = PART - 1;
            assert_int_equal(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text + at, PART,
                                                           out + at, &len, last),
                             CKR_BUFFER_TOO_SMALL);
            assert_int_equal(len, PART);
            OK(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text + at, PART, out + at, &len,
                                             last));
            assert_int_equal(len, PART);
        }
        assert_memory_equal(out, whole, TOTAL);
        assert_memory_equal(tag, whole_tag, 16);
    }
    OK(rig_p11->C_MessageEncryptFinal(session));
}

static void decrypt_parts(void **state)
{
    (void)state;
    CK_BYTE out[TOTAL + 16];
    CK_ULONG done = 0, len;
    OK(rig_p11->C_MessageDecryptInit(session, &gcm, aes));
    memcpy(tag, whole_tag, 16);
    OK(rig_p11->C_DecryptMessageBegin(session, &with, sizeof(with), aad, sizeof(aad)));
    for (int at = 0; at < TOTAL; at += PART) {
        len = sizeof(out) - done;
        OK(rig_p11->C_DecryptMessageNext(session, &with, sizeof(with), whole + at, PART, out + done, &len,
                                         at + PART == TOTAL ? CKF_END_OF_MESSAGE : 0));
        done += len;
    }
    assert_int_equal(done, TOTAL);
    assert_memory_equal(out, text, TOTAL);
    OK(rig_p11->C_MessageDecryptFinal(session));
}

/* The message is lost with its member; the operation is not. */
static void lost_in_the_middle(void **state)
{
    (void)state;
    CK_BYTE out[TOTAL];
    CK_ULONG len = TOTAL;
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    OK(rig_p11->C_EncryptMessageBegin(session, &with, sizeof(with), aad, sizeof(aad)));
    OK(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text, PART, out, &len, 0));
    rig_fault("*", "C_EncryptMessageNext rv=CKR_DEVICE_ERROR times=1");
    rig_log_empty();
    assert_int_equal(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text, PART, out, &len, 0),
                     CKR_DEVICE_ERROR);
    assert_true(rig_log_has("operation-lost"));
    assert_int_equal(rig_p11->C_EncryptMessageNext(session, &with, sizeof(with), text, PART, out, &len, 0),
                     CKR_OPERATION_NOT_INITIALIZED);
    rig_fault("*", "ok");
    len = TOTAL;
    OK(rig_p11->C_EncryptMessage(session, &with, sizeof(with), aad, sizeof(aad), text, TOTAL, out, &len));
    assert_memory_equal(out, whole, TOTAL);
    OK(rig_p11->C_MessageEncryptFinal(session));
    all_well();
}

static void signatures(void **state)
{
    (void)state;
    CK_BYTE again[32];
    CK_ULONG len = 0;
    OK(rig_p11->C_MessageSignInit(session, &hmac, secret));
    OK(rig_p11->C_SignMessage(session, NULL, 0, text, TOTAL, NULL, &len));
    assert_int_equal(len, 32);
    len = 3;
    assert_int_equal(rig_p11->C_SignMessage(session, NULL, 0, text, TOTAL, mac, &len), CKR_BUFFER_TOO_SMALL);
    rig_fault("hsm-1", "C_SignMessage rv=CKR_DEVICE_ERROR");
    rig_fault("hsm-3", "C_SignMessage rv=CKR_DEVICE_ERROR");
    OK(rig_p11->C_SignMessage(session, NULL, 0, text, TOTAL, mac, &len));
    for (int i = 0; i < 5; i++) {
        OK(rig_p11->C_SignMessage(session, NULL, 0, text, TOTAL, again, &len));
        assert_memory_equal(again, mac, 32);
    }
    OK(rig_p11->C_SignMessageBegin(session, NULL, 0));
    OK(rig_p11->C_SignMessageNext(session, NULL, 0, text, 150, NULL, NULL));
    memset(again, 0, 32);
    OK(rig_p11->C_SignMessageNext(session, NULL, 0, text + 150, 50, again, &len));
    assert_memory_equal(again, mac, 32);
    OK(rig_p11->C_MessageSignFinal(session));
    all_well();
}

static void verifications(void **state)
{
    (void)state;
    OK(rig_p11->C_MessageVerifyInit(session, &hmac, secret));
    rig_fault("hsm-1", "C_VerifyMessage rv=CKR_DEVICE_ERROR");
    rig_fault("hsm-2", "C_VerifyMessage rv=CKR_DEVICE_ERROR");
    for (int i = 0; i < 5; i++)
        OK(rig_p11->C_VerifyMessage(session, NULL, 0, text, TOTAL, mac, 32));
    assert_int_equal(rig_p11->C_VerifyMessage(session, NULL, 0, text, TOTAL - 1, mac, 32),
                     CKR_SIGNATURE_INVALID);
    OK(rig_p11->C_VerifyMessageBegin(session, NULL, 0));
    OK(rig_p11->C_VerifyMessageNext(session, NULL, 0, text, 77, NULL, 0));
    OK(rig_p11->C_VerifyMessageNext(session, NULL, 0, text + 77, TOTAL - 77, mac, 32));
    OK(rig_p11->C_VerifyMessageBegin(session, NULL, 0));
    assert_int_equal(rig_p11->C_VerifyMessageNext(session, NULL, 0, text, 77, mac, 32),
                     CKR_SIGNATURE_INVALID);
    OK(rig_p11->C_VerifyMessage(session, NULL, 0, text, TOTAL, mac, 32));
    OK(rig_p11->C_MessageVerifyFinal(session));
    all_well();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ones),    cmocka_unit_test(encrypt_parts),
        cmocka_unit_test(decrypt_parts), cmocka_unit_test(lost_in_the_middle),
        cmocka_unit_test(signatures),    cmocka_unit_test(verifications),
    };
    return cmocka_run_group_tests_name("calls_parts", tests, begin, end);
}
