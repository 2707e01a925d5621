/*
 * Message-based operations and signatures with recovery on tokens that have them (NSS's): failover of whole
 * messages, nonces that come back, and nonces that a member counts, which must not move to another one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE aes, public_key, private_key;
static CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0}, poly = {CKM_CHACHA20_POLY1305, NULL, 0},
                    raw = {CKM_RSA_PKCS, NULL, 0};
static CK_BYTE text[100], aad[] = "additional";

/* For one member, "*" for all; "" ends the faults. */
static void fault(const char *member, const char *rule)
{
    char path[256], fresh[256];
    if (*member == '*') {
        fault("nss-1", rule);
        fault("nss-2", rule);
        fault("nss-3", rule);
        return;
    }
    snprintf(path, sizeof(path), "%s/rig/%s.chaos", rig_dir, member);
    snprintf(fresh, sizeof(fresh), "%s/rig/%s.fresh", rig_dir, member);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    if (*rule)
        fprintf(file, "* %s\n", rule);
    fclose(file);
    assert_int_equal(rename(fresh, path), 0);
}

static void all_well(void)
{
    fault("*", "");
    rig_wait_up();
}

static unsigned long sum_of(const char *function, bool failures)
{
    char command[400], line[100] = "";
    unsigned long sum = 0;
    for (int i = 1; i <= 3; i++) {
        unsigned long calls = 0, ok = 0, failed = 0;
        snprintf(command, sizeof(command),
                 "\"$P11HA_BUILD\"/chaos_counts --token '*' --function %s --sum %s/rig/nss-%d.chaos.counts",
                 function, rig_dir, i);
        FILE *file = popen(command, "r");
        assert_non_null(file);
        if (fgets(line, sizeof(line), file))
            assert_int_equal(sscanf(line, "%lu %lu %lu", &calls, &ok, &failed), 3);
        pclose(file);
        sum += failures ? failed : calls;
    }
    return sum;
}

static unsigned long count(const char *function)
{
    return sum_of(function, false);
}

static int begin(void **state)
{
    (void)state;
    char command[300];
    assert_non_null(mkdtemp(rig_dir));
    snprintf(command, sizeof(command), "\"$P11HA_SOURCE\"/test/lib/nss_rig %s >%s/said 2>&1", rig_dir,
             rig_dir);
    assert_int_equal(system(command), 0);
    rig_load();
    session = rig_login();
    aes = rig_aes_key(session, false);
    rig_rsa_pair(session, &public_key, &private_key);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (CK_BYTE)(i * 3);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

struct message {
    CK_BYTE iv[12], tag[16], out[sizeof(text)];
    CK_GCM_MESSAGE_PARAMS with;
};

static struct message *prepare(struct message *message, CK_GENERATOR_FUNCTION how)
{
    memset(message, 0, sizeof(*message));
    message->with = (CK_GCM_MESSAGE_PARAMS){message->iv, 12, 0, how, message->tag, 128};
    return message;
}

static CK_RV encrypt(struct message *message)
{
    CK_ULONG len = sizeof(message->out);
    CK_RV rv = rig_p11->C_EncryptMessage(session, &message->with, sizeof(message->with), aad, sizeof(aad),
                                         text, sizeof(text), message->out, &len);
    if (rv == CKR_OK)
        assert_int_equal(len, sizeof(text));
    return rv;
}

static CK_RV decrypt(struct message *message)
{
    CK_BYTE out[sizeof(text)];
    CK_ULONG len = sizeof(out);
    CK_RV rv = rig_p11->C_DecryptMessage(session, &message->with, sizeof(message->with), aad, sizeof(aad),
                                         message->out, sizeof(message->out), out, &len);
    if (rv == CKR_OK) {
        assert_int_equal(len, sizeof(text));
        assert_memory_equal(out, text, sizeof(text));
    }
    return rv;
}

static void flags(void **state)
{
    (void)state;
    CK_MECHANISM_INFO info;
    const CK_FLAGS both = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT;
    OK(rig_p11->C_GetMechanismInfo(rig_slot, CKM_AES_GCM, &info));
    assert_int_equal(info.flags & both, both);
    OK(rig_p11->C_GetMechanismInfo(rig_slot, CKM_AES_CBC, &info));
    assert_int_equal(info.flags & both, 0);
}

static void order(void **state)
{
    (void)state;
    struct message message;
    CK_BYTE out[4];
    CK_ULONG len = 0;
    assert_int_equal(encrypt(prepare(&message, CKG_NO_GENERATE)), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(rig_p11->C_MessageEncryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(rig_p11->C_MessageEncryptInit(session, &gcm, 0xdead), CKR_KEY_HANDLE_INVALID);
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    assert_int_equal(rig_p11->C_MessageEncryptInit(session, &gcm, aes), CKR_OPERATION_ACTIVE);
    OK(rig_p11->C_EncryptMessage(session, &message.with, sizeof(message.with), aad, 3, text, 50, NULL, &len));
    assert_int_equal(len, 50);
    len = sizeof(out);
    assert_int_equal(
        rig_p11->C_EncryptMessage(session, &message.with, sizeof(message.with), aad, 3, text, 50, out, &len),
        CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 50);
    assert_int_equal(
        rig_p11->C_EncryptMessage(session, &message.with, sizeof(message.with), NULL, 3, text, 50, out, &len),
        CKR_ARGUMENTS_BAD);
    /* Parts: these tokens have no functions for them; the operation goes on. */
    assert_int_equal(rig_p11->C_EncryptMessageNext(session, &message.with, sizeof(message.with), text, 10,
                                                   out, &len, CKF_END_OF_MESSAGE),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(rig_p11->C_EncryptMessageBegin(session, &message.with, sizeof(message.with), aad, 3),
                     CKR_FUNCTION_NOT_SUPPORTED);
    OK(encrypt(prepare(&message, CKG_NO_GENERATE)));
    OK(rig_p11->C_MessageEncryptFinal(session));
    assert_int_equal(rig_p11->C_MessageEncryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    assert_int_equal(rig_p11->C_MessageSignInit(session, &hmac, aes), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(rig_p11->C_MessageVerifyInit(session, &hmac, aes), CKR_FUNCTION_NOT_SUPPORTED);
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    OK(rig_p11->C_SessionCancel(session, CKF_MESSAGE_ENCRYPT));
    assert_int_equal(encrypt(&message), CKR_OPERATION_NOT_INITIALIZED);
}

/* A wrong tag is that message's trouble, and nobody else's. */
static void wrong_tag(void **state)
{
    (void)state;
    struct message message;
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    OK(rig_p11->C_MessageDecryptInit(session, &gcm, aes));
    OK(encrypt(prepare(&message, CKG_NO_GENERATE)));
    OK(decrypt(&message));
    message.tag[3] ^= 1;
    assert_int_not_equal(decrypt(&message), CKR_OK);
    message.tag[3] ^= 1;
    OK(decrypt(&message));
    OK(rig_p11->C_MessageEncryptFinal(session));
    OK(rig_p11->C_MessageDecryptFinal(session));
}

static void random_nonces(CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    struct message one, two;
    OK(rig_p11->C_MessageEncryptInit(session, mech, key));
    OK(rig_p11->C_MessageDecryptInit(session, mech, key));
    static const char *const faults[] = {"C_EncryptMessage rv=CKR_DEVICE_ERROR", "C_MessageEncryptInit gone",
                                         "C_EncryptMessage lose-sessions times=3",
                                         "C_DecryptMessage rv=CKR_GENERAL_ERROR", "C_DecryptMessage hang"};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fault("nss-1", faults[i]);
        fault("nss-2", faults[i]);
        for (int k = 0; k < 12; k++) {
            OK(encrypt(prepare(&one, CKG_GENERATE_RANDOM)));
            OK(encrypt(prepare(&two, CKG_GENERATE_RANDOM)));
            assert_memory_not_equal(one.iv, two.iv, 12);
            OK(decrypt(&one));
            OK(decrypt(&two));
        }
        all_well();
    }
    OK(rig_p11->C_MessageEncryptFinal(session));
    OK(rig_p11->C_MessageDecryptFinal(session));
}

static void whole_messages_move(void **state)
{
    (void)state;
    unsigned long before = count("C_MessageEncryptInit");
    random_nonces(&gcm, aes);
    assert_true(count("C_MessageEncryptInit") > before);
    /* Whoever is quickest gets them all: at times that is the one without a fault, but not always. */
    assert_true(sum_of("C_EncryptMessage", true) + sum_of("C_DecryptMessage", true) > 0);
}

static void poly1305(void **state)
{
    (void)state;
    CK_BYTE nonce[12] = {5}, tag[16], out[sizeof(text)], back[sizeof(text)];
    CK_ULONG len = sizeof(out), back_len = sizeof(back);
    CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS with = {nonce, 12, tag};
    /* A session key: it lives on one member. */
    CK_OBJECT_HANDLE chacha = 0;
    CK_MECHANISM generate = {CKM_CHACHA20_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {{CKA_ENCRYPT, &rig_yes, 1}, {CKA_DECRYPT, &rig_yes, 1}};
    OK(rig_p11->C_GenerateKey(session, &generate, templ, 2, &chacha));
    memset(tag, 0, sizeof(tag));
    OK(rig_p11->C_MessageEncryptInit(session, &poly, chacha));
    OK(rig_p11->C_EncryptMessage(session, &with, sizeof(with), aad, 4, text, sizeof(text), out, &len));
    OK(rig_p11->C_MessageEncryptFinal(session));
    OK(rig_p11->C_MessageDecryptInit(session, &poly, chacha));
    OK(rig_p11->C_DecryptMessage(session, &with, sizeof(with), aad, 4, out, len, back, &back_len));
    assert_memory_equal(back, text, sizeof(text));
    OK(rig_p11->C_MessageDecryptFinal(session));
}

static void counted_nonces_stay(void **state)
{
    (void)state;
    struct message message;
    const CK_BYTE zeros[11] = {0};
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    for (CK_BYTE i = 0; i < 5; i++) {
        OK(encrypt(prepare(&message, CKG_GENERATE_COUNTER)));
        assert_memory_equal(message.iv, zeros, 11);
        assert_int_equal(message.iv[11], i);
    }
    fault("*", "C_EncryptMessage rv=CKR_DEVICE_ERROR times=1");
    rig_log_empty();
    assert_int_equal(encrypt(prepare(&message, CKG_GENERATE_COUNTER)), CKR_DEVICE_ERROR);
    assert_true(rig_log_has("operation-lost"));
    /* Nobody begins to count anew under the same operation. */
    unsigned long before = count("C_EncryptMessage");
    fault("*", "");
    assert_int_equal(encrypt(prepare(&message, CKG_GENERATE_COUNTER)), CKR_DEVICE_ERROR);
    assert_int_equal(count("C_EncryptMessage"), before);
    OK(rig_p11->C_MessageEncryptFinal(session));
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    OK(encrypt(prepare(&message, CKG_GENERATE_COUNTER)));
    OK(rig_p11->C_MessageEncryptFinal(session));
    all_well();
}

/* Before the first counted one nothing is lost with a member. */
static void counting_begins_anywhere(void **state)
{
    (void)state;
    struct message message;
    OK(rig_p11->C_MessageEncryptInit(session, &gcm, aes));
    fault("nss-1", "C_EncryptMessage rv=CKR_DEVICE_ERROR");
    fault("nss-2", "C_EncryptMessage rv=CKR_DEVICE_ERROR");
    for (CK_BYTE i = 0; i < 3; i++) {
        OK(encrypt(prepare(&message, CKG_GENERATE_COUNTER)));
        assert_int_equal(message.iv[11], i);
    }
    OK(rig_p11->C_MessageEncryptFinal(session));
    all_well();
}

static void recovery(void **state)
{
    (void)state;
    CK_BYTE signature[256], back[256];
    CK_ULONG len = 0, back_len = 0;
    for (int fails = 0; fails < 2; fails++) {
        OK(rig_p11->C_SignRecoverInit(session, &raw, private_key));
        if (fails) {
            fault("nss-1", "C_SignRecover rv=CKR_DEVICE_ERROR");
            fault("nss-2", "C_SignRecover rv=CKR_DEVICE_ERROR");
        }
        OK(rig_p11->C_SignRecover(session, text, 40, NULL, &len));
        assert_int_equal(len, 256);
        len = 10;
        assert_int_equal(rig_p11->C_SignRecover(session, text, 40, signature, &len), CKR_BUFFER_TOO_SMALL);
        len = sizeof(signature);
        OK(rig_p11->C_SignRecover(session, text, 40, signature, &len));
        assert_int_equal(rig_p11->C_SignRecover(session, text, 40, signature, &len),
                         CKR_OPERATION_NOT_INITIALIZED);
        OK(rig_p11->C_VerifyRecoverInit(session, &raw, public_key));
        if (fails) {
            fault("nss-1", "C_VerifyRecoverInit rv=CKR_DEVICE_ERROR");
            fault("nss-3", "C_VerifyRecoverInit rv=CKR_DEVICE_ERROR");
            fault("nss-2", "");
            sleep(2);
        }
        OK(rig_p11->C_VerifyRecover(session, signature, 256, NULL, &back_len));
        assert_true(back_len >= 40);
        back_len = 5;
        assert_int_equal(rig_p11->C_VerifyRecover(session, signature, 256, back, &back_len),
                         CKR_BUFFER_TOO_SMALL);
        back_len = sizeof(back);
        OK(rig_p11->C_VerifyRecover(session, signature, 256, back, &back_len));
        assert_int_equal(back_len, 40);
        assert_memory_equal(back, text, 40);
    }
    all_well();
    signature[100] ^= 1;
    OK(rig_p11->C_VerifyRecoverInit(session, &raw, public_key));
    back_len = sizeof(back);
    assert_int_not_equal(rig_p11->C_VerifyRecover(session, signature, 256, back, &back_len), CKR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags),
        cmocka_unit_test(order),
        cmocka_unit_test(wrong_tag),
        cmocka_unit_test(whole_messages_move),
        cmocka_unit_test(poly1305),
        cmocka_unit_test(counted_nonces_stay),
        cmocka_unit_test(counting_begins_anywhere),
        cmocka_unit_test(recovery),
    };
    return cmocka_run_group_tests_name("calls_message", tests, begin, end);
}
