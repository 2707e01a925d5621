#include "tool/bench_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "call/names.h"
#include "tool/pin.h"
#include "tool/say.h"

#define SLOTS_MAX 256

bool bench_load_same(const char *a, const char *b)
{
    struct stat one;
    struct stat two;
    if (stat(a, &one) != 0 || stat(b, &two) != 0)
        return strcmp(a, b) == 0;
    return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* One variable's value from before, to be put back. */
struct saved {
    char *name, *value; /* value NULL: it was not set */
};

/* Backwards, as a name may be there twice. */
static void saved_end(struct saved *saved, size_t count, bool restore)
{
    for (size_t i = count; i-- > 0;) {
        if (restore && saved[i].name && saved[i].value)
            (void)setenv(saved[i].name, saved[i].value, 1);
        else if (restore && saved[i].name)
            (void)unsetenv(saved[i].name);
        mem_free(saved[i].name);
        mem_free(saved[i].value);
    }
}

/* Sets NAME=VALUE, keeping what was there. */
static bool variable_set(const char *text, struct saved *saved)
{
    saved->name = mem_strdup(text);
    if (!saved->name)
        return false;
    char *equals = strchr(saved->name, '=');
    *equals = 0;
    const char *before = getenv(saved->name);
    saved->value = before ? mem_strdup(before) : NULL;
    return (!before || saved->value) && setenv(saved->name, equals + 1, 1) == 0;
}

static enum exit_code no_memory(void)
{
    say_no_memory();
    return EXIT_COULD_NOT;
}

static enum exit_code cannot_load(const char *path)
{
    const char *why = dlerror();
    say_error("Give the path of a PKCS#11 module.", "cannot load %s: %s", path, why ? why : "unknown reason");
    return EXIT_COULD_NOT;
}

/*
 * A copy of the file is another library to the loader, with data of its own. A link-map namespace (dlmopen)
 * would not do: its C library hands out the same pthread keys as ours, so that two OpenSSLs in one thread
 * find each other's data there.
 */
static bool copy_file(const char *path, int *ret_copy)
{
    struct stat info;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = memfd_create("p11ha-bench", MFD_CLOEXEC);
    bool good = from >= 0 && to >= 0 && fstat(from, &info) == 0;
    for (off_t at = 0; good && at < info.st_size;)
        good = sendfile(to, from, &at, (size_t)(info.st_size - at)) > 0;
    if (from >= 0)
        (void)close(from);
    if (good)
        *ret_copy = to;
    else if (to >= 0)
        (void)close(to);
    return good;
}

/* The descriptor stays open: the loader knows libraries by their paths, and this one's must not be another's
 * later. */
static enum exit_code open_apart(const char *path, void **ret)
{
    char copied[64];
    int copy;
    if (!copy_file(path, &copy)) {
        say_error("Give the path of a PKCS#11 module, folder included.", "cannot load a copy of %s: %s", path,
                  strerror(errno));
        return EXIT_COULD_NOT;
    }
    (void)snprintf(copied, sizeof copied, "/proc/self/fd/%d", copy);
    *ret = dlopen(copied, RTLD_NOW | RTLD_LOCAL);
    return *ret ? EXIT_GOOD : cannot_load(path);
}

static enum exit_code open_here(const char *path, void **ret)
{
    *ret = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return *ret ? EXIT_GOOD : cannot_load(path);
}

static enum exit_code failed(const struct bench_module *module, const char *call, CK_RV rv,
                             const char *remedy)
{
    struct name_buf buf;
    say_error(remedy, "%s: %s answered %s", module->path, call, name_rv(rv, &buf));
    return EXIT_COULD_NOT;
}

static enum exit_code initialize(const struct bench_source *source, struct bench_module *module)
{
    /* NSS reads its string where pReserved stands and expects one more word, which is NULL, behind the
     * structure. */
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *behind;
    } init = {.args = {.flags = CKF_OS_LOCKING_OK}};
    AUTO(mem_free) char *string = source->init_args ? mem_strdup(source->init_args) : NULL;
    if (source->init_args && !string)
        return no_memory();
    init.args.pReserved = string;
    CK_RV rv = module->calls->C_Initialize(&init);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return failed(module, "C_Initialize", rv, "Check its configuration, --env and --init-args.");
    module->initialized = true;
    module->ours = rv == CKR_OK;
    return EXIT_GOOD;
}

static void label_text(const CK_TOKEN_INFO *info, char text[33])
{
    size_t len = sizeof info->label;
    memcpy(text, info->label, len);
    while (len && (text[len - 1] == ' ' || !text[len - 1]))
        len--;
    text[len] = 0;
}

static enum exit_code find_token(const struct bench_source *source, struct bench_module *module,
                                 CK_FLAGS *ret_flags)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_RV rv = module->calls->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return failed(module, "C_GetSlotList", rv, NULL);
    char seen[512] = "";
    size_t len = 0;
    size_t fitting = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        char label[33];
        if (module->calls->C_GetTokenInfo(slots[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
            continue;
        label_text(&info, label);
        if (len < sizeof seen)
            len += (size_t)snprintf(seen + len, sizeof seen - len, "%s\"%s\"", len ? ", " : "", label);
        if (source->token && strcmp(source->token, label) != 0)
            continue;
        fitting++;
        module->slot = slots[i];
        memcpy(module->label, label, sizeof label);
        *ret_flags = info.flags;
    }
    if (fitting == 1)
        return EXIT_GOOD;
    if (fitting)
        say_error("Name one by --token (of the baseline: --against-token).", "%s has several tokens: %s",
                  module->path, seen);
    else
        say_error("Check --token, --env and the module's configuration.", "%s has no %s%s; it has: %s",
                  module->path, source->token ? "token " : "initialised token",
                  source->token ? source->token : "", len ? seen : "none");
    return EXIT_COULD_NOT;
}

static enum exit_code log_in(const struct bench_source *source, struct bench_module *module, CK_FLAGS flags)
{
    CK_RV rv = module->calls->C_OpenSession(module->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                            &module->keeper);
    if (rv != CKR_OK)
        return failed(module, "C_OpenSession", rv, NULL);
    if (!(flags & CKF_LOGIN_REQUIRED))
        return EXIT_GOOD;
    char what[128];
    (void)snprintf(what, sizeof what, "PIN of token \"%s\" in %.60s", module->label, source->path);
    AUTO(secret_free) char *pin = NULL;
    size_t len = 0;
    if (!(flags & CKF_PROTECTED_AUTHENTICATION_PATH) || source->pin_source)
        if (pin_read(source->pin_source, what, &pin, &len) != 0)
            return EXIT_COULD_NOT;
    rv = module->calls->C_Login(module->keeper, CKU_USER, (CK_UTF8CHAR *)pin, len);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return failed(module, "C_Login", rv,
                      "Check the PIN and the token; it is not tried again, as tokens count failures.");
    return EXIT_GOOD;
}

/* Under the module's environment: what reads it while loading or in C_Initialize sees it. */
static enum exit_code load(const struct bench_source *source, struct bench_module *module)
{
    void *handle = NULL;
    enum exit_code code =
        source->apart ? open_apart(source->path, &handle) : open_here(source->path, &handle);
    if (code != EXIT_GOOD)
        return code;
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(handle, "C_GetFunctionList");
    if (!get)
        return cannot_load(source->path);
    CK_RV rv = get(&module->calls);
    if (rv != CKR_OK || !module->calls)
        return failed(module, "C_GetFunctionList", rv, NULL);
    return initialize(source, module);
}

enum exit_code bench_load(const struct bench_source *source, struct bench_module *ret)
{
    struct saved saved[OPTION_VALUES_MAX] = {0};
    struct bench_module module = {.path = source->path};
    enum exit_code code = EXIT_GOOD;
    size_t set = 0;
    for (; set < source->env->count && code == EXIT_GOOD; set++)
        if (!variable_set(source->env->item[set], &saved[set]))
            code = no_memory();
    if (code == EXIT_GOOD)
        code = load(source, &module);
    CK_FLAGS flags = 0;
    if (code == EXIT_GOOD)
        code = find_token(source, &module, &flags);
    if (code == EXIT_GOOD)
        code = log_in(source, &module, flags);
    saved_end(saved, set, source->apart);
    if (code != EXIT_GOOD) {
        bench_unload(&module);
        return code;
    }
    *ret = module;
    return EXIT_GOOD;
}

void bench_unload(struct bench_module *module)
{
    if (!module->initialized)
        return;
    if (module->keeper)
        (void)module->calls->C_CloseSession(module->keeper);
    if (module->ours)
        (void)module->calls->C_Finalize(NULL);
    *module = (struct bench_module){0};
}
