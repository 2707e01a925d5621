#include "entry/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "base/visitors.h"
#include "session/session.h"

#define POLL          (2 * NS_PER_MS)
#define EXIT_PATIENCE NS_PER_S /* nginx kills a worker that does not end within 1.5 s */

static _Atomic(struct runtime *) current;

static struct visitors calls;  /* of the application */
static _Atomic uint32_t owner; /* the fork generation that all this is of */

/* C_Initialize and C_Finalize one at a time: generation and a bit, so that a child is not kept out by its
 * parent's. */
static _Atomic uint64_t turn;

static bool turn_take(uint64_t deadline)
{
    uint64_t mine = (uint64_t)fork_generation() << 1;
    for (;;) {
        uint64_t now = atomic_load(&turn);
        if (now != (mine | 1)) {
            if (atomic_compare_exchange_strong(&turn, &now, mine | 1))
                return true;
        } else if (clock_now() >= deadline) {
            return false;
        } else {
            thread_sleep(clock_after(POLL));
        }
    }
}

static void turn_give(void)
{
    atomic_store(&turn, (uint64_t)fork_generation() << 1);
}

/* A child's thread is not counted before the parent's are forgotten: it would be missing when it leaves. */
struct runtime *runtime_enter(unsigned *ret_ticket)
{
    if (atomic_load_explicit(&owner, memory_order_acquire) != fork_generation())
        return NULL;
    unsigned ticket = visitors_enter(&calls);
    struct runtime *runtime = atomic_load(&current);
    if (!runtime) {
        runtime_leave(ticket);
        return NULL;
    }
    *ret_ticket = ticket;
    return runtime;
}

void runtime_leave(unsigned ticket)
{
    visitors_leave(&calls, ticket);
}

bool runtime_is_running(void)
{
    return atomic_load(&owner) == fork_generation() && atomic_load(&current);
}

struct token *runtime_token(const struct runtime *runtime, CK_SLOT_ID slot)
{
    for (size_t i = 0; i < runtime->token_count; i++)
        if (runtime->token[i].config->slot == slot)
            return &runtime->token[i];
    return NULL;
}

/* In a forked child: what the parent had is neither used nor touched. */
static void abandon_parent(void)
{
    uint32_t generation = fork_generation();
    if (atomic_load(&owner) == generation)
        return;
    atomic_store(&current, NULL);
    visitors_forget(&calls);
    secret_after_fork();
    log_after_fork();
    instance_forget_images();
    atomic_store(&owner, generation);
}

static void log_lines(enum log_level level, const char *event, char *text)
{
    char *rest_of = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest_of) : NULL; line;
         line = strtok_r(NULL, "\n", &rest_of))
        log_event(level, event, "text=%s", line);
}

static CK_RV read_config(const char *given, struct config **ret)
{
    AUTO(mem_free) char *path = config_find(given);
    AUTO(mem_free) char *errors = NULL;
    AUTO(mem_free) char *warnings = NULL;
    if (!path)
        return CKR_HOST_MEMORY;
    int rc = config_read(path, ret, &errors, &warnings);
    if (rc == 0 && log_open((*ret)->log, (enum log_level)(*ret)->log_level) != 0)
        log_event(LOG_WARN, "log-not-opened", "target=%s", (*ret)->log);
    log_lines(LOG_ERROR, "config-error", errors);
    log_lines(LOG_WARN, "config-warning", warnings);
    if (rc == -ENOENT)
        log_event(LOG_ERROR, "config-missing", "file=%s hint=%s", path,
                  "write it, or name another one in P11HA_CONF; see p11ha.conf(5)");
    return rc == 0 ? CKR_OK : rc == -ENOMEM ? CKR_HOST_MEMORY : CKR_GENERAL_ERROR;
}

/* A group that cannot be made leaves its slot without a token, so that the others serve. */
static CK_RV make_tokens(struct runtime *runtime)
{
    struct config *config = runtime->config;
    CK_RV rv = CKR_GENERAL_ERROR;
    for (size_t i = 0; i < config->group_count; i++) {
        struct token *token = &runtime->token[i];
        AUTO(mem_free) char *why = NULL;
        token_init(token, &config->group[i], runtime->sessions, runtime->digests);
        runtime->token_count++;
        CK_RV made = store_new(token->config, &runtime->instances, &token->store, &why);
        if (made == CKR_OK) {
            token->group = store_group(token->store);
            rv = CKR_OK;
            continue;
        }
        token->store = NULL;
        log_event(LOG_ERROR, "group-not-started", "group=%s why=%s", token->config->name,
                  why ? why : "no memory");
        if (made == CKR_HOST_MEMORY)
            return made;
    }
    return rv;
}

static void wait_for_members(const struct runtime *runtime)
{
    uint64_t began = clock_now();
    for (size_t i = 0; i < runtime->token_count; i++)
        if (runtime->token[i].store)
            group_wait_first(runtime->token[i].group, began + runtime->token[i].config->call_timeout);
}

/* Live statistics are a help, not a need: without them all else goes on. */
static void show_live(struct runtime *runtime)
{
    size_t count = 0;
    runtime->group = mem_new(runtime->token_count, sizeof(*runtime->group));
    for (size_t i = 0; runtime->group && i < runtime->token_count; i++)
        if (runtime->token[i].store)
            runtime->group[count++] = runtime->token[i].group;
    if (count > 0)
        runtime->stats = stats_start(runtime->config->run_dir, runtime->group, count);
}

static uint64_t longest_timeout(const struct runtime *runtime)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < runtime->token_count; i++)
        if (runtime->token[i].config->call_timeout > longest)
            longest = runtime->token[i].config->call_timeout;
    return longest;
}

/* What is stuck in a member is never freed, nor what it might still touch. Leak checkers can see it here. */
static void leave_behind(struct runtime *runtime, const char *why)
{
    static struct runtime *left;
    runtime->next = left;
    left = runtime;
    log_event(LOG_WARN, "left-behind", "why=%s", why);
}

/* Ends everything, if nothing is stuck. */
static void dispose(struct runtime *runtime, uint64_t deadline)
{
    bool quiet = true;
    stats_stop(runtime->stats);
    runtime->stats = NULL;
    for (size_t i = 0; i < runtime->token_count; i++)
        if (runtime->token[i].store)
            quiet = store_stop(runtime->token[i].store, deadline) && quiet;
    if (!quiet) {
        leave_behind(runtime, "a member has not answered yet");
        return;
    }
    for (size_t i = 0; i < runtime->token_count; i++) {
        if (runtime->token[i].store)
            store_free(runtime->token[i].store);
        token_end(&runtime->token[i]);
    }
    instances_free(&runtime->instances, true);
    table_free(runtime->sessions);
    digests_free(runtime->digests);
    mem_free(runtime->group);
    mem_free(runtime->token);
    config_free(runtime->config);
    mem_free(runtime);
}

static CK_RV build(const char *path, struct runtime *runtime)
{
    CK_RV rv = read_config(path, &runtime->config);
    if (rv != CKR_OK)
        return rv;
    runtime->sessions = table_new();
    runtime->token = mem_new(runtime->config->group_count, sizeof(*runtime->token));
    if (!runtime->sessions || !runtime->token)
        return CKR_HOST_MEMORY;
    runtime->digests = digests_new();
    if (!runtime->digests)
        log_event(LOG_WARN, "no-local-digest", "why=%s", "OpenSSL's default provider cannot be loaded");
    return make_tokens(runtime);
}

static CK_RV start(const char *path)
{
    abandon_parent();
    if (atomic_load(&current))
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    struct runtime *runtime = mem_new(1, sizeof(*runtime));
    if (!runtime)
        return CKR_HOST_MEMORY;
    CK_RV rv = build(path, runtime);
    if (rv != CKR_OK) {
        dispose(runtime, clock_after(longest_timeout(runtime)));
        log_close();
        return rv;
    }
    wait_for_members(runtime);
    for (size_t i = 0; i < runtime->token_count; i++)
        (void)token_has_event(&runtime->token[i]);
    show_live(runtime);
    log_event(LOG_INFO, "started", "config=%s groups=%zu", runtime->config->path, runtime->token_count);
    atomic_store(&current, runtime);
    return CKR_OK;
}

static CK_RV stop(uint64_t patience)
{
    if (!runtime_is_running())
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    struct runtime *runtime = atomic_exchange(&current, NULL);
    group_events_wake(); /* whoever waits for one ends now */
    uint64_t longest = longest_timeout(runtime);
    uint64_t deadline = clock_after(longest < patience ? longest : patience);
    if (!visitors_wait(&calls, POLL, deadline)) {
        leave_behind(runtime, "calls are still running");
    } else {
        for (size_t i = 0; i < runtime->token_count; i++)
            if (runtime->token[i].store)
                session_close_all(&runtime->token[i], deadline);
        dispose(runtime, deadline);
    }
    log_event(LOG_INFO, "stopped", "pid=%d", (int)getpid());
    log_close();
    return CKR_OK;
}

/* An application that ends without C_Finalize: vendors' code must not be torn down in the middle of a write
 * (SoftHSM would lose its token), so running frames are waited for. A thread that is inside C_Finalize may be
 * the one that exits, hence the limit on the turn too. Whoever is inside after that, or was left there by
 * C_Finalize, must not find his module torn down. */
static void stop_at_exit(void)
{
    if (runtime_is_running() && turn_take(clock_after(EXIT_PATIENCE))) {
        (void)stop(EXIT_PATIENCE);
        turn_give();
    }
    instance_leave_images();
}

/* Registered last, so that it runs before the end of what was loaded by then; with OpenSSL too, whose
 * OPENSSL_cleanup may also be called by hand. */
static void arm_exit(void)
{
    static bool armed;
    if (armed)
        return;
    armed = true;
    if (!OPENSSL_init_crypto(0, NULL) || !OPENSSL_atexit(stop_at_exit) || atexit(stop_at_exit) != 0)
        log_event(LOG_WARN, "exit-not-watched", "hint=%s", "call C_Finalize before the process ends");
}

CK_RV runtime_start(const char *path)
{
    (void)turn_take(UINT64_MAX);
    CK_RV rv = start(path);
    if (rv == CKR_OK)
        arm_exit();
    turn_give();
    return rv;
}

CK_RV runtime_stop(void)
{
    (void)turn_take(UINT64_MAX);
    CK_RV rv = stop(UINT64_MAX);
    turn_give();
    return rv;
}
