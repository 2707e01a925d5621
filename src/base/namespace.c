#include "base/namespace.h"

#include <dlfcn.h>
#include <limits.h>

#include "base/mem.h"

#define NO_ATEXIT UINT64_C(0x00080000) /* OPENSSL_INIT_NO_ATEXIT */

static void *symbol(void *handle, const char *name)
{
    return dlsym(handle, name);
}

/* Its OpenSSL, if it has one, must not clean up at exit: that would run on a thread that never was its own.
 */
static void settle_openssl(void *handle)
{
    int (*init)(uint64_t, const void *) = NULL;
    *(void **)&init = symbol(handle, "OPENSSL_init_crypto");
    if (init)
        init(NO_ATEXIT, NULL);
}

/* Its C library begins with our array of variables and would write into it: it gets an array of its own. */
static bool own_environment(void *handle)
{
    char ***theirs = symbol(handle, "environ");
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
    *theirs = copy;
    return true;
}

bool namespace_open(const char *path, struct namespace *ret, const char **ret_why)
{
    void *handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        *ret_why = dlerror();
        return false;
    }
    *ret = (struct namespace){.handle = handle};
    if (!own_environment(handle)) {
        *ret_why = "no memory for its environment";
        return false;
    }
    *(void **)&ret->uselocale = symbol(handle, "uselocale");
    *(void **)&ret->setenv = symbol(handle, "setenv");
    *(void **)&ret->setspecific = symbol(handle, "pthread_setspecific");
    *(void **)&ret->openssl_thread_stop = symbol(handle, "OPENSSL_thread_stop");
    settle_openssl(handle);
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
    for (unsigned key = 0; ns->setspecific && key < PTHREAD_KEYS_MAX; key++)
        ns->setspecific(key, NULL);
}
