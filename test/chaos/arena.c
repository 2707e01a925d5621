#include "test/chaos/arena.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#define CHUNK 65536u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *chunk;
static size_t left;

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *take_locked(size_t size)
{
    if (left < size) {
        char *fresh = map(CHUNK);
        if (!fresh)
            return NULL;
        chunk = fresh;
        left = CHUNK;
    }
    void *at = chunk;
    chunk += size;
    left -= size;
    return at;
}

void *arena_take(size_t size)
{
    size = (size + 63) & ~(size_t)63;
    if (size > CHUNK / 4)
        return map(size);
    pthread_mutex_lock(&lock);
    void *at = take_locked(size);
    pthread_mutex_unlock(&lock);
    return at;
}

void arena_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}
