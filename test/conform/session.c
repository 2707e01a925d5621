/* Sessions. */
#include "keys.h"

enum { NO_SLOT = 0x7ffffff0 };

static void tell(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    if (DO(GetSessionInfo, session, &info) == CKR_OK)
        record_say("state=%lu flags=%lx error=%lx slot:%d", info.state, info.flags, info.ulDeviceError,
                   info.slotID == world.slot);
}

static void open_with(CK_FLAGS flags)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    if (DO(OpenSession, world.slot, flags, NULL, NULL, &session) == CKR_OK)
        tell(session);
}

static void open_rw(const void *arg)
{
    (void)arg;
    open_with(CKF_SERIAL_SESSION | CKF_RW_SESSION);
}

static void open_ro(const void *arg)
{
    (void)arg;
    open_with(CKF_SERIAL_SESSION);
}

static void open_parallel(const void *arg)
{
    (void)arg;
    open_with(CKF_RW_SESSION);
}

static void open_unknown(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE session;
    DO(OpenSession, NO_SLOT, CKF_SERIAL_SESSION, NULL, NULL, &session);
}

static void open_null(const void *arg)
{
    (void)arg;
    DO(OpenSession, world.slot, CKF_SERIAL_SESSION, NULL, NULL, NULL);
}

static void open_many(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE session, last = 0;
    unsigned same = 0;
    for (unsigned i = 0; i < 200; i++) {
        session = world_open(CKF_RW_SESSION);
        same += session == last || !session;
        last = session;
    }
    record_say("200 with %u alike", same);
    tell(last);
}

static void open_logged_in(const void *arg)
{
    (void)arg;
    tell(world_open(0));
    tell(world_open(CKF_RW_SESSION));
}

static void login_changes_all(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE ro = world_open(0);
    tell(ro);
    world_login();
    tell(ro);
    tell(world.session);
    DO(Logout, ro);
    tell(world.session);
}

static void so_states(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE session;
    DO(Login, world.session, CKU_SO, world.so_pin, world.so_pin_len);
    tell(world.session);
    DO(OpenSession, world.slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
    DO(OpenSession, world.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    tell(session);
}

static void info_null(const void *arg)
{
    (void)arg;
    DO(GetSessionInfo, world.session, NULL);
}

static void close_one(const void *arg)
{
    (void)arg;
    DO(CloseSession, world.session);
    tell(world.session);
    DO(CloseSession, world.session);
}

static void close_unknown(const void *arg)
{
    (void)arg;
    DO(CloseSession, CK_INVALID_HANDLE);
    DO(CloseSession, 0x7ffffff0);
}

static void close_last_logs_out(const void *arg)
{
    (void)arg;
    DO(CloseSession, world.session);
    tell(world_open(CKF_RW_SESSION));
}

static void close_one_keeps_login(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE other = world_open(0);
    DO(CloseSession, world.session);
    tell(other);
}

static void close_ends_objects(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE first = world.session;
    CK_ULONG size;
    world.session = world_open(CKF_RW_SESSION);
    CK_OBJECT_HANDLE own = keys_make(KEY_AES128, NULL);
    CK_SESSION_HANDLE second = world.session;
    world.session = first;
    DO(GetObjectSize, first, own, &size);
    DO(CloseSession, second);
    DO(GetObjectSize, first, own, &size);
}

static void close_all(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE other = world_open(0);
    DO(CloseAllSessions, world.slot);
    tell(world.session);
    tell(other);
    tell(world_open(0));
}

static void close_all_none(const void *arg)
{
    (void)arg;
    DO(CloseAllSessions, world.slot);
}

static void close_all_unknown(const void *arg)
{
    (void)arg;
    DO(CloseAllSessions, NO_SLOT);
}

static void handles_are_new(const void *arg)
{
    (void)arg;
    CK_SESSION_HANDLE old = world.session;
    DO(CloseSession, old);
    CK_SESSION_HANDLE fresh = world_open(0);
    record_say("other:%d", old != fresh);
}

static void parallel_functions(const void *arg)
{
    (void)arg;
    DO(GetFunctionStatus, world.session);
    DO(CancelFunction, world.session);
}

void chapter_session(void)
{
    static const struct test tests[] = {
        {"C_OpenSession", "read-write", SETUP_LIBRARY, open_rw},
        {"C_OpenSession", "read-only", SETUP_LIBRARY, open_ro},
        {"C_OpenSession", "parallel", SETUP_LIBRARY, open_parallel},
        {"C_OpenSession", "unknown-slot", SETUP_LIBRARY, open_unknown},
        {"C_OpenSession", "null", SETUP_LIBRARY, open_null},
        {"C_OpenSession", "many", SETUP_LIBRARY, open_many},
        {"C_OpenSession", "logged-in", SETUP_USER, open_logged_in},
        {"C_OpenSession", "handles-are-new", SETUP_PUBLIC, handles_are_new},
        {"C_GetSessionInfo", "login-changes-all", SETUP_PUBLIC, login_changes_all},
        {"C_GetSessionInfo", "security-officer", SETUP_PUBLIC, so_states},
        {"C_GetSessionInfo", "null", SETUP_PUBLIC, info_null},
        {"C_CloseSession", "success", SETUP_PUBLIC, close_one},
        {"C_CloseSession", "unknown", SETUP_PUBLIC, close_unknown},
        {"C_CloseSession", "last-logs-out", SETUP_USER, close_last_logs_out},
        {"C_CloseSession", "one-keeps-login", SETUP_USER, close_one_keeps_login},
        {"C_CloseSession", "ends-objects", SETUP_USER, close_ends_objects},
        {"C_CloseAllSessions", "success", SETUP_USER, close_all},
        {"C_CloseAllSessions", "none", SETUP_LIBRARY, close_all_none},
        {"C_CloseAllSessions", "unknown-slot", SETUP_LIBRARY, close_all_unknown},
        {"C_GetFunctionStatus", "and-cancel", SETUP_PUBLIC, parallel_functions},
    };
    world_run_all("session", tests, ARRAY_LEN(tests));
}
