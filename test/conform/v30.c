/* What 3.0 added but for messages: interfaces, C_LoginUser, C_SessionCancel. */
#include "mech.h"

static CK_UTF8CHAR standard[] = "PKCS 11", stranger[] = "something else", nobody[] = "nobody";

static bool is_absent(void)
{
    if (!world.v30)
        record_say("absent");
    return !world.v30;
}

static CK_RV get(CK_UTF8CHAR *name, CK_VERSION *version, CK_FLAGS flags)
{
    CK_INTERFACE *interface = NULL;
    CK_RV rv = record_rv("C_GetInterface", world.get_interface(name, version, &interface, flags));
    if (rv == CKR_OK)
        record_say("%s", (const char *)interface->pInterfaceName);
    return rv;
}

static void interface_default(const void *arg)
{
    (void)arg;
    if (!is_absent())
        get(NULL, NULL, 0);
}

static void interface_by_name(const void *arg)
{
    (void)arg;
    CK_VERSION v240 = {2, 40}, v30 = {3, 0};
    if (is_absent())
        return;
    get(standard, NULL, 0);
    get(standard, &v240, 0);
    get(standard, &v30, 0);
}

static void interface_unknown(const void *arg)
{
    (void)arg;
    CK_VERSION v99 = {9, 9};
    if (is_absent())
        return;
    get(stranger, NULL, 0);
    get(standard, &v99, 0);
}

static void interface_null(const void *arg)
{
    (void)arg;
    if (!is_absent())
        record_rv("C_GetInterface", world.get_interface(NULL, NULL, NULL, 0));
}

static void list(const void *arg)
{
    (void)arg;
    CK_INTERFACE list[16];
    CK_ULONG count = 16, told = 0, one = 1;
    if (is_absent())
        return;
    record_rv("C_GetInterfaceList", world.get_interface_list(list, &count));
    record_rv("C_GetInterfaceList", world.get_interface_list(NULL, &told));
    record_say("same:%d", told == count);
    record_rv("C_GetInterfaceList", world.get_interface_list(list, &one));
    record_rv("C_GetInterfaceList", world.get_interface_list(list, NULL));
}

static void login_user(const void *arg)
{
    (void)arg;
    if (is_absent())
        return;
    DO_30(LoginUser, world.session, CKU_USER, world.pin, world.pin_len, NULL, 0);
    DO_30(LoginUser, world.session, CKU_USER, world.pin, world.pin_len, NULL, 0);
}

static void login_wrong(const void *arg)
{
    (void)arg;
    if (!is_absent())
        DO_30(LoginUser, world.session, CKU_USER, nobody, 6, NULL, 0);
}

static void login_named(const void *arg)
{
    (void)arg;
    if (!is_absent())
        DO_30(LoginUser, world.session, CKU_USER, world.pin, world.pin_len, nobody, 6);
}

static void login_bad(const void *arg)
{
    (void)arg;
    if (is_absent())
        return;
    DO_30(LoginUser, CK_INVALID_HANDLE, CKU_USER, world.pin, world.pin_len, NULL, 0);
    DO_30(LoginUser, world.session, 7, world.pin, world.pin_len, NULL, 0);
}

static void cancel_sign(const void *arg)
{
    (void)arg;
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);
    if (is_absent())
        return;
    DO(SignInit, world.session, mech_of(&mech_signs[0]), keys_make(KEY_RSA, NULL));
    DO_30(SessionCancel, world.session, CKF_SIGN);
    DO(Sign, world.session, out, 10, out, &len);
}

static void cancel_parts(const void *arg)
{
    (void)arg;
    CK_BYTE data[32] = {0}, out[64];
    CK_ULONG len = sizeof(out);
    if (is_absent())
        return;
    DO(EncryptInit, world.session, mech_of(&mech_ciphers[0]), keys_make(KEY_AES128, NULL));
    DO(EncryptUpdate, world.session, data, sizeof(data), out, &len);
    DO_30(SessionCancel, world.session, CKF_ENCRYPT);
    len = sizeof(out);
    DO(EncryptFinal, world.session, out, &len);
}

static void cancel_another(const void *arg)
{
    (void)arg;
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);
    CK_MECHANISM mech = {CKM_SHA256, NULL, 0};
    if (is_absent())
        return;
    DO(DigestInit, world.session, &mech);
    DO_30(SessionCancel, world.session, CKF_SIGN | CKF_DECRYPT);
    DO(Digest, world.session, out, 10, out, &len);
}

static void cancel_find(const void *arg)
{
    (void)arg;
    if (is_absent())
        return;
    DO(FindObjectsInit, world.session, NULL, 0);
    DO_30(SessionCancel, world.session, CKF_FIND_OBJECTS);
    DO(FindObjectsFinal, world.session);
}

static void cancel_nothing(const void *arg)
{
    (void)arg;
    if (!is_absent())
        DO_30(SessionCancel, world.session, 0);
}

void chapter_v30(void)
{
    static const struct test tests[] = {
        {"C_GetInterface", "default", SETUP_LIBRARY, interface_default},
        {"C_GetInterface", "by-name", SETUP_LIBRARY, interface_by_name},
        {"C_GetInterface", "unknown", SETUP_LIBRARY, interface_unknown},
        {"C_GetInterface", "null", SETUP_LIBRARY, interface_null},
        {"C_GetInterfaceList", "success", SETUP_LIBRARY, list},
        {"C_LoginUser", "success", SETUP_PUBLIC, login_user},
        {"C_LoginUser", "wrong-pin", SETUP_PUBLIC, login_wrong},
        {"C_LoginUser", "named", SETUP_PUBLIC, login_named},
        {"C_LoginUser", "bad", SETUP_PUBLIC, login_bad},
        {"C_SessionCancel", "sign", SETUP_USER, cancel_sign},
        {"C_SessionCancel", "parts", SETUP_USER, cancel_parts},
        {"C_SessionCancel", "another", SETUP_USER, cancel_another},
        {"C_SessionCancel", "find", SETUP_USER, cancel_find},
        {"C_SessionCancel", "nothing", SETUP_USER, cancel_nothing},
    };
    world_run_all("v30", tests, ARRAY_LEN(tests));
}
