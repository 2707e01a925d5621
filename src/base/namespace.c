#include "base/namespace.h"

#include <dlfcn.h>
#include <link.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/mem.h"
#include "base/thread.h"

#define KEYS_OURS 8 /* thread-specific keys of ours on threads that enter a namespace: a sanitizer's */
#define KEYS_FLAT \
    32 /* glibc keeps so many slots in the thread itself; more are allocated, by one C library for both */

/* It follows the loader's lists, under the loader's lock, of which the sanitizer knows nothing. */
#define LOADERS_OWN __attribute__((no_sanitize_thread))

/* All there are; a namespace lives as long as the process. */
struct opened {
    struct opened *next;
    struct link_map *map;
};
static _Atomic(struct opened *) opened;

static void *symbol(void *handle, const char *name)
{
    return dlsym(handle, name);
}

/* A wrapper loads the real module, and with that OpenSSL, only later: ours is put there before. */
static void *openssl_beside(void *handle)
{
    Lmid_t id;
    Dl_info ours;
    void *init = NULL;
    *(int (**)(uint64_t, const OPENSSL_INIT_SETTINGS *)) & init = OPENSSL_init_crypto;
    bool known = dlinfo(handle, RTLD_DI_LMID, &id) == 0 && dladdr(init, &ours) != 0;
    return known ? dlmopen(id, ours.dli_fname, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* Its OpenSSL must not clean up at exit: that would run on a thread that never was its own. */
static void settle_openssl(struct namespace *ns)
{
    int (*init)(uint64_t, const void *) = NULL;
    void *openssl = symbol(ns->handle, "OPENSSL_init_crypto") ? ns->handle : openssl_beside(ns->handle);
    if (!openssl)
        return;
    *(void **)&init = symbol(openssl, "OPENSSL_init_crypto");
    *(void **)&ns->openssl_thread_stop = symbol(openssl, "OPENSSL_thread_stop");
    if (init)
        init(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* Its C library begins with our array of variables and would write into it: it gets an array of its own. */
static bool own_environment(struct namespace *ns)
{
    char ***theirs = symbol(ns->handle, "environ");
    if (!theirs || !*theirs)
        return true;
    size_t count = 0;
    while ((*theirs)[count])
        count++;
    char **copy = mem_new(count + 1, sizeof(*copy));
    if (!copy)
        return false;
    for (size_t i = 0; i < count; i++)
        copy[i] = (*theirs)[i];
    *theirs = ns->environment = copy;
    return true;
}

/* The keys of its C library begin behind those that our own threads may use. */
static bool own_keys(void *libc)
{
    int (*create)(unsigned *, void (*)(void *)) = NULL;
    unsigned key = 0;
    *(void **)&create = symbol(libc, "pthread_key_create");
    for (unsigned i = 0; create && i < KEYS_OURS; i++)
        if (create(&key, NULL) != 0)
            return false;
    return create;
}

/* Noted before anything of it is called; at exit, a thread that comes too late for that enters nothing. */
static bool note_opened(void *handle)
{
    struct opened *noted = mem_new(1, sizeof(*noted));
    if (!noted || dlinfo(handle, RTLD_DI_LINKMAP, &noted->map) != 0) {
        mem_free(noted);
        return false;
    }
    noted->next = atomic_load(&opened);
    while (!atomic_compare_exchange_weak(&opened, &noted->next, noted))
        ;
    thread_pass();
    return true;
}

/* The C library of a namespace in which nothing else could be loaded: there are 16, and who fails tries
 * again. */
static void *_Atomic spare;

/* The C library first, so that its keys are numbered before anything else of the namespace can make one. */
static void *open_apart(const char *path)
{
    Lmid_t id;
    void *libc = atomic_exchange(&spare, NULL);
    if (!libc) {
        libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW | RTLD_LOCAL);
        if (!libc || !own_keys(libc))
            return NULL;
    }
    void *handle = dlinfo(libc, RTLD_DI_LMID, &id) == 0 ? dlmopen(id, path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!handle)
        atomic_store(&spare, libc);
    return handle;
}

bool namespace_open(const char *path, struct namespace *ret, const char **ret_why)
{
    void *handle = open_apart(path);
    if (!handle) {
        *ret_why = dlerror();
        return false;
    }
    *ret = (struct namespace){.handle = handle};
    if (!note_opened(handle)) {
        *ret_why = "no memory to note it";
        return false;
    }
    if (!own_environment(ret)) {
        *ret_why = "no memory for its environment";
        return false;
    }
    *(void **)&ret->uselocale = symbol(handle, "uselocale");
    *(void **)&ret->setenv = symbol(handle, "setenv");
    *(void **)&ret->setspecific = symbol(handle, "pthread_setspecific");
    settle_openssl(ret);
    return true;
}

void namespace_thread_begin(const struct namespace *ns)
{
    if (ns->uselocale)
        ns->uselocale(LC_GLOBAL_LOCALE);
}

void namespace_thread_end(const struct namespace *ns)
{
    if (ns->openssl_thread_stop)
        ns->openssl_thread_stop();
    for (unsigned key = KEYS_OURS; ns->setspecific && key < KEYS_FLAT; key++)
        ns->setspecific(key, NULL);
}

static void end_nothing(void)
{
}

/* The loader has made it read-only. */
static void write_entry(ElfW(Addr) * entry, ElfW(Addr) value)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)entry & ~(page - 1);
    if (mprotect((void *)begin, (uintptr_t)(entry + 1) - begin, PROT_READ | PROT_WRITE) == 0)
        *entry = value;
}

/* What the loader calls at exit stands in a library's dynamic section, where everybody may look. */
LOADERS_OWN static void keep_library(struct link_map *map)
{
    for (ElfW(Dyn) *entry = map->l_ld; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_FINI_ARRAYSZ)
            write_entry(&entry->d_un.d_ptr, 0);
        else if (entry->d_tag == DT_FINI)
            write_entry(&entry->d_un.d_ptr, (uintptr_t)end_nothing - map->l_addr);
}

LOADERS_OWN static int keep_libraries(struct dl_phdr_info *info UNUSED, size_t size UNUSED, void *ctx UNUSED)
{
    for (struct opened *each = atomic_load(&opened); each; each = each->next) {
        struct link_map *map = each->map;
        while (map->l_prev)
            map = map->l_prev;
        for (; map; map = map->l_next)
            keep_library(map);
    }
    return 1;
}

/* Another thread may be loading something: dl_iterate_phdr holds the lock of the loader's lists. A thread of
 * the parent may have held it at fork, and a child's is not made anew. */
void namespaces_keep(void)
{
    if (fork_generation() != 0)
        (void)keep_libraries(NULL, 0, NULL);
    else
        (void)dl_iterate_phdr(keep_libraries, NULL);
}
