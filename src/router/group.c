#include "router/group.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/names.h"
#include "call/rv.h"
#include "router/instances.h"
#include "router/route.h"
#include "router/verdict.h"

#define STOP_LEAST (100 * NS_PER_MS)

static CK_RV prove(void *ctx, struct member *member, uint64_t deadline)
{
    struct group *group = ctx;
    return group->hooks.prove ? group->hooks.prove(group->hooks.ctx, member, deadline) : CKR_OK;
}

static CK_RV catch_up(void *ctx, struct member *member)
{
    struct group *group = ctx;
    return group->hooks.catch_up ? group->hooks.catch_up(group->hooks.ctx, member) : CKR_OK;
}

static _Atomic uint32_t events;

uint32_t group_events(void)
{
    return atomic_load(&events);
}

bool group_events_wait(uint32_t seen, uint64_t deadline)
{
    return atomic_load(&events) != seen || thread_wait(&events, seen, deadline);
}

void group_events_wake(void)
{
    atomic_fetch_add(&events, 1);
    thread_wake(&events, INT32_MAX);
}

/* Members change at the same time: whoever is last must have noted how it is then. */
static void note_presence(struct group *group)
{
    bool now;
    do {
        now = group_present(group);
        if (atomic_exchange(&group->was_present, now) == now)
            continue;
        atomic_fetch_add(&group->turns, 1);
        group_events_wake();
    } while (group_present(group) != now);
}

static void changed(void *ctx, struct member *member, enum health_state from, enum health_state to,
                    CK_RV cause)
{
    struct group *group = ctx;
    struct name_buf buf;
    atomic_fetch_add(&group->changes, 1);
    thread_wake(&group->changes, INT32_MAX);
    /* What has failed for one reason comes back with it: the others need not wait for the end of their
     * back-off. */
    if (from == HEALTH_CATCHING_UP && to == HEALTH_UP)
        for (unsigned i = 0; i < group->count; i++)
            if (member_state(group->member[i]) == HEALTH_DOWN)
                member_probe_soon(group->member[i]);
    note_presence(group);
    bool bad = to == HEALTH_DOWN || to == HEALTH_PIN_MISMATCH || to == HEALTH_MISFIT;
    log_event(bad ? LOG_WARN : LOG_INFO, "member-state", "group=%s member=%s from=%s to=%s cause=%s",
              group->config->name, member->config->name, health_name(from), health_name(to),
              cause == CKR_OK ? "-" : route_rv_name(cause, &buf));
}

CK_RV group_new(const struct config_group *config, struct instances *instances, struct group **ret)
{
    struct group *group = mem_new(1, sizeof(*group));
    if (!group)
        return CKR_HOST_MEMORY;
    group->config = config;
    for (unsigned i = 0; i < CONFIG_MEMBERS_MAX; i++)
        atomic_store(&group->lag[i], GROUP_LAG_UNKNOWN);
    CK_RV rv = signon_init(&group->signon);
    group->catalog = catalog_new((unsigned)config->member_count);
    if (!group->catalog)
        rv = CKR_HOST_MEMORY;
    struct member_hooks hooks = {.ctx = group, .prove = prove, .catch_up = catch_up, .changed = changed};
    for (unsigned i = 0; rv == CKR_OK && i < config->member_count; i++) {
        struct instance *instance = instances_get(instances, &config->member[i]);
        group->member[i] = instance ? member_new(config, i, instance, &group->signon, &hooks) : NULL;
        if (!group->member[i])
            rv = CKR_HOST_MEMORY;
        else
            group->count++;
    }
    if (rv != CKR_OK) {
        group_free(group);
        return rv;
    }
    *ret = group;
    return CKR_OK;
}

CK_RV group_start(struct group *group, const struct group_hooks *hooks)
{
    group->hooks = *hooks;
    CK_RV rv = CKR_OK;
    for (unsigned i = 0; rv == CKR_OK && i < group->count; i++)
        rv = member_start(group->member[i]);
    return rv;
}

bool group_stop(struct group *group, uint64_t deadline)
{
    bool ended = true;
    for (unsigned i = 0; i < group->count; i++) {
        /* One that is stuck uses up the time of the others, which need little. */
        uint64_t least = clock_after(STOP_LEAST);
        ended = member_stop(group->member[i], deadline > least ? deadline : least) && ended;
    }
    return ended;
}

void group_free(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        member_free(group->member[i]);
    catalog_free(group->catalog);
    signon_end(&group->signon);
    mem_free(group);
}

void group_wait_first(struct group *group, uint64_t deadline)
{
    for (unsigned i = 0; i < group->count; i++)
        (void)member_wait_first(group->member[i], deadline);
}

bool group_wait(struct group *group, uint32_t seen, uint64_t deadline)
{
    return atomic_load(&group->changes) != seen || thread_wait(&group->changes, seen, deadline);
}

bool group_logged_in(struct group *group)
{
    return atomic_load_explicit(&group->signon.generation, memory_order_acquire) != 0 &&
           atomic_load_explicit(&group->signon.user, memory_order_relaxed) == CKU_USER;
}

bool group_present(const struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (health_alive(member_state(group->member[i])))
            return true;
    return false;
}

bool group_offers(const struct group *group, CK_MECHANISM_TYPE type, CK_FLAGS flags)
{
    bool known = false;
    for (unsigned i = 0; i < group->count; i++) {
        const CK_MECHANISM_INFO *info = member_mechanism(group->member[i], type);
        if (info && (info->flags & flags) == flags)
            return true;
        known = known || atomic_load(&group->member[i]->mechanisms);
    }
    return !known;
}

#define LOGIN_RANKS 6
/* Usable ones first, then what might come back, then those that have refused another PIN; of each those with
 * a PIN of their own, which says little of the application's, after all others. LOGIN_RANKS: not at all. */
static unsigned login_rank(const struct member *member, enum health_state state)
{
    unsigned rank = member->config->pin_file ? LOGIN_RANKS / 2 : 0;
    if (health_alive(state))
        return rank;
    if (member_epoch(member) == 0)
        return LOGIN_RANKS;
    if (state == HEALTH_DOWN)
        return rank + 1;
    return state == HEALTH_PIN_MISMATCH ? rank + 2 : LOGIN_RANKS;
}

static unsigned login_order(struct group *group, unsigned order[CONFIG_MEMBERS_MAX])
{
    /* Looked at once: whose state changes meanwhile would be among them twice, or not at all. */
    enum health_state state[CONFIG_MEMBERS_MAX];
    for (unsigned i = 0; i < group->count; i++)
        state[i] = member_state(group->member[i]);
    unsigned count = 0;
    for (unsigned rank = 0; rank < LOGIN_RANKS; rank++)
        for (unsigned i = 0; i < group->count; i++)
            if (login_rank(group->member[i], state[i]) == rank)
                order[count++] = i;
    return count;
}

CK_RV group_login(struct group *group, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
    uint64_t end = clock_after(group->config->call_timeout);
    unsigned order[CONFIG_MEMBERS_MAX], count = login_order(group, order);
    CK_RV rv = CKR_TOKEN_NOT_PRESENT;
    for (unsigned i = 0; i < count; i++) {
        struct member *member = group->member[order[i]];
        struct verdict_facts facts = {.fresh_session = true};
        bool fresh = false;
        CK_RV said;
        do {
            uint32_t epoch = member_epoch(member);
            said = member_try_pin(member, user, pin, len, clock_share(end, count - i));
            fresh = !fresh && (said == CKR_SESSION_HANDLE_INVALID || said == CKR_SESSION_CLOSED);
            if (fresh)
                member_lost_sessions(member, epoch);
        } while (fresh);
        /* One that knows it to be wrong there says nothing of the others, which could not be asked. */
        if (said != RV_PIN_REFUSED || i == 0)
            rv = said;
        enum error_class class = verdict_class(said, &facts);
        if (class == ERROR_TRANSPORT)
            member_event(member, HEALTH_TRANSPORT, said);
        if (class == ERROR_NONE || class == ERROR_APPLICATION)
            break;
    }
    if (rv == RV_PIN_REFUSED)
        return CKR_PIN_INCORRECT;
    if (rv != CKR_OK)
        return rv >= RV_INSIDE && rv <= (RV_INSIDE | 0xff) ? CKR_DEVICE_ERROR : rv;
    uint64_t generation;
    rv = signon_set(&group->signon, user, pin, len, &generation);
    for (unsigned i = 0; rv == CKR_OK && i < group->count; i++) {
        member_event(group->member[i], HEALTH_SIGN_ON, CKR_OK);
        member_event(group->member[i], HEALTH_NEW_PIN, CKR_OK);
    }
    return rv;
}

CK_RV group_login_named(struct group *group, CK_USER_TYPE user, const uint8_t *name, size_t name_len,
                        const uint8_t *pin, size_t len)
{
    CK_RV rv = signon_set_name(&group->signon, name, name_len);
    if (rv != CKR_OK)
        return rv;
    rv = group_login(group, user, pin, len);
    if (rv != CKR_OK)
        signon_clear(&group->signon);
    return rv;
}

/* Shared by the jobs and by the one who waits. */
struct sign_offs {
    _Atomic uint32_t refs;
    _Atomic uint32_t left; /* jobs on members that are there: what the caller waits on */
};

struct sign_off {
    struct member_job job;
    struct sign_offs *all;
    bool awaited;
};

static void sign_offs_unref(struct sign_offs *all)
{
    if (atomic_fetch_sub(&all->refs, 1) == 1)
        mem_free(all);
}

static void run_sign_off(struct member_job *job, struct member *member)
{
    struct sign_off *own = container_of(job, struct sign_off, job);
    if (signon_generation(member->signon) == 0)
        member_sign_off(member, clock_after(member->group->call_timeout));
    if (own->awaited) {
        atomic_fetch_sub(&own->all->left, 1);
        thread_wake(&own->all->left, INT32_MAX);
    }
    sign_offs_unref(own->all);
    mem_free(own);
}

void group_logout(struct group *group, uint64_t deadline)
{
    signon_clear(&group->signon);
    struct sign_offs *all = mem_new(1, sizeof(*all));
    if (all)
        atomic_store(&all->refs, 1);
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group->member[i];
        struct sign_off *own = all ? mem_new(1, sizeof(*own)) : NULL;
        if (!own) {
            member_sign_off(member, deadline);
            continue;
        }
        own->job.run = run_sign_off;
        own->all = all;
        own->awaited = health_alive(member_state(member));
        atomic_fetch_add(&all->refs, 1);
        atomic_fetch_add(&all->left, own->awaited);
        member_post(member, &own->job);
    }
    if (!all)
        return;
    (void)thread_wait_zero(&all->left, deadline);
    sign_offs_unref(all);
}
