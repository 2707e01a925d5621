#include "router/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#define EVERY (250 * NS_PER_MS)

struct stats {
    struct lock lock; /* LOCK_GROUP: one publishes at a time */
    char *path;
    struct group *const *group;
    struct stats_file *picture; /* of this process alone */
    struct stats_file *mapped;
    size_t size;
    struct thread *thread;
    _Atomic uint32_t stopping;
};

static void no_stats(const char *path, const char *step)
{
    log_event(LOG_DEBUG, "no-statistics", "file=%s step=%s error=%s", path, step, strerror(errno));
}

static void program_name(char name[STATS_NAME_MAX])
{
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, name, STATS_NAME_MAX - 1);
    if (fd >= 0)
        (void)close(fd);
    name[got > 0 ? got : 0] = 0;
    name[strcspn(name, "\n")] = 0;
}

/* The folder above belongs to the system; the one that is named may be ours to make. */
static bool make_folder(const char *run_dir)
{
    if (mkdir(run_dir, 0755) == 0)
        return chmod(run_dir, 0755) == 0;
    return errno == EEXIST;
}

/* A file of our number is left over from a process that is gone. */
static int make_file(const char *path, size_t size)
{
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0644);
    if (fd < 0 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, 0644);
    if (fd < 0)
        return -1;
    /* Room that is promised but not there would end the application with SIGBUS. */
    int err = posix_fallocate(fd, 0, (off_t)size);
    if (err != 0 || fchmod(fd, 0644) != 0) {
        errno = err ? err : errno;
        int kept = errno;
        (void)close(fd);
        (void)unlink(path);
        errno = kept;
        return -1;
    }
    return fd;
}

static bool map_file(struct stats *stats)
{
    int fd = make_file(stats->path, stats->size);
    if (fd < 0) {
        no_stats(stats->path, "make");
        return false;
    }
    void *at = mmap(NULL, stats->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (at == MAP_FAILED) {
        no_stats(stats->path, "map");
        (void)unlink(stats->path);
        return false;
    }
    stats->mapped = at;
    return true;
}

static void draw_member(struct member *member, struct stats_member *ret)
{
    lock_take(&member->lock);
    struct health health = member->health;
    lock_drop(&member->lock);
    uint64_t now = clock_now();
    int32_t outstanding = atomic_load_explicit(&member->latency.outstanding, memory_order_relaxed);
    ret->state = health.state;
    ret->cause = health.cause;
    ret->since = (uint64_t)clock_wall() - (now > health.since ? (now - health.since) / NS_PER_S : 0);
    ret->calls = atomic_load_explicit(&member->calls, memory_order_relaxed);
    ret->failures = atomic_load_explicit(&member->failures, memory_order_relaxed);
    ret->outstanding = outstanding > 0 ? (uint64_t)outstanding : 0;
    for (unsigned i = 0; i < WORK_CLASSES; i++)
        ret->ewma[i] = atomic_load_explicit(&member->latency.work[i].ewma, memory_order_relaxed);
}

static void draw(struct stats *stats)
{
    struct stats_file *picture = stats->picture;
    picture->updated = clock_now();
    for (size_t g = 0; g < picture->groups; g++) {
        struct group *group = stats->group[g];
        struct stats_group *drawn = &picture->group[g];
        drawn->calls = atomic_load_explicit(&group->calls, memory_order_relaxed);
        drawn->errors = atomic_load_explicit(&group->errors, memory_order_relaxed);
        drawn->logged_in = group_logged_in(group);
        for (unsigned i = 0; i < group->count; i++) {
            draw_member(group->member[i], &drawn->member[i]);
            drawn->member[i].lag = atomic_load_explicit(&group->lag[i], memory_order_relaxed);
        }
    }
}

/* Word by word, each whole: another process reads meanwhile. */
static void copy_out(struct stats *stats)
{
    _Atomic uint64_t *to = (_Atomic uint64_t *)(void *)stats->mapped;
    const uint64_t *from = (const uint64_t *)(const void *)stats->picture;
    const size_t turn = offsetof(struct stats_file, generation) / sizeof(uint64_t);
    uint64_t generation = stats->picture->generation;
    atomic_store_explicit(&to[turn], generation + 1, memory_order_release);
    /* Released one by one, so that none is seen before the odd generation. */
    for (size_t i = 0; i < stats->size / sizeof(uint64_t); i++)
        if (i != turn)
            atomic_store_explicit(&to[i], from[i], memory_order_release);
    stats->picture->generation = generation + 2;
    atomic_store_explicit(&to[turn], generation + 2, memory_order_release);
}

void stats_publish(struct stats *stats)
{
    lock_take(&stats->lock);
    draw(stats);
    copy_out(stats);
    lock_drop(&stats->lock);
}

static void stats_main(void *arg)
{
    struct stats *stats = arg;
    while (atomic_load(&stats->stopping) == 0) {
        stats_publish(stats);
        thread_wait(&stats->stopping, 0, clock_after(EVERY));
    }
}

static void copy_name(char into[STATS_NAME_MAX], const char *name)
{
    (void)snprintf(into, STATS_NAME_MAX, "%s", name);
}

static void draw_frame(struct stats *stats, size_t count)
{
    struct stats_file *picture = stats->picture;
    picture->magic = STATS_MAGIC;
    picture->version = STATS_VERSION;
    picture->size = stats->size;
    picture->pid = (uint64_t)getpid();
    picture->born = stats_born(picture->pid);
    picture->started = (uint64_t)clock_wall();
    program_name(picture->program);
    picture->groups = count;
    for (size_t g = 0; g < count; g++) {
        const struct group *group = stats->group[g];
        copy_name(picture->group[g].name, group->config->name);
        picture->group[g].members = group->count;
        for (unsigned i = 0; i < group->count; i++)
            copy_name(picture->group[g].member[i].name, group->member[i]->config->name);
    }
}

static void stats_free(struct stats *stats)
{
    if (stats->mapped) {
        (void)unlink(stats->path);
        (void)munmap(stats->mapped, stats->size);
    }
    lock_end(&stats->lock);
    mem_free(stats->picture);
    mem_free(stats->path);
    mem_free(stats);
}

static bool begin(struct stats *stats, const char *run_dir, size_t count)
{
    stats->size = sizeof(struct stats_file) + count * sizeof(struct stats_group);
    stats->picture = mem_new(1, stats->size);
    stats->path = mem_printf("%s/%ld.stats", run_dir, (long)getpid());
    if (!stats->picture || !stats->path)
        return false;
    if (!make_folder(run_dir)) {
        no_stats(run_dir, "folder");
        return false;
    }
    if (!map_file(stats))
        return false;
    draw_frame(stats, count);
    /* Whole before anybody can look at it for long; the thread goes on. */
    stats_publish(stats);
    stats->thread = thread_start("p11ha-stats", -1, stats_main, stats);
    return stats->thread != NULL;
}

struct stats *stats_start(const char *run_dir, struct group *const *group, size_t count)
{
    struct stats *stats = mem_new(1, sizeof(*stats));
    if (!stats)
        return NULL;
    stats->group = group;
    lock_init(&stats->lock, LOCK_GROUP);
    if (!begin(stats, run_dir, count < STATS_GROUPS_MAX ? count : STATS_GROUPS_MAX)) {
        stats_free(stats);
        return NULL;
    }
    return stats;
}

void stats_stop(struct stats *stats)
{
    if (!stats)
        return;
    atomic_store(&stats->stopping, 1);
    thread_wake(&stats->stopping, INT32_MAX);
    thread_join(stats->thread);
    stats_free(stats);
}
