#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "router/stats.h"

#define SUFFIX     ".stats"
#define SIZE_MOST  (sizeof(struct stats_file) + STATS_GROUPS_MAX * sizeof(struct stats_group))
#define TRIES      20
#define TRY_AFTER  (1 * NS_PER_MS)
#define FIELD_BORN 22 /* of /proc/PID/stat, counted from 1 */

uint64_t stats_born(uint64_t pid)
{
    char path[48], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (got <= 0)
        return 0;
    text[got] = 0;
    /* The second field is the program's name in brackets, which may hold blanks and brackets of its own. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < FIELD_BORN; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* PID of "PID.stats"; 0 if it is another name. */
static uint64_t pid_of(const char *name)
{
    char *end = NULL;
    if (*name < '1' || *name > '9')
        return 0;
    uint64_t pid = strtoull(name, &end, 10);
    return strcmp(end, SUFFIX) == 0 && pid <= INT32_MAX ? pid : 0;
}

static bool is_alive(uint64_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* Nothing of the file is believed: its writer may be anybody, or of another version. */
static bool is_sound(const struct stats_file *file, size_t size, uint64_t pid)
{
    if (size < sizeof(*file) || file->magic != STATS_MAGIC || file->version != STATS_VERSION ||
        file->size != size || file->pid != pid || file->groups > STATS_GROUPS_MAX ||
        size != sizeof(*file) + file->groups * sizeof(struct stats_group) ||
        !memchr(file->program, 0, sizeof(file->program)))
        return false;
    for (size_t g = 0; g < file->groups; g++) {
        const struct stats_group *group = &file->group[g];
        if (group->members > CONFIG_MEMBERS_MAX || !memchr(group->name, 0, sizeof(group->name)))
            return false;
        for (size_t i = 0; i < group->members; i++)
            if (!memchr(group->member[i].name, 0, STATS_NAME_MAX) || group->member[i].state >= HEALTH_STATES)
                return false;
    }
    return true;
}

/* 1: whole; 0: its writer is just at it; -1: cannot be read. Not mapped: a file cut short would end us with
 * SIGBUS. */
static int read_once(int fd, struct stats_file *ret, size_t *ret_size)
{
    ssize_t got = pread(fd, ret, SIZE_MOST, 0);
    if (got < (ssize_t)sizeof(*ret))
        return -1;
    /* The kernel copies with plain loads: what it copied must be read before the generation is read again. */
    static _Atomic uint32_t barrier;
    atomic_fetch_add(&barrier, 1);
    uint64_t again = 0;
    if (pread(fd, &again, sizeof(again), offsetof(struct stats_file, generation)) != (ssize_t)sizeof(again))
        return -1;
    *ret_size = (size_t)got;
    return again == ret->generation && again % 2 == 0 && again != 0;
}

static bool read_whole(int folder, const char *name, uint64_t pid, struct stats_file *ret)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat st;
    size_t size = 0;
    int state = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 0 : -1;
    for (int i = 0; state == 0 && i < TRIES; i++) {
        state = read_once(fd, ret, &size);
        if (state == 0)
            thread_sleep(clock_after(TRY_AFTER));
    }
    (void)close(fd);
    return state == 1 && is_sound(ret, size, pid);
}

static bool visit_one(int folder, const char *name, struct stats_file *file,
                      bool (*visit)(const struct stats_file *file, void *ctx), void *ctx)
{
    uint64_t pid = pid_of(name);
    if (!pid)
        return true;
    if (!is_alive(pid)) {
        (void)unlinkat(folder, name, 0);
        return true;
    }
    if (!read_whole(folder, name, pid, file))
        return true;
    uint64_t born = stats_born(pid);
    if (born != 0 && file->born != 0 && born != file->born) {
        (void)unlinkat(folder, name, 0);
        return true;
    }
    return visit(file, ctx);
}

int stats_read_all(const char *run_dir, bool (*visit)(const struct stats_file *file, void *ctx), void *ctx)
{
    struct stats_file *file = mem_new(1, SIZE_MOST);
    if (!file)
        return -ENOMEM;
    DIR *dir = opendir(run_dir);
    int err = dir ? 0 : -errno;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (!visit_one(dirfd(dir), entry->d_name, file, visit, ctx))
            break;
    if (dir)
        (void)closedir(dir);
    mem_free(file);
    return err;
}
