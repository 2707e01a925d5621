#include "test/chaos/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic(struct counts_file *) file;

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* threads of this process; flock() is for the others */
static int file_fd = -1;

_Static_assert((int)CALL_COUNT <= COUNTS_CALLS_MAX, "room for every function");

static void write_header(struct counts_file *map)
{
    for (unsigned i = 0; i < CALL_COUNT; i++)
        strncpy(map->name[i], call_table[i].name, COUNTS_NAME_MAX - 1);
    map->calls = CALL_COUNT;
    memcpy(map->magic, COUNTS_MAGIC, sizeof(map->magic));
}

/* NULL: errno says why. Under flock. */
static struct counts_file *map_file(int fd)
{
    struct stat st;
    if (fstat(fd, &st))
        return NULL;
    bool fresh = st.st_size == 0;
    if (!fresh && st.st_size != (off_t)sizeof(struct counts_file)) {
        errno = EINVAL;
        return NULL;
    }
    if (fresh && ftruncate(fd, (off_t)sizeof(struct counts_file)))
        return NULL;
    void *at = mmap(NULL, sizeof(struct counts_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return NULL;
    struct counts_file *map = at;
    if (fresh)
        write_header(map);
    if (memcmp(map->magic, COUNTS_MAGIC, sizeof(map->magic)) || map->calls != CALL_COUNT) {
        munmap(at, sizeof(struct counts_file));
        errno = EINVAL;
        return NULL;
    }
    return map;
}

/* The same file as before keeps its mapping: rows that tokens know stay valid. */
static bool is_open(int fd)
{
    struct stat now, before;
    return file_fd >= 0 && !fstat(fd, &now) && !fstat(file_fd, &before) && now.st_dev == before.st_dev &&
           now.st_ino == before.st_ino;
}

bool tally_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    if (is_open(fd)) {
        close(fd);
        return true;
    }
    struct counts_file *map = flock(fd, LOCK_EX) ? NULL : map_file(fd);
    int error = errno;
    flock(fd, LOCK_UN);
    if (!map) {
        close(fd);
        errno = error;
        return false;
    }
    pthread_mutex_lock(&lock);
    if (file_fd >= 0)
        close(file_fd);
    file_fd = fd;
    atomic_store(&file, map);
    pthread_mutex_unlock(&lock);
    return true;
}

static struct counts_token *find_row(struct counts_file *map, const char *label)
{
    uint32_t count = atomic_load(&map->tokens);
    for (uint32_t i = 0; i < count && i < COUNTS_TOKENS_MAX; i++) {
        if (!strncmp(map->token[i].label, label, COUNTS_LABEL_MAX))
            return &map->token[i];
    }
    return NULL;
}

static struct counts_token *add_row_locked(struct counts_file *map, const char *label)
{
    if (flock(file_fd, LOCK_EX))
        return NULL;
    struct counts_token *row = find_row(map, label);
    uint32_t count = atomic_load(&map->tokens);
    if (!row && count < COUNTS_TOKENS_MAX) {
        row = &map->token[count];
        memset(row->label, 0, sizeof(row->label));
        memcpy(row->label, label, strnlen(label, COUNTS_LABEL_MAX - 1));
        atomic_store(&map->tokens, count + 1);
    }
    flock(file_fd, LOCK_UN);
    return row;
}

struct counts_token *tally_row(const char *label)
{
    struct counts_file *map = atomic_load(&file);
    if (!map)
        return NULL;
    if (!label || !*label)
        label = COUNTS_NO_TOKEN;
    struct counts_token *row = find_row(map, label);
    if (row)
        return row;
    pthread_mutex_lock(&lock);
    row = add_row_locked(map, label);
    pthread_mutex_unlock(&lock);
    return row;
}

void tally_begin(struct counts_token *row, enum call_id call)
{
    if (row)
        atomic_fetch_add_explicit(&row->cell[call].calls, 1, memory_order_relaxed);
}

void tally_end(struct counts_token *row, enum call_id call, CK_RV rv)
{
    if (row)
        atomic_fetch_add_explicit(rv == CKR_OK ? &row->cell[call].ok : &row->cell[call].failed, 1,
                                  memory_order_relaxed);
}

/* An inherited descriptor shares its flock() with the parent; one opened anew does not. */
void tally_forked(void)
{
    pthread_mutex_init(&lock, NULL);
    if (file_fd < 0)
        return;
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
    int fresh = open(path, O_RDWR | O_CLOEXEC);
    close(file_fd);
    file_fd = fresh;
}
