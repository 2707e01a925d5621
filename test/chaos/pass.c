#include "test/chaos/pass.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/chaos/arena.h"
#include "test/chaos/cancel.h"
#include "test/chaos/tally.h"

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER; /* one thread reads the environment */
static _Atomic pid_t owner; /* 0: nobody yet; -1: a child's thread is making the state its own */

void pass_check_fork(void)
{
    pid_t me = getpid(), was = atomic_load_explicit(&owner, memory_order_acquire);
    while (was != me) {
        if (was == -1) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            was = atomic_load(&owner);
            continue;
        }
        if (!atomic_compare_exchange_strong(&owner, &was, -1))
            continue;
        if (was) {
            pthread_mutex_init(&open_lock, NULL);
            arena_forked();
            control_forked();
            tally_forked();
            token_forked();
            session_forked();
            real_forked();
        }
        atomic_store(&owner, me);
        return;
    }
}

static CK_RV open_locked(void)
{
    const char *module = getenv("CHAOS_MODULE"), *control = getenv("CHAOS_CONTROL"),
               *counts = getenv("CHAOS_COUNTS");
    char beside[PATH_MAX];
    if (!module) {
        fprintf(stderr, "chaos: CHAOS_MODULE is not set\n");
        return CKR_GENERAL_ERROR;
    }
    if (!counts && control && snprintf(beside, sizeof(beside), "%s.counts", control) < (int)sizeof(beside))
        counts = beside;
    if (!real_load(module))
        return CKR_GENERAL_ERROR;
    if (!control_open(control))
        return CKR_HOST_MEMORY;
    if (counts && !tally_open(counts)) {
        fprintf(stderr, "chaos: %s: %s\n", counts, strerror(errno));
        return CKR_GENERAL_ERROR;
    }
    return CKR_OK;
}

CK_RV pass_open(void)
{
    pass_check_fork();
    pthread_mutex_lock(&open_lock);
    CK_RV rv = open_locked();
    pthread_mutex_unlock(&open_lock);
    return rv;
}

struct token *pass_token(CK_SLOT_ID slot)
{
    struct token *token = token_in(slot);
    const struct real *real;
    CK_TOKEN_INFO info;
    if (token || real_enter(&real) != CKR_OK)
        return token;
    CK_RV rv = real->f.C_GetTokenInfo(slot, &info);
    real_leave();
    return rv == CKR_OK ? token_learn(slot, info.label) : NULL;
}

static struct session *hold_session(CK_SESSION_HANDLE handle)
{
    struct session *session = session_hold(handle);
    const struct real *real;
    CK_SESSION_INFO info;
    if (session || real_enter(&real) != CKR_OK)
        return session;
    CK_RV rv = real->f.C_GetSessionInfo(handle, &info);
    real_leave();
    struct token *token = rv == CKR_OK ? pass_token(info.slotID) : NULL;
    return token ? session_add(handle, token) : NULL;
}

static bool is_meant(const struct rule *rule, const struct token *token, enum call_id call)
{
    if (!rule_names(rule, call))
        return false;
    return rule->any_token || (token && !strcmp(rule->token, token->label));
}

static void close_real(CK_SESSION_HANDLE handle)
{
    const struct real *real;
    if (real_enter(&real) != CKR_OK)
        return;
    real->f.C_CloseSession(handle);
    real_leave();
}

static void lose_login(struct token *token)
{
    CK_SESSION_HANDLE session = session_any(token);
    if (session != CK_INVALID_HANDLE)
        real_logout(session);
}

/* The login goes with the sessions, also if one of them is still busy and is closed later. */
static void lose_sessions(struct token *token)
{
    lose_login(token);
    session_lose(token, close_real);
}

static void lose_objects(struct token *token)
{
    atomic_fetch_add(&token->epoch, 1);
}

static void lose(const struct pass *pass, const struct rule *rule, void (*what)(struct token *))
{
    if (!rule->any_token) {
        what(pass->token);
        return;
    }
    struct token *token;
    for (unsigned i = 0; (token = token_at(i)); i++)
        what(token);
}

/* Also where the thread has all signals blocked. */
static void crash(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGSEGV);
}

static CK_RV gone(const struct pass *pass)
{
    return call_table[pass->call].where == WHERE_SESSION ? CKR_DEVICE_REMOVED : CKR_TOKEN_NOT_PRESENT;
}

/* *ret_answered: rv is the answer, whatever it is; CKR_OK can be one. */
static CK_RV apply(struct pass *pass, const struct rule *rule, bool *ret_answered)
{
    switch (rule->action) {
    case ACTION_RV:
        *ret_answered = true;
        return rule->rv;
    case ACTION_DELAY:
        control_wait(rule, control_now() + rule->wait_ns);
        break;
    case ACTION_LATE:
        pass->late = rule;
        pass->late_ns += rule->wait_ns;
        break;
    case ACTION_HANG:
        control_wait(rule, UINT64_MAX);
        *ret_answered = true;
        return CKR_DEVICE_ERROR;
    case ACTION_GONE:
        pass->gone = true;
        *ret_answered = pass->call != CALL_C_GetSlotInfo;
        return gone(pass);
    case ACTION_LOSE_SESSIONS:
        lose(pass, rule, lose_sessions);
        break;
    case ACTION_LOSE_LOGIN:
        lose(pass, rule, lose_login);
        break;
    case ACTION_LOSE_OBJECTS:
        lose(pass, rule, lose_objects);
        break;
    case ACTION_REINIT:
        real_reinit();
        break;
    case ACTION_CORRUPT:
        pass->corrupt = true;
        break;
    case ACTION_CRASH:
        crash();
        break;
    case ACTION_NETWORK:
        pass->network = rule;
        break;
    }
    return CKR_OK;
}

static bool apply_all(struct pass *pass, const struct rules *rules, CK_RV *ret_rv)
{
    bool answered = false;
    for (size_t i = 0; i < rules->count && !answered; i++) {
        struct rule *rule = rules->rule[i];
        /* Which tokens a list of slots shows is asked slot by slot: pass_hides. */
        if (rule->action == ACTION_GONE && pass->call == CALL_C_GetSlotList)
            continue;
        if (is_meant(rule, pass->token, pass->call) && control_fires(rule))
            *ret_rv = apply(pass, rule, &answered);
    }
    return answered;
}

bool pass_hides(CK_SLOT_ID slot)
{
    const struct rules *rules = control_rules();
    struct token *token = pass_token(slot);
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = rules->rule[i];
        if (rule->action == ACTION_GONE && is_meant(rule, token, CALL_C_GetSlotList) && control_fires(rule))
            return true;
    }
    return false;
}

static void find_token(struct pass *pass)
{
    if (call_table[pass->call].where == WHERE_SLOT)
        pass->token = pass_token(pass->at);
    if (call_table[pass->call].where == WHERE_SESSION)
        pass->session = hold_session(pass->at);
    if (pass->session)
        pass->token = session_token(pass->session);
}

CK_RV pass_begin(struct pass *pass, enum call_id call, CK_ULONG at)
{
    pass_check_fork();
    *pass = (struct pass){.call = call, .at = at};
    find_token(pass);
    pass->row = pass->token ? atomic_load(&pass->token->row) : tally_row(NULL);
    tally_begin(pass->row, call);

    const struct rules *rules = control_rules();
    if (rules->count)
        pass->answered = apply_all(pass, rules, &pass->answer);
    if (pass->answered)
        return PASS_ANSWERED;
    /* What was lost by this call's own rule, or while it waited, is lost for it too. */
    if (pass->session && session_is_lost(pass->session))
        return CKR_SESSION_HANDLE_INVALID;
    if (pass->token)
        pass->epoch = atomic_load(&pass->token->epoch);
    return CKR_OK;
}

CK_RV pass_enter(struct pass *pass)
{
    if (pass->network && pass->token) {
        uint64_t start;
        token_queue(pass->token, pass->network, &start, &pass->finish);
        control_wait(pass->network, start);
    }
    CK_RV rv = real_enter(&pass->real);
    pass->inside = rv == CKR_OK;
    return rv;
}

static CK_RV end_operation(const struct pass *pass)
{
    const struct real *real;
    if (pass->session && real_enter(&real) == CKR_OK) {
        cancel_operation(real, pass->call, pass->at, pass->answer);
        real_leave();
    }
    return pass->answer;
}

CK_RV pass_end(struct pass *pass, CK_RV rv)
{
    CK_SESSION_HANDLE lost;
    if (pass->answered)
        rv = end_operation(pass);
    if (pass->inside)
        real_leave();
    if (pass->finish)
        control_wait(pass->network, pass->finish);
    if (pass->late)
        control_wait(pass->late, control_now() + pass->late_ns);
    if (pass->session && session_drop(pass->session, &lost))
        close_real(lost);
    tally_end(pass->row, pass->call, rv);
    return rv;
}
