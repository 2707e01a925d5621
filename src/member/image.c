#include "member/image.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/p11-kit.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/thread.h"

#define ENVIRONMENT_WAIT (2 * NS_PER_S)

enum image_kind { IMAGE_P11KIT, IMAGE_NAMESPACE, IMAGE_COPY };

struct image {
    struct image *next;
    const struct config_member *config;
    char *key; /* path, environment, init-args: what two users must have in common */
    enum image_kind kind;
    bool in_use, initialised;
    CK_FUNCTION_LIST *list, *managed; /* the module's own; p11-kit's around it */
    struct module module;
};

static struct lock images_lock = LOCK_INIT(LOCK_INSTANCE);
static struct image *images;
static _Atomic bool environment_taken;
static _Atomic unsigned engaged; /* in use, being loaded, or given back not quiet */
static bool forked;              /* shared images are the parent's too: load private ones */

static char *key_of(const struct config_member *member)
{
    char *key = mem_printf("%s|%s|%d|%d", member->module, member->init_args ? member->init_args : "",
                           member->instance, member->runner);
    for (size_t i = 0; key && i < member->env_count; i++) {
        char *longer = mem_printf("%s|%s=%s", key, member->env[i].name, member->env[i].value);
        mem_free(key);
        key = longer;
    }
    return key;
}

static struct image *take_known(const char *key)
{
    struct image *found = NULL;
    lock_take(&images_lock);
    for (struct image *image = images; image && !found; image = image->next)
        if (!image->in_use && strcmp(image->key, key) == 0)
            found = image;
    if (found)
        found->in_use = true;
    lock_drop(&images_lock);
    return found;
}

/* The environment of the namespace that the handle lives in: with dlmopen it has a libc of its own. */
static bool set_environment(const struct namespace *ns, const struct config_member *member)
{
    int (*set)(const char *, const char *, int) = ns->handle ? ns->setenv : setenv;
    for (size_t i = 0; set && i < member->env_count; i++)
        if (set(member->env[i].name, member->env[i].value, 1) != 0)
            return false;
    return set || member->env_count == 0;
}

/*
 * A module without a namespace reads the process's own environment: nobody else sets it between that and the
 * module's call. Whoever stays in that call for long is not waited for.
 */
static void environment_take(const struct image *image)
{
    if (image->kind == IMAGE_NAMESPACE || image->config->env_count == 0)
        return;
    uint64_t end = clock_after(ENVIRONMENT_WAIT);
    while (atomic_exchange(&environment_taken, true) && clock_now() < end)
        thread_sleep(clock_after(NS_PER_MS));
}

static void environment_drop(const struct image *image)
{
    if (image->kind != IMAGE_NAMESPACE && image->config->env_count != 0)
        atomic_store(&environment_taken, false);
}

/* A private copy of the file, unlinked at once: the image keeps it. */
static void *open_copy(const char *path)
{
    char name[] = "/tmp/p11ha-module-XXXXXX";
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = mkostemp(name, O_CLOEXEC);
    struct stat st;
    bool copied = from >= 0 && to >= 0 && fstat(from, &st) == 0;
    for (off_t at = 0; copied && at < st.st_size;)
        copied = sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    void *handle = copied ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (to >= 0)
        unlink(name);
    return handle;
}

/* The functions of that version of the standard; NULL: it has none. */
static void *get_list(CK_C_GetInterface get, CK_BYTE major, CK_BYTE minor)
{
    CK_INTERFACE *interface = NULL;
    CK_VERSION version = {major, minor};
    if (!get || get((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK || !interface)
        return NULL;
    return interface->pFunctionList;
}

static bool get_lists(struct image *image, void *handle, char *why, size_t why_len)
{
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    if (!get || get(&image->list) != CKR_OK || !image->list) {
        snprintf(why, why_len, "it has no working C_GetFunctionList; is it a PKCS#11 module?");
        return false;
    }
    image->module.f = image->list;
    CK_C_GetInterface get_interface = NULL;
    *(void **)&get_interface = dlsym(handle, "C_GetInterface");
    image->module.f3 = get_list(get_interface, 3, 0);
    image->module.f32 = get_list(get_interface, 3, 2);
    return true;
}

static bool load_private(struct image *image, char *why, size_t why_len)
{
    const char *path = image->config->module, *said = NULL;
    image->kind = IMAGE_NAMESPACE;
    bool apart = image->config->runner != RUNNER_INLINE && namespace_open(path, &image->module.ns, &said);
    void *handle = apart ? image->module.ns.handle : open_copy(path);
    if (!apart)
        image->kind = IMAGE_COPY;
    if (!handle) {
        said = dlerror();
        snprintf(why, why_len, "%s", said ? said : "it cannot be copied to /tmp");
        return false;
    }
    environment_take(image);
    bool got = set_environment(&image->module.ns, image->config);
    if (got)
        got = get_lists(image, handle, why, why_len);
    else
        snprintf(why, why_len, "its environment cannot be set");
    environment_drop(image);
    return got;
}

/* p11-kit counts who has initialised it, and initialises it with locks; all other calls go straight to the
 * module. */
static bool load_shared(struct image *image, char *why, size_t why_len)
{
    image->kind = IMAGE_P11KIT;
    environment_take(image);
    bool set = set_environment(&image->module.ns, image->config);
    if (set)
        image->managed = (CK_FUNCTION_LIST *)(void *)p11_kit_module_load(image->config->module, 0);
    environment_drop(image);
    if (!set) {
        snprintf(why, why_len, "its environment cannot be set");
        return false;
    }
    void *handle = image->managed ? dlopen(image->config->module, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!handle) {
        const char *said = image->managed ? dlerror() : p11_kit_message();
        snprintf(why, why_len, "%s", said ? said : "p11-kit could not load it");
        return false;
    }
    return get_lists(image, handle, why, why_len);
}

struct image *image_load(const struct config_member *member, bool fresh, char *why, size_t why_len)
{
    char *key = key_of(member);
    if (!key)
        return NULL;
    struct image *image = fresh ? NULL : take_known(key);
    atomic_fetch_add(&engaged, 1);
    if (image) {
        mem_free(key);
        image->config = member;
        return image;
    }
    image = mem_new(1, sizeof(*image));
    if (!image) {
        atomic_fetch_sub(&engaged, 1);
        mem_free(key);
        return NULL;
    }
    image->config = member;
    image->key = key;
    image->in_use = true;
    bool shared = member->instance == INSTANCE_SHARED && !forked;
    if (!(shared ? load_shared(image, why, why_len) : load_private(image, why, why_len))) {
        atomic_fetch_sub(&engaged, 1);
        mem_free(image->key);
        mem_free(image);
        return NULL;
    }
    lock_take(&images_lock);
    image->next = images;
    images = image;
    lock_drop(&images_lock);
    return image;
}

static CK_RV call_initialise(struct image *image, const char *init_args)
{
    if (image->kind == IMAGE_P11KIT && !init_args)
        return p11_kit_module_initialize((void *)image->managed);
    /* NSS's structure has one word more. */
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *none;
    } with = {.args = {.flags = CKF_OS_LOCKING_OK, .pReserved = (void *)(uintptr_t)init_args}};
    return image->list->C_Initialize(&with);
}

/* Its environment is set anew: meanwhile others may have set the same variables. */
static CK_RV initialise_with_environment(struct image *image, const char *init_args)
{
    if (image->kind != IMAGE_NAMESPACE && !set_environment(&image->module.ns, image->config))
        return CKR_HOST_MEMORY;
    CK_RV rv = call_initialise(image, init_args);
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && image->kind != IMAGE_P11KIT) {
        image->list->C_Finalize(NULL);
        rv = call_initialise(image, init_args);
    }
    return rv;
}

CK_RV image_initialise(struct image *image, const char *init_args, bool *ret_by_us)
{
    image_thread_begin(&image->module);
    environment_take(image);
    CK_RV rv = initialise_with_environment(image, init_args);
    environment_drop(image);
    if (rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        *ret_by_us = rv == CKR_OK;
        image->initialised = rv == CKR_OK;
        image->list->C_GetInfo(&image->module.info);
        return CKR_OK;
    }
    return rv;
}

/* The image that this thread has entered; it enters no other (base/namespace.h). */
static _Thread_local const struct module *entered;

void image_thread_begin(const struct module *module)
{
    thread_pass();
    if (entered == module)
        return;
    image_thread_end();
    entered = module;
    if (module->ns.handle)
        namespace_thread_begin(&module->ns);
}

void image_thread_end(void)
{
    thread_pass();
    if (entered && entered->ns.handle)
        namespace_thread_end(&entered->ns);
    entered = NULL;
}

void image_finalise(struct image *image)
{
    image_thread_begin(&image->module);
    if (image->initialised && image->kind == IMAGE_P11KIT && !image->config->init_args)
        p11_kit_module_finalize((void *)image->managed);
    else if (image->initialised)
        image->list->C_Finalize(NULL);
    image->initialised = false;
}

const struct module *image_module(const struct image *image)
{
    return &image->module;
}

void image_give(struct image *image, bool quiet)
{
    lock_take(&images_lock);
    if (quiet) {
        image->in_use = false;
        atomic_fetch_sub(&engaged, 1);
    }
    image->config = NULL;
    lock_drop(&images_lock);
}

bool image_any_left(void)
{
    return forked || atomic_load(&engaged) != 0;
}

void image_forget_all(void)
{
    lock_init(&images_lock, LOCK_INSTANCE);
    images = NULL;
    engaged = 0;
    environment_taken = false;
    forked = true;
}
