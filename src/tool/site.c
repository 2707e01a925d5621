#include "tool/site.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "config/suggest.h"
#include "tool/pin.h"
#include "tool/say.h"

#define STOP_PATIENCE (2 * NS_PER_S)

static _Atomic uint32_t broken_off;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&broken_off, 1);
    thread_wake(&broken_off, INT32_MAX);
}

void site_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool site_pause(uint64_t span)
{
    uint64_t until = clock_after(span);
    while (atomic_load(&broken_off) == 0 && clock_now() < until)
        thread_wait(&broken_off, 0, until);
    return atomic_load(&broken_off) == 0;
}

static void open_log(const struct config *config)
{
    bool terminal = strcmp(config->log, "stderr") == 0;
    int err = log_open(config->log, terminal ? LOG_ERROR : (enum log_level)config->log_level);
    if (err == 0)
        return;
    log_close();
    say_warning("Check the key log of [p11ha], and who may write there.", "the log %s cannot be opened: %s",
                config->log, strerror(-err));
}

static enum exit_code unknown_group(const struct config *config, const char *name)
{
    struct suggest suggest = suggest_begin(name);
    for (size_t i = 0; i < config->group_count; i++)
        suggest_offer(&suggest, config->group[i].name);
    if (suggest.best)
        say_error("Groups are the sections [group NAME] of the configuration.",
                  "%s has no group \"%s\"; did you mean \"%s\"?", config->path, name, suggest.best);
    else
        say_error("Groups are the sections [group NAME] of the configuration.", "%s has no group \"%s\"",
                  config->path, name);
    return EXIT_USAGE;
}

static enum exit_code read_config(struct site *site, const struct globals *globals, char **warnings)
{
    AUTO(mem_free) char *path = config_find(globals->config);
    AUTO(mem_free) char *errors = NULL;
    int err = path ? config_read(path, &site->config, &errors, warnings) : -ENOMEM;
    if (err == 0)
        return EXIT_GOOD;
    if (err == -ENOMEM)
        say_no_memory();
    else if (err == -ENOENT)
        say_error("Write one (see p11ha.conf(5)), or name it with --config FILE or P11HA_CONF.",
                  "there is no configuration %s", path);
    else
        say_error("See p11ha.conf(5).", "the configuration cannot be used:\n%s", errors ? errors : path);
    return EXIT_COULD_NOT;
}

enum exit_code site_read(struct site *site, const struct globals *globals, const char *group, char **warnings)
{
    *site = (struct site){0};
    enum exit_code code = read_config(site, globals, warnings);
    if (code != EXIT_GOOD)
        return code;
    const struct config_group *only = group ? config_group_named(site->config, group) : NULL;
    if (group && !only)
        return unknown_group(site->config, group);
    open_log(site->config);
    site->count = only ? 1 : site->config->group_count;
    site->group = mem_new(site->count, sizeof(*site->group));
    if (!site->group) {
        site->count = 0;
        say_no_memory();
        return EXIT_COULD_NOT;
    }
    for (size_t i = 0; i < site->count; i++) {
        site->group[i].config = only ? only : &site->config->group[i];
        site->group[i].login = CKR_USER_NOT_LOGGED_IN;
    }
    return EXIT_GOOD;
}

static CK_RV open_bare(struct site_group *group, struct instances *instances)
{
    struct group_hooks hooks = {.ctx = NULL};
    group->bare = true;
    CK_RV rv = group_new(group->config, instances, &group->group);
    return rv == CKR_OK ? group_start(group->group, &hooks) : rv;
}

static CK_RV open_store(struct site_group *group, struct instances *instances)
{
    CK_RV rv = store_new(group->config, instances, &group->store, &group->why);
    if (rv == CKR_OK) {
        group->group = store_group(group->store);
        group->managed = store_managed(group->store);
    }
    return rv;
}

void site_open(struct site *site)
{
    for (size_t i = 0; i < site->count; i++) {
        struct site_group *group = &site->group[i];
        bool managed = group->config->sync == SYNC_MANAGED;
        bool missing = managed && access(group->config->vault, F_OK) != 0 && errno == ENOENT;
        CK_RV rv = missing ? open_bare(group, &site->instances) : open_store(group, &site->instances);
        if (rv != CKR_OK && !group->why)
            group->why =
                mem_strdup(rv == CKR_HOST_MEMORY ? "out of memory" : "its members cannot be started");
    }
}

void site_wait(struct site *site)
{
    for (size_t i = 0; i < site->count; i++)
        if (site->group[i].group)
            group_wait_first(site->group[i].group,
                             clock_after(site->group[i].config->call_timeout + NS_PER_S));
}

static bool is_settled(const struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_state(group->member[i]) == HEALTH_CATCHING_UP)
            return false;
    return true;
}

void site_settle(struct site_group *group, uint64_t span)
{
    uint64_t deadline = clock_after(span);
    while (atomic_load(&broken_off) == 0) {
        uint32_t seen = atomic_load(&group->group->changes);
        uint64_t now = clock_now();
        uint64_t step = clock_after(100 * NS_PER_MS);
        if (is_settled(group->group) || now >= deadline)
            return;
        (void)group_wait(group->group, seen, step < deadline ? step : deadline);
    }
}

static bool close_group(struct site_group *group)
{
    mem_free(group->why);
    if (!group->group)
        return true;
    uint64_t deadline = clock_after(STOP_PATIENCE);
    if (group->store)
        store_settle(group->store, deadline);
    group_logout(group->group, deadline);
    bool ended = group->store ? store_stop(group->store, deadline) : group_stop(group->group, deadline);
    if (ended && group->store)
        store_free(group->store);
    else if (ended)
        group_free(group->group);
    return ended;
}

void site_close(struct site *site)
{
    bool ended = true;
    for (size_t i = 0; i < site->count; i++)
        ended = close_group(&site->group[i]) && ended;
    /* What is stuck in a member stays as it is until the process ends. */
    if (!ended) {
        log_close();
        return;
    }
    instances_free(&site->instances, true);
    mem_free(site->group);
    config_free(site->config);
    log_close();
    *site = (struct site){0};
}

/* A member that has a PIN of its own compares the application's with it, so that of the one that will be
 * asked is taken. */
static const char *own_file(const struct config_group *config, const struct group *group)
{
    const char *file = NULL;
    for (size_t i = config->member_count; i-- > 0;) {
        if (!config->member[i].pin_file)
            return NULL;
        bool usable = !group || health_usable(member_state(group->member[i]));
        if (usable || !file)
            file = config->member[i].pin_file;
    }
    return file;
}

static bool read_pin(const struct config_group *config, const struct group *group, const char *source,
                     enum site_pin mode, char **ret, size_t *ret_len)
{
    AUTO(mem_free) char *own = NULL;
    const char *file = source ? NULL : own_file(config, group);
    if (file) {
        own = mem_printf("file:%s", file);
        source = own;
    }
    if (!source && mode == SITE_PIN_GIVEN)
        return false;
    char what[96];
    (void)snprintf(what, sizeof(what), "PIN of group %.64s", config->name);
    return pin_read(source, what, ret, ret_len) == 0;
}

bool site_pin_of(const struct config_group *config, const char *source, enum site_pin mode, char **ret,
                 size_t *ret_len)
{
    return read_pin(config, NULL, source, mode, ret, ret_len);
}

bool site_login(struct site_group *group, const char *source, enum site_pin mode)
{
    AUTO(secret_free) char *pin = NULL;
    size_t len = 0;
    if (!read_pin(group->config, group->group, source, mode, &pin, &len))
        return false;
    group->login = group_login(group->group, CKU_USER, (const uint8_t *)pin, len);
    if (group->login == CKR_OK && group->store)
        store_login_changed(group->store, true);
    return true;
}
