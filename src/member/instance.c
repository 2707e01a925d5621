#include "member/instance.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/namespace.h"
#include "base/thread.h"
#include "base/visitors.h"
#include "member/image.h"

#define TROUBLE_TOKENS 180
#define CLOSE_WAIT     (200 * NS_PER_MS) /* how long a re-initialisation waits for calls inside to end */
#define INIT_INTERVAL  NS_PER_S
#define ENTER_WAIT     NS_PER_S /* how long a call waits for a re-initialisation to end */
#define FINALISE_WAIT  (5 * NS_PER_S)
#define FRESH_MAX      3 /* images left behind with stuck calls in them */

enum instance_state { INSTANCE_NEW, INSTANCE_BUSY, INSTANCE_READY };

struct instance {
    const struct config_member *config; /* the first member that needed it */
    struct visitors visitors;
    _Atomic uint32_t state;
    _Atomic int32_t up;
    _Atomic uint32_t epoch;
    char trouble[256];

    struct lock lock;
    struct cond changed;
    struct image *image;
    bool initialised_by_us;
    unsigned fresh;
    uint64_t initialised_at;
};

struct instance *instance_new(const struct config_member *member)
{
    struct instance *instance = mem_new(1, sizeof(*instance));
    if (!instance)
        return NULL;
    instance->config = member;
    lock_init(&instance->lock, LOCK_INSTANCE);
    cond_init(&instance->changed);
    return instance;
}

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

bool instance_serves(const struct instance *instance, const struct config_member *member)
{
    const struct config_member *own = instance->config;
    if (own->instance != INSTANCE_SHARED || member->instance != INSTANCE_SHARED ||
        own->env_count != member->env_count || strcmp(own->module, member->module) != 0 ||
        !same_text(own->init_args, member->init_args))
        return false;
    for (size_t i = 0; i < own->env_count; i++)
        if (strcmp(own->env[i].name, member->env[i].name) != 0 ||
            strcmp(own->env[i].value, member->env[i].value) != 0)
            return false;
    return true;
}

static void set_trouble(struct instance *instance, const char *what, const char *detail)
{
    snprintf(instance->trouble, sizeof(instance->trouble), "%s%s%s", what, detail ? ": " : "",
             detail ? detail : "");
}

/* Initialises the image, made fresh if need be. INSTANCE_BUSY is ours. */
static CK_RV initialise(struct instance *instance, bool fresh)
{
    if (fresh || !instance->image) {
        char why[200] = "";
        struct image *image = image_load(instance->config, fresh, why, sizeof(why));
        if (!image) {
            set_trouble(instance, "cannot load the module", why);
            return CKR_TOKEN_NOT_PRESENT;
        }
        instance->image = image;
    }
    bool by_us = false;
    CK_RV rv = image_initialise(instance->image, instance->config->init_args, &by_us);
    if (rv != CKR_OK) {
        set_trouble(instance, "C_Initialize failed", NULL);
        return rv;
    }
    instance->initialised_by_us = by_us;
    instance->trouble[0] = 0;
    return CKR_OK;
}

/*
 * Calls that are stuck inside forbid finalising what they work in: then a private image is left to them and a
 * fresh one loaded, a few times; after that, and with a shared one, the instance goes on as it is.
 */
static CK_RV connect_anew(struct instance *instance, bool was_ready)
{
    if (!instance->image || atomic_load(&instance->epoch) == 0)
        return initialise(instance, false);
    if (visitors_wait(&instance->visitors, NS_PER_MS, clock_after(CLOSE_WAIT))) {
        if (instance->initialised_by_us)
            image_finalise(instance->image);
        return initialise(instance, false);
    }
    bool fresh = instance->config->instance == INSTANCE_PRIVATE && instance->fresh < FRESH_MAX;
    if (!fresh && was_ready)
        return CKR_OK;
    instance->fresh += fresh;
    return initialise(instance, fresh);
}

CK_RV instance_connect(struct instance *instance, uint32_t seen, uint32_t *ret_epoch)
{
    lock_take(&instance->lock);
    while (atomic_load(&instance->state) == INSTANCE_BUSY)
        cond_wait(&instance->changed, &instance->lock, clock_after(NS_PER_S));
    bool ready = atomic_load(&instance->state) == INSTANCE_READY;
    bool wanted = !ready || (seen != 0 && atomic_load(&instance->epoch) == seen);
    bool too_soon =
        wanted && instance->initialised_at != 0 && clock_now() < instance->initialised_at + INIT_INTERVAL;
    if (wanted && !too_soon) {
        atomic_store(&instance->state, INSTANCE_BUSY);
        instance->initialised_at = clock_now();
    }
    lock_drop(&instance->lock);
    if (too_soon)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    if (!wanted) {
        *ret_epoch = atomic_load(&instance->epoch);
        return CKR_OK;
    }

    CK_RV rv = connect_anew(instance, ready);

    lock_take(&instance->lock);
    if (rv == CKR_OK)
        *ret_epoch = atomic_fetch_add(&instance->epoch, 1) + 1;
    atomic_store(&instance->state, rv == CKR_OK ? INSTANCE_READY : INSTANCE_NEW);
    cond_wake_all(&instance->changed);
    lock_drop(&instance->lock);
    return rv;
}

/* p11-kit's structures are the standard's under other names. */
static bool token_matches(P11KitUri *uri, CK_TOKEN_INFO *info)
{
    return p11_kit_uri_match_token_info(uri, (void *)info) == 1;
}

/* Adds the token's label to those that were seen there. */
static void name_token(char list[TROUBLE_TOKENS], const CK_TOKEN_INFO *info)
{
    int len = (int)sizeof(info->label);
    while (len > 0 && info->label[len - 1] == ' ')
        len--;
    size_t used = strlen(list);
    snprintf(list + used, TROUBLE_TOKENS - used, "%s\"%.*s\"", used ? ", " : "there is ", len,
             (const char *)info->label);
}

static CK_RV find_in(struct instance *instance, const struct module *module, P11KitUri *uri,
                     CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info)
{
    CK_ULONG count = 0;
    CK_RV rv = module->f->C_GetSlotList(CK_TRUE, NULL, &count);
    if (rv != CKR_OK)
        return rv;
    CK_SLOT_ID *slot = mem_new(count + 8, sizeof(*slot));
    if (!slot)
        return CKR_HOST_MEMORY;
    count += 8;
    rv = module->f->C_GetSlotList(CK_TRUE, slot, &count);
    unsigned found = 0;
    char others[TROUBLE_TOKENS] = "";
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        CK_TOKEN_INFO info;
        if (module->f->C_GetTokenInfo(slot[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
            continue;
        name_token(others, &info);
        if (token_matches(uri, &info)) {
            *ret_slot = slot[i];
            *ret_info = info;
            found++;
        }
    }
    mem_free(slot);
    if (rv == CKR_OK && found == 0) {
        set_trouble(instance, "no token there matches its URI", *others ? others : "there is none at all");
        return CKR_TOKEN_NOT_PRESENT;
    }
    if (rv == CKR_OK && found > 1) {
        set_trouble(instance, "several tokens match its URI; name its serial too", NULL);
        return CKR_TOKEN_NOT_RECOGNIZED;
    }
    return rv;
}

CK_RV instance_find_token(struct instance *instance, const char *text, CK_SLOT_ID *ret_slot,
                          CK_TOKEN_INFO *ret_info)
{
    P11KitUri *uri = p11_kit_uri_new();
    if (!uri)
        return CKR_HOST_MEMORY;
    unsigned ticket = 0;
    CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;
    const struct module *module = instance_enter(instance, &ticket);
    if (module)
        image_thread_begin(module);
    if (module && p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN, uri) == P11_KIT_URI_OK)
        rv = find_in(instance, module, uri, ret_slot, ret_info);
    if (module)
        instance_leave(instance, ticket);
    p11_kit_uri_free(uri);
    return rv;
}

/* A member that works is not failed because another one of this instance needs a new start. */
static bool wait_ready(struct instance *instance)
{
    uint64_t end = clock_after(ENTER_WAIT);
    bool in_time = true;
    lock_take(&instance->lock);
    while (atomic_load(&instance->state) == INSTANCE_BUSY && in_time)
        in_time = cond_wait(&instance->changed, &instance->lock, end);
    bool ready = atomic_load(&instance->state) == INSTANCE_READY;
    lock_drop(&instance->lock);
    return ready;
}

const struct module *instance_enter(struct instance *instance, unsigned *ret_ticket)
{
    for (;;) {
        unsigned ticket = visitors_enter(&instance->visitors);
        if (atomic_load(&instance->state) == INSTANCE_READY) {
            *ret_ticket = ticket;
            return image_module(instance->image);
        }
        visitors_leave(&instance->visitors, ticket);
        if (!wait_ready(instance))
            return NULL;
    }
}

void instance_leave(struct instance *instance, unsigned ticket)
{
    visitors_leave(&instance->visitors, ticket);
}

void instance_count_up(struct instance *instance, int by)
{
    atomic_fetch_add(&instance->up, by);
}

unsigned instance_up(const struct instance *instance)
{
    int32_t up = atomic_load(&instance->up);
    return up > 0 ? (unsigned)up : 0;
}

uint32_t instance_epoch(const struct instance *instance)
{
    return atomic_load(&instance->epoch);
}

const char *instance_trouble(const struct instance *instance)
{
    return instance->trouble;
}

struct finalising {
    struct image *image;
    _Atomic uint32_t done;
};

static void finalise_main(void *arg)
{
    struct finalising *finalising = arg;
    image_finalise(finalising->image);
    image_thread_end();
    atomic_store(&finalising->done, 1);
    thread_wake(&finalising->done, 1);
}

/* On a thread of ours, not the application's: that one must not enter a namespace. False: it did not come
 * back in time. */
static bool finalise_apart(struct image *image)
{
    struct finalising *finalising = mem_new(1, sizeof(*finalising));
    if (!finalising)
        return false;
    finalising->image = image;
    struct thread *thread = thread_start("p11ha-finalize", -1, finalise_main, finalising);
    if (!thread) {
        mem_free(finalising);
        return false;
    }
    uint64_t end = clock_after(FINALISE_WAIT);
    while (atomic_load(&finalising->done) == 0)
        if (!thread_wait(&finalising->done, 0, end)) {
            thread_detach(thread);
            return false;
        }
    thread_join(thread);
    mem_free(finalising);
    return true;
}

void instance_free(struct instance *instance, bool finalize)
{
    if (!instance)
        return;
    if (instance->image) {
        bool quiet = finalize && !visitors_any(&instance->visitors);
        if (quiet && instance->initialised_by_us && atomic_load(&instance->state) == INSTANCE_READY)
            quiet = finalise_apart(instance->image);
        image_give(instance->image, quiet);
    }
    cond_end(&instance->changed);
    lock_end(&instance->lock);
    mem_free(instance);
}

void instance_leave_images(void)
{
    if (!image_any_left())
        return;
    threads_halt();
    namespaces_keep();
}

void instance_forget_images(void)
{
    image_forget_all();
}
