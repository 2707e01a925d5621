#include "vault/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Sanitizers refuse RTLD_DEEPBIND; without it the copy would call back into the first library. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL)
#else
#define COPY_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

struct engine engine = {
#define X(name) .name = sqlite3_##name,
    ENGINE_FUNCTIONS(X)
#undef X
};

static pid_t owner;            /* the process that uses `engine` as it stands */
static atomic_int connections; /* its open ones */

static bool file_copy(int from, int to)
{
    struct stat st;
    off_t left;

    if (fstat(from, &st) != 0)
        return false;
    for (left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n <= 0)
            return false;
        left -= n;
    }
    return true;
}

/* The library's file again under another inode, so that the loader takes it for another library. */
static void *copy_load(const char *path)
{
    char name[40];
    void *library = NULL;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = memfd_create("p11ha-sqlite", MFD_CLOEXEC);

    if (from >= 0 && to >= 0 && file_copy(from, to)) {
        (void)snprintf(name, sizeof name, "/proc/self/fd/%d", to);
        library = dlopen(name, COPY_FLAGS);
    }
    if (from >= 0)
        (void)close(from);
    if (to >= 0)
        (void)close(to);
    return library;
}

static bool copy_bind(void *library, struct engine *ret)
{
    struct engine found;

#define X(name)                                                            \
    found.name = (__typeof__(found.name))dlsym(library, "sqlite3_" #name); \
    if (!found.name)                                                       \
        return false;
    ENGINE_FUNCTIONS(X)
#undef X
    *ret = found;
    return true;
}

static bool engine_renew(void)
{
    Dl_info info;
    void *library;

    if (!dladdr((void *)sqlite3_open_v2, &info) || !info.dli_fname)
        return false;
    library = copy_load(info.dli_fname);
    return library && copy_bind(library, &engine);
}

int engine_enter(const char **ret_why)
{
    pid_t self = getpid();

    if (owner != self) {
        if (atomic_load(&connections) > 0 && !engine_renew()) {
            *ret_why =
                "this process was forked from one that had a vault open, and SQLite could not be loaded anew";
            return -ENOSYS;
        }
        atomic_store(&connections, 0);
        owner = self;
    }
    atomic_fetch_add(&connections, 1);
    return 0;
}

void engine_leave(void)
{
    atomic_fetch_sub(&connections, 1);
}
