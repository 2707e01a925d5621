#include "test/chaos/real.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "test/chaos/arena.h"
#include "test/chaos/session.h"
#include "test/chaos/token.h"

enum state {
    STATE_DOWN,
    STATE_STARTING, /* one thread is in C_Initialize */
    STATE_UP,
    STATE_DRAINING, /* C_Finalize is due when the last one leaves */
    STATE_FINALIZING,
};

static _Atomic(const struct real *) loaded;
static _Atomic int state;
static pthread_rwlock_t door = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP; /* shared by those inside */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread loads */

static bool copy_file(int from, int to)
{
    char block[65536];
    for (;;) {
        ssize_t got = read(from, block, sizeof(block));
        if (got <= 0)
            return got == 0;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(to, block + done, (size_t)(got - done));
            if (put <= 0)
                return false;
            done += put;
        }
    }
}

static void *open_copy(const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("chaos", MFD_CLOEXEC);
    void *handle = NULL;
    if (from >= 0 && to >= 0 && copy_file(from, to)) {
        char name[40];
        snprintf(name, sizeof(name), "/proc/self/fd/%d", to);
        handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (from >= 0)
        close(from);
    /* On success it stays open: the loader may take another library under the same name for this one. */
    if (to >= 0 && !handle)
        close(to);
    return handle;
}

static void *open_module(const char *path)
{
    void *other = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (!other)
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    dlclose(other);
    return open_copy(path);
}

static const CK_FUNCTION_LIST_3_0 *list_3(void *handle)
{
    CK_C_GetInterface get;
    CK_INTERFACE *interface = NULL;
    CK_VERSION version = {3, 0};
    CK_UTF8CHAR name[] = "PKCS 11";
    *(void **)&get = dlsym(handle, "C_GetInterface");
    if (!get || get(name, &version, &interface, 0) != CKR_OK || !interface)
        return NULL;
    return interface->pFunctionList;
}

static const struct real *fill(void *handle)
{
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *list = NULL;
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    const CK_FUNCTION_LIST_3_0 *list3 = list_3(handle);
    if (!list3 && (!get || get(&list) != CKR_OK || !list))
        return NULL;
    struct real *real = arena_take(sizeof(*real));
    if (!real)
        return NULL;
    real->has_3 = list3;
    /* The later list begins with the earlier one. */
    memcpy(&real->f, list3 ? (const void *)list3 : (const void *)list,
           list3 ? sizeof(*list3) : sizeof(*list));
    return real;
}

static const struct real *load_locked(const char *path)
{
    const struct real *real = atomic_load(&loaded);
    if (real)
        return real;
    void *handle = open_module(path);
    if (!handle) {
        const char *why = dlerror();
        fprintf(stderr, "chaos: CHAOS_MODULE=%s: %s\n", path, why ? why : "cannot be copied");
        return NULL;
    }
    real = fill(handle);
    if (!real)
        fprintf(stderr, "chaos: CHAOS_MODULE=%s: is no PKCS#11 module\n", path);
    atomic_store(&loaded, real);
    return real;
}

const struct real *real_load(const char *path)
{
    pthread_mutex_lock(&lock);
    const struct real *real = load_locked(path);
    pthread_mutex_unlock(&lock);
    return real;
}

const struct real *real_loaded(void)
{
    return atomic_load_explicit(&loaded, memory_order_acquire);
}

static void everything_ended(void)
{
    session_closed_everywhere();
    token_forget_all();
}

/* Whoever finds the module empty finalises it; the door keeps it empty. Who is inside drains when he leaves.
 */
static void drain(void)
{
    int due = STATE_DRAINING;
    if (atomic_load(&state) != STATE_DRAINING || pthread_rwlock_trywrlock(&door) != 0)
        return;
    if (atomic_compare_exchange_strong(&state, &due, STATE_FINALIZING)) {
        real_loaded()->f.C_Finalize(NULL);
        everything_ended();
        atomic_store(&state, STATE_DOWN);
    }
    pthread_rwlock_unlock(&door);
}

CK_RV real_enter(const struct real **ret_real)
{
    pthread_rwlock_rdlock(&door);
    if (atomic_load(&state) != STATE_UP) {
        real_leave();
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    *ret_real = real_loaded();
    return CKR_OK;
}

void real_logout(CK_SESSION_HANDLE session)
{
    pthread_rwlock_wrlock(&door);
    if (atomic_load(&state) == STATE_UP)
        real_loaded()->f.C_Logout(session);
    pthread_rwlock_unlock(&door);
    drain();
}

void real_leave(void)
{
    pthread_rwlock_unlock(&door);
    drain();
}

/* Modules are not made for two threads in C_Initialize: the second one waits. */
CK_RV real_initialize(CK_VOID_PTR args)
{
    for (;;) {
        int down = STATE_DOWN;
        drain();
        if (atomic_load(&state) == STATE_UP)
            return real_loaded()->f.C_Initialize(args);
        if (atomic_compare_exchange_strong(&state, &down, STATE_STARTING))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CK_RV rv = real_loaded()->f.C_Initialize(args);
    atomic_store(&state, rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? STATE_UP : STATE_DOWN);
    return rv;
}

CK_RV real_finalize(CK_VOID_PTR reserved)
{
    int now = atomic_load(&state);
    if (now == STATE_DRAINING || now == STATE_FINALIZING)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    CK_RV rv = real_loaded()->f.C_Finalize(reserved);
    if (rv == CKR_OK) {
        everything_ended();
        atomic_store(&state, STATE_DOWN);
    }
    return rv;
}

void real_reinit(void)
{
    int up = STATE_UP;
    if (atomic_compare_exchange_strong(&state, &up, STATE_DRAINING))
        drain();
}

void real_forked(void)
{
    pthread_mutex_init(&lock, NULL);
    door = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    int now = atomic_load(&state);
    if (now == STATE_FINALIZING)
        atomic_store(&state, STATE_DRAINING);
    if (now == STATE_STARTING)
        atomic_store(&state, STATE_DOWN);
}
