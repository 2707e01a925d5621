/* C_InitToken of an external group, whose members keep their labels; PINs where a member has one of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/rig_world.h"

static CK_UTF8CHAR so_pin[] = "12345678", user_pin[] = "1234", other_pin[] = "5678",
                   label[33] = "rig                             ";

/* Secret keys on all members together, each asked alone: nobody keeps these tokens alike. */
static int keys(const char *pin)
{
    char command[600], line[300];
    int sum = 0;
    for (int i = 1; i <= 3; i++) {
        snprintf(
            command, sizeof(command),
            "SOFTHSM2_CONF=%s/rig/hsm-%d/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so "
            "--token-label hsm-%d --login --pin %s --list-objects --type secrkey 2>/dev/null",
            rig_dir, i, i, pin);
        FILE *file = popen(command, "r");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
            sum += !!strstr(line, "Secret Key Object");
        assert_int_equal(pclose(file), 0);
    }
    return sum;
}

static void edit(const char *what)
{
    char command[400];
    snprintf(command, sizeof(command), "sed -i '%s' %s/rig/p11ha.conf", what, rig_dir);
    assert_int_equal(system(command), 0);
}

static int begin(void **state)
{
    (void)state;
    rig_make("--chaos --timeout 3s --sync external");
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove();
    return 0;
}

static void made_anew(void **state)
{
    (void)state;
    CK_FUNCTION_LIST_3_2 *p = rig_p11;
    CK_SESSION_HANDLE session = rig_login();
    (void)rig_aes_key(session, false);
    assert_int_equal(keys("1234"), 1);
    assert_int_equal(p->C_InitToken(rig_slot, so_pin, 8, label), CKR_SESSION_EXISTS);
    OK(p->C_CloseAllSessions(rig_slot));
    assert_int_equal(p->C_InitToken(rig_slot, NULL, 0, label), CKR_ARGUMENTS_BAD);
    assert_int_equal(p->C_InitToken(99, so_pin, 8, label), CKR_SLOT_ID_INVALID);
    /* A wrong PIN of the officer: one attempt on one member. */
    unsigned long before = rig_count("*", "C_InitToken").calls;
    assert_int_equal(p->C_InitToken(rig_slot, other_pin, 4, label), CKR_PIN_INCORRECT);
    assert_int_equal(rig_count("*", "C_InitToken").calls, before + 1);
    /* One that is away: nothing is wiped. */
    rig_fault("hsm-3", "gone");
    assert_int_equal(p->C_InitToken(rig_slot, so_pin, 8, label), CKR_DEVICE_ERROR);
    assert_int_equal(rig_count("*", "C_InitToken").calls, before + 1);
    rig_fault("hsm-3", "ok");
    sleep(3);
    assert_int_equal(keys("1234"), 1);
    OK(p->C_InitToken(rig_slot, so_pin, 8, label));
    session = rig_session();
    assert_int_equal(p->C_Login(session, CKU_USER, user_pin, 4), CKR_USER_PIN_NOT_INITIALIZED);
    OK(p->C_Login(session, CKU_SO, so_pin, 8));
    OK(p->C_InitPIN(session, other_pin, 4));
    OK(p->C_Logout(session));
    OK(p->C_Login(session, CKU_USER, other_pin, 4));
    assert_int_equal(keys("5678"), 0);
    (void)rig_aes_key(session, false);
    OK(p->C_SetPIN(session, other_pin, 4, user_pin, 4));
    OK(p->C_Finalize(NULL));
    session = rig_login();
    assert_int_equal(keys("1234"), 1);
    OK(p->C_Finalize(NULL));
}

static void own_pins(void **state)
{
    (void)state;
    char line[300];
    snprintf(line, sizeof(line), "s|^token = pkcs11:token=hsm-2|&\\npin-source = file:%s/rig/pin|", rig_dir);
    edit(line);
    CK_SESSION_HANDLE session = rig_login();
    unsigned long before = rig_count("*", "C_SetPIN").calls;
    rig_log_empty();
    assert_int_equal(rig_p11->C_SetPIN(session, user_pin, 4, other_pin, 4), CKR_FUNCTION_REJECTED);
    assert_true(rig_log_has("pin-not-changed group=rig call=C_SetPIN member=hsm-2"));
    assert_int_equal(rig_count("*", "C_SetPIN").calls, before);
    OK(rig_p11->C_Finalize(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_anew),
        cmocka_unit_test(own_pins),
    };
    return cmocka_run_group_tests_name("calls_token", tests, begin, end);
}
