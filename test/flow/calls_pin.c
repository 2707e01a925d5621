/* PINs are changed on all members or on none: wrong ones, members that are away or fail in the middle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

#define SO_PIN "12345678"

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

static CK_RV set_pin(const char *old, const char *new)
{
    return rig_p11->C_SetPIN(session, (CK_UTF8CHAR *)old, strlen(old), (CK_UTF8CHAR *)new, strlen(new));
}

static CK_RV login(CK_USER_TYPE user, const char *pin)
{
    return rig_p11->C_Login(session, user, (CK_UTF8CHAR *)pin, strlen(pin));
}

static CK_RV encrypt(void)
{
    CK_BYTE iv[16] = {0}, data[16] = {0}, out[16];
    CK_ULONG len = sizeof(out);
    CK_MECHANISM mech = {CKM_AES_CBC, iv, 16};
    CK_RV rv = rig_p11->C_EncryptInit(session, &mech, key);
    return rv == CKR_OK ? rig_p11->C_Encrypt(session, data, 16, out, &len) : rv;
}

/* Each member alone: so its PIN is what is said. */
static void pin_is(const char *pin)
{
    for (int i = 1; i <= 3; i++) {
        char command[600];
        snprintf(
            command, sizeof(command),
            "SOFTHSM2_CONF=%s/rig/hsm-%d/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so "
            "--token-label hsm-%d --login --pin %s --list-objects >/dev/null 2>&1",
            rig_dir, i, i, pin);
        if (system(command) != 0)
            fail_msg("hsm-%d has another PIN", i);
    }
}

static void all_well(void)
{
    rig_fault("*", "ok");
    rig_wait_up();
}

static int begin(void **state)
{
    (void)state;
    rig_make("--chaos --timeout 2s");
    session = rig_login();
    key = rig_aes_key(session, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

static void wrong_old_pin(void **state)
{
    (void)state;
    struct rig_count before = rig_count("*", "C_SetPIN");
    assert_int_equal(set_pin("9999", "5678"), CKR_PIN_INCORRECT);
    struct rig_count after = rig_count("*", "C_SetPIN");
    assert_int_equal(after.calls - before.calls, 1);
    assert_int_equal(after.failed - before.failed, 1);
    OK(encrypt());
    assert_int_equal(set_pin("1234", "1"), CKR_PIN_LEN_RANGE);
    assert_int_equal(rig_p11->C_SetPIN(session, NULL, 0, NULL, 0), CKR_ARGUMENTS_BAD);
    pin_is("1234");
}

static void read_only(void **state)
{
    (void)state;
    CK_SESSION_HANDLE reader = 0;
    CK_UTF8CHAR old[] = "1234", new[] = "5678";
    OK(rig_p11->C_OpenSession(rig_slot, CKF_SERIAL_SESSION, NULL, NULL, &reader));
    assert_int_equal(rig_p11->C_SetPIN(reader, old, 4, new, 4), CKR_SESSION_READ_ONLY);
    assert_int_equal(rig_p11->C_InitPIN(session, new, 4), CKR_USER_NOT_LOGGED_IN);
    OK(rig_p11->C_CloseSession(reader));
}

/* Those that come back later sign on with the new one. */
static void changed_while_logged_in(void **state)
{
    (void)state;
    rig_log_empty();
    OK(set_pin("1234", "5678"));
    pin_is("5678");
    OK(encrypt());
    rig_fault("hsm-2", "lose-login");
    for (int i = 0; i < 20; i++)
        OK(encrypt());
    rig_fault("hsm-1", "gone");
    for (int i = 0; i < 20; i++)
        OK(encrypt());
    all_well();
    for (int i = 0; i < 20; i++)
        OK(encrypt());
    assert_false(rig_log_has("pin-mismatch"));
    assert_false(rig_log_has("5678"));
}

static void changed_while_logged_out(void **state)
{
    (void)state;
    OK(rig_p11->C_Logout(session));
    OK(set_pin("5678", "1234"));
    pin_is("1234");
    assert_int_equal(login(CKU_USER, "5678"), CKR_PIN_INCORRECT);
    OK(login(CKU_USER, "1234"));
    OK(encrypt());
}

static void away(void **state)
{
    (void)state;
    rig_fault("hsm-2", "gone");
    unsigned long before = rig_count("*", "C_SetPIN").calls;
    rig_log_empty();
    assert_int_equal(set_pin("1234", "5678"), CKR_DEVICE_ERROR);
    assert_int_equal(rig_count("*", "C_SetPIN").calls, before);
    assert_true(rig_log_has("pin-not-changed") && rig_log_has("member=hsm-2"));
    all_well();
    pin_is("1234");
    OK(encrypt());
}

static void refused_in_the_middle(const char *rule)
{
    rig_fault("hsm-3", rule);
    rig_log_empty();
    assert_int_equal(set_pin("1234", "5678"), CKR_DEVICE_ERROR);
    assert_true(rig_log_has("pin-put-back") && rig_log_has("member=hsm-1") && rig_log_has("member=hsm-3"));
    assert_false(rig_log_has("pin-split"));
    all_well();
    pin_is("1234");
    OK(encrypt());
}

static void fails_in_the_middle(void **state)
{
    (void)state;
    refused_in_the_middle("C_SetPIN rv=CKR_PIN_INCORRECT times=1");
    refused_in_the_middle("C_SetPIN rv=CKR_GENERAL_ERROR times=1");
    /* The session's loss is not a failure: the call was surely not done, and is done once more. */
    rig_fault("hsm-2", "C_SetPIN rv=CKR_SESSION_HANDLE_INVALID times=1");
    OK(set_pin("1234", "5678"));
    OK(set_pin("5678", "1234"));
    all_well();
    pin_is("1234");
}

/* The new PIN is set there, and nobody hears of it in time. */
static void unheard_in_the_middle(void **state)
{
    (void)state;
    rig_fault("hsm-2", "C_SetPIN late=3000 times=1");
    rig_log_empty();
    assert_int_equal(set_pin("1234", "5678"), CKR_DEVICE_ERROR);
    assert_true(rig_log_has("member=hsm-2 stands=unknown"));
    assert_true(rig_log_has("member=hsm-2 stands=old-pin"));
    assert_false(rig_log_has("pin-split"));
    sleep(2);
    all_well();
    pin_is("1234");
    OK(encrypt());
}

/* Nor can it be put back. */
static void unknown_in_the_middle(void **state)
{
    (void)state;
    rig_fault("hsm-2", "C_SetPIN late=6000 times=1\" \"C_SetPIN hang nth=2");
    rig_log_empty();
    assert_int_equal(set_pin("1234", "5678"), CKR_DEVICE_ERROR);
    assert_true(rig_log_has("pin-split"));
    assert_true(rig_log_has("stands=unknown"));
    assert_true(rig_log_has("stands=old-pin"));
    OK(encrypt());
    sleep(4);
    all_well();
    /* It is asked once by the next login, and never again. */
    unsigned long before = rig_count("hsm-2", "C_Login").failed;
    OK(rig_p11->C_Logout(session));
    OK(login(CKU_USER, "1234"));
    sleep(2);
    OK(encrypt());
    assert_int_equal(rig_count("hsm-2", "C_Login").failed, before + 1);
    char command[600];
    snprintf(command, sizeof(command),
             "SOFTHSM2_CONF=%s/rig/hsm-2/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so "
             "--token-label hsm-2 --login --pin 5678 --change-pin --new-pin 1234 >/dev/null 2>&1",
             rig_dir);
    assert_int_equal(system(command), 0);
    OK(rig_p11->C_Logout(session));
    OK(rig_p11->C_Finalize(NULL));
    session = rig_login();
    pin_is("1234");
}

static void by_the_officer(void **state)
{
    (void)state;
    CK_UTF8CHAR new[] = "4321";
    OK(rig_p11->C_Logout(session));
    OK(login(CKU_SO, SO_PIN));
    OK(rig_p11->C_InitPIN(session, new, 4));
    OK(set_pin(SO_PIN, "87654321"));
    OK(rig_p11->C_Logout(session));
    pin_is("4321");
    assert_int_equal(login(CKU_SO, SO_PIN), CKR_PIN_INCORRECT);
    OK(login(CKU_SO, "87654321"));
    rig_fault("hsm-2", "C_InitPIN rv=CKR_DEVICE_ERROR times=1");
    rig_log_empty();
    assert_int_equal(rig_p11->C_InitPIN(session, (CK_UTF8CHAR *)"1234", 4), CKR_DEVICE_ERROR);
    assert_true(rig_log_has("member=hsm-1 stands=changed") && rig_log_has("member=hsm-3 stands=as-before"));
    all_well();
    OK(rig_p11->C_InitPIN(session, (CK_UTF8CHAR *)"1234", 4));
    pin_is("1234");
    OK(rig_p11->C_Logout(session));
    OK(login(CKU_USER, "1234"));
    CK_ATTRIBUTE templ[] = {{CKA_ENCRYPT, &rig_yes, 1}};
    CK_ULONG count = 0;
    OK(rig_p11->C_FindObjectsInit(session, templ, 1));
    OK(rig_p11->C_FindObjects(session, &key, 1, &count));
    OK(rig_p11->C_FindObjectsFinal(session));
    assert_int_equal(count, 1);
    OK(encrypt());
}

static void user_with_a_name(void **state)
{
    (void)state;
    CK_UTF8CHAR pin[] = "1234", wrong[] = "9999", name[] = "alice";
    /* A member that still signs on meets the logout, and is then logged out and in once more. */
    rig_wait_up();
    OK(rig_p11->C_Logout(session));
    sleep(1);
    struct rig_count before = rig_count("*", "C_Login");
    assert_int_equal(rig_p11->C_LoginUser(session, CKU_USER, wrong, 4, NULL, 0), CKR_PIN_INCORRECT);
    assert_int_equal(rig_count("*", "C_Login").failed - before.failed, 1);
    assert_int_equal(rig_p11->C_LoginUser(session, CKU_USER, pin, 4, NULL, 3), CKR_ARGUMENTS_BAD);
    assert_int_equal(rig_p11->C_LoginUser(session, 77, pin, 4, NULL, 0), CKR_USER_TYPE_INVALID);
    assert_int_equal(rig_p11->C_LoginUser(session, CKU_USER, pin, 4, name, 5), CKR_FUNCTION_NOT_SUPPORTED);
    OK(rig_p11->C_LoginUser(session, CKU_USER, pin, 4, NULL, 0));
    assert_int_equal(rig_p11->C_LoginUser(session, CKU_USER, pin, 4, NULL, 0), CKR_USER_ALREADY_LOGGED_IN);
    assert_false(rig_log_has("alice"));
}

static void token_of_a_managed_group(void **state)
{
    (void)state;
    CK_UTF8CHAR so_pin[] = SO_PIN, label[33] = "rig                             ";
    assert_int_equal(rig_p11->C_InitToken(rig_slot, so_pin, 8, label), CKR_SESSION_EXISTS);
    OK(rig_p11->C_CloseAllSessions(rig_slot));
    rig_log_empty();
    assert_int_equal(rig_p11->C_InitToken(rig_slot, so_pin, 8, label), CKR_FUNCTION_REJECTED);
    assert_true(rig_log_has("token-not-initialised"));
    assert_int_equal(rig_count("*", "C_InitToken").calls, 0);
    label[0] = 'R';
    assert_int_equal(rig_p11->C_InitToken(rig_slot, so_pin, 8, label), CKR_ARGUMENTS_BAD);
    session = rig_login();
    OK(encrypt());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_old_pin),
        cmocka_unit_test(read_only),
        cmocka_unit_test(changed_while_logged_in),
        cmocka_unit_test(changed_while_logged_out),
        cmocka_unit_test(away),
        cmocka_unit_test(fails_in_the_middle),
        cmocka_unit_test(unheard_in_the_middle),
        cmocka_unit_test(unknown_in_the_middle),
        cmocka_unit_test(by_the_officer),
        cmocka_unit_test(user_with_a_name),
        cmocka_unit_test(token_of_a_managed_group),
    };
    return cmocka_run_group_tests_name("calls_pin", tests, begin, end);
}
