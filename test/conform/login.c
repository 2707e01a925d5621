/* Login and logout. */
#include "keys.h"

static CK_UTF8CHAR wrong[] = "wrong-pin";

static CK_RV login(CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    return DO(Login, world.session, user, pin, len);
}

static CK_RV user(void)
{
    return login(CKU_USER, world.pin, world.pin_len);
}

static CK_RV officer(void)
{
    return login(CKU_SO, world.so_pin, world.so_pin_len);
}

static void success(const void *arg)
{
    (void)arg;
    user();
}

static void twice(const void *arg)
{
    (void)arg;
    user();
    user();
}

static void twice_wrong(const void *arg)
{
    (void)arg;
    user();
    login(CKU_USER, wrong, 9);
}

static void wrong_pin(const void *arg)
{
    (void)arg;
    login(CKU_USER, wrong, 9);
    login(CKU_USER, wrong, 9);
    user();
}

static void wrong_officer_pin(const void *arg)
{
    (void)arg;
    login(CKU_SO, wrong, 9);
    officer();
}

static void empty_pin(const void *arg)
{
    (void)arg;
    login(CKU_USER, wrong, 0);
}

static void null_pin(const void *arg)
{
    (void)arg;
    login(CKU_USER, NULL, 0);
}

static void null_pin_with_length(const void *arg)
{
    (void)arg;
    login(CKU_USER, NULL, 4);
}

static void short_pin(const void *arg)
{
    (void)arg;
    login(CKU_USER, wrong, 3);
}

static void long_pin(const void *arg)
{
    (void)arg;
    static CK_UTF8CHAR pin[300];
    for (unsigned i = 0; i < sizeof(pin); i++)
        pin[i] = 'x';
    login(CKU_USER, pin, 256);
    login(CKU_USER, pin, 255);
}

static void user_type(const void *arg)
{
    (void)arg;
    login(7, world.pin, world.pin_len);
}

static void context_without_operation(const void *arg)
{
    (void)arg;
    login(CKU_CONTEXT_SPECIFIC, world.pin, world.pin_len);
}

static void officer_after_user(const void *arg)
{
    (void)arg;
    user();
    officer();
}

static void user_after_officer(const void *arg)
{
    (void)arg;
    officer();
    user();
    officer();
}

static void officer_with_read_only(const void *arg)
{
    (void)arg;
    (void)world_open(0);
    officer();
    user();
}

static void officer_in_read_only(const void *arg)
{
    (void)arg;
    officer();
}

static void logout(const void *arg)
{
    (void)arg;
    DO(Logout, world.session);
    DO(Logout, world.session);
}

static void logout_first(const void *arg)
{
    (void)arg;
    DO(Logout, world.session);
}

static void logout_and_again(const void *arg)
{
    (void)arg;
    DO(Logout, world.session);
    user();
    DO(Logout, world.session);
    officer();
    DO(Logout, world.session);
    user();
}

static void logout_ends_private_session_objects(const void *arg)
{
    (void)arg;
    CK_ULONG size;
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_PRIVATE, CK_TRUE);
    DO(Logout, world.session);
    DO(GetObjectSize, world.session, key, &size);
    user();
    DO(GetObjectSize, world.session, key, &size);
}

static void logout_keeps_public_session_objects(const void *arg)
{
    (void)arg;
    CK_ULONG size;
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_PRIVATE, CK_FALSE);
    DO(Logout, world.session);
    DO(GetObjectSize, world.session, key, &size);
    user();
    DO(GetObjectSize, world.session, key, &size);
}

static void logout_hides_token_objects(const void *arg)
{
    (void)arg;
    CK_ULONG size;
    struct templ with = {.count = 0};
    templ_bool(&with, CKA_TOKEN, CK_TRUE);
    templ_bool(&with, CKA_PRIVATE, CK_TRUE);
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, &with);
    DO(Logout, world.session);
    DO(GetObjectSize, world.session, key, &size);
}

/* What the officer may do with objects. */
static void officer_objects(const void *arg)
{
    (void)arg;
    officer();
    (void)keys_make_with(KEY_AES128, CKA_PRIVATE, CK_TRUE);
    CK_OBJECT_HANDLE key = keys_make_with(KEY_AES128, CKA_PRIVATE, CK_FALSE);
    record_say("public:%d", key != CK_INVALID_HANDLE);
}

void chapter_login(void)
{
    static const struct test tests[] = {
        {"C_Login", "success", SETUP_PUBLIC, success},
        {"C_Login", "read-only", SETUP_RO, success},
        {"C_Login", "twice", SETUP_PUBLIC, twice},
        {"C_Login", "twice-with-a-wrong-pin", SETUP_PUBLIC, twice_wrong},
        {"C_Login", "wrong-pin", SETUP_PUBLIC, wrong_pin},
        {"C_Login", "wrong-officer-pin", SETUP_PUBLIC, wrong_officer_pin},
        {"C_Login", "empty-pin", SETUP_PUBLIC, empty_pin},
        {"C_Login", "null-pin", SETUP_PUBLIC, null_pin},
        {"C_Login", "null-pin-with-length", SETUP_PUBLIC, null_pin_with_length},
        {"C_Login", "short-pin", SETUP_PUBLIC, short_pin},
        {"C_Login", "long-pin", SETUP_PUBLIC, long_pin},
        {"C_Login", "user-type", SETUP_PUBLIC, user_type},
        {"C_Login", "context-specific-without-operation", SETUP_USER, context_without_operation},
        {"C_Login", "context-specific-logged-out", SETUP_PUBLIC, context_without_operation},
        {"C_Login", "officer-after-user", SETUP_PUBLIC, officer_after_user},
        {"C_Login", "user-after-officer", SETUP_PUBLIC, user_after_officer},
        {"C_Login", "officer-with-read-only-session", SETUP_PUBLIC, officer_with_read_only},
        {"C_Login", "officer-in-read-only-session", SETUP_RO, officer_in_read_only},
        {"C_Login", "officer-objects", SETUP_PUBLIC, officer_objects},
        {"C_Logout", "twice", SETUP_USER, logout},
        {"C_Logout", "first", SETUP_PUBLIC, logout_first},
        {"C_Logout", "and-again", SETUP_USER, logout_and_again},
        {"C_Logout", "ends-private-session-objects", SETUP_USER, logout_ends_private_session_objects},
        {"C_Logout", "keeps-public-session-objects", SETUP_USER, logout_keeps_public_session_objects},
        {"C_Logout", "hides-token-objects", SETUP_TOKEN, logout_hides_token_objects},
    };
    world_run_all("login", tests, ARRAY_LEN(tests));
}
