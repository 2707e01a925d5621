/* PINs and the token itself, last because they change it. */
#include <string.h>

#include "world.h"

static CK_UTF8CHAR fresh[] = "fresh-pin", wrong[] = "wrong-pin";

static CK_RV set(CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *pin, CK_ULONG len)
{
    return DO(SetPIN, world.session, old, old_len, pin, len);
}

static CK_RV login(CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    return DO(Login, world.session, user, pin, len);
}

static void set_and_back(const void *arg)
{
    (void)arg;
    if (set(world.pin, world.pin_len, fresh, 9) != CKR_OK)
        return;
    DO(Logout, world.session);
    login(CKU_USER, world.pin, world.pin_len);
    login(CKU_USER, fresh, 9);
    set(fresh, 9, world.pin, world.pin_len);
}

static void set_wrong(const void *arg)
{
    (void)arg;
    set(wrong, 9, fresh, 9);
}

/* Not every token minds such a length. */
static void set_for_a_moment(CK_UTF8CHAR *pin, CK_ULONG len)
{
    if (set(world.pin, world.pin_len, pin, len) == CKR_OK)
        set(pin, len, world.pin, world.pin_len);
}

static void set_bad_lengths(const void *arg)
{
    (void)arg;
    static CK_UTF8CHAR pin[501];
    memset(pin, 'p', sizeof(pin));
    set_for_a_moment(pin, 256);
    set_for_a_moment(pin, sizeof(pin));
    set_for_a_moment(fresh, 3);
}

static void set_null(const void *arg)
{
    (void)arg;
    set(NULL, 0, fresh, 9);
    set_for_a_moment(NULL, 0);
}

static void set_officer(const void *arg)
{
    (void)arg;
    login(CKU_SO, world.so_pin, world.so_pin_len);
    if (set(world.so_pin, world.so_pin_len, fresh, 9) == CKR_OK)
        set(fresh, 9, world.so_pin, world.so_pin_len);
}

static void init(const void *arg)
{
    (void)arg;
    login(CKU_SO, world.so_pin, world.so_pin_len);
    if (DO(InitPIN, world.session, fresh, 9) != CKR_OK)
        return;
    DO(InitPIN, world.session, world.pin, world.pin_len);
    DO(Logout, world.session);
    login(CKU_USER, world.pin, world.pin_len);
}

static void init_by_user(const void *arg)
{
    (void)arg;
    DO(InitPIN, world.session, fresh, 9);
}

static void init_bad(const void *arg)
{
    (void)arg;
    login(CKU_SO, world.so_pin, world.so_pin_len);
    DO(InitPIN, world.session, fresh, 3);
    DO(InitPIN, world.session, NULL, 0);
    DO(InitPIN, world.session, NULL, 9);
}

static void token_with_session(const void *arg)
{
    (void)arg;
    DO(InitToken, world.slot, world.so_pin, world.so_pin_len, world.label);
}

static void token_bad(const void *arg)
{
    (void)arg;
    DO(InitToken, 0x7ffffff0, world.so_pin, world.so_pin_len, world.label);
    DO(InitToken, world.slot, NULL, world.so_pin_len, world.label);
    DO(InitToken, world.slot, world.so_pin, world.so_pin_len, NULL);
}

static void token_wrong_pin(const void *arg)
{
    (void)arg;
    DO(InitToken, world.slot, wrong, 9, world.label);
}

void chapter_pin(void)
{
    static const struct test tests[] = {
        {"C_SetPIN", "and-back", SETUP_USER, set_and_back},
        {"C_SetPIN", "and-back-logged-out", SETUP_PUBLIC, set_and_back},
        {"C_SetPIN", "wrong", SETUP_USER, set_wrong},
        {"C_SetPIN", "bad-lengths", SETUP_USER, set_bad_lengths},
        {"C_SetPIN", "null", SETUP_USER, set_null},
        {"C_SetPIN", "read-only", SETUP_RO_USER, set_wrong},
        {"C_SetPIN", "security-officer", SETUP_PUBLIC, set_officer},
        {"C_InitPIN", "success", SETUP_PUBLIC, init},
        {"C_InitPIN", "by-user", SETUP_USER, init_by_user},
        {"C_InitPIN", "by-nobody", SETUP_PUBLIC, init_by_user},
        {"C_InitPIN", "bad", SETUP_PUBLIC, init_bad},
        {"C_InitToken", "with-session", SETUP_PUBLIC, token_with_session},
        {"C_InitToken", "bad", SETUP_LIBRARY, token_bad},
        {"C_InitToken", "wrong-pin", SETUP_LIBRARY, token_wrong_pin},
    };
    world_run_all("pin", tests, ARRAY_LEN(tests));
}
