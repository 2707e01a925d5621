#include "test/lib/chaos_ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/chaos/counts.h"
#include "test/chaos/rule.h"

static int write_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left;) {
        ssize_t put = write(fd, text, left);
        if (put < 0)
            return -errno;
        text += put;
        left -= (size_t)put;
    }
    return 0;
}

int chaos_set(const char *path, const char *rules)
{
    char fresh[PATH_MAX], why[160];
    if (!rules)
        rules = "";
    unsigned line = rule_check(rules, why, sizeof(why));
    if (line) {
        fprintf(stderr, "chaos_set: line %u: %s\n", line, why);
        return -EINVAL;
    }
    if (snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, rules);
    close(fd);
    if (!r && rename(fresh, path))
        r = -errno;
    if (r)
        unlink(fresh);
    return r;
}

static int map_counts(const char *path, struct counts_file **ret_map)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    void *at = MAP_FAILED;
    int r = fstat(fd, &st) ? -errno : 0;
    if (!r && st.st_size != (off_t)sizeof(struct counts_file))
        r = -EINVAL;
    if (!r)
        at = mmap(NULL, sizeof(struct counts_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!r && at == MAP_FAILED)
        r = -errno;
    close(fd);
    if (r)
        return r;
    struct counts_file *map = at;
    if (memcmp(map->magic, COUNTS_MAGIC, sizeof(map->magic)) || map->calls > COUNTS_CALLS_MAX) {
        munmap(at, sizeof(struct counts_file));
        return -EINVAL;
    }
    *ret_map = map;
    return 0;
}

static unsigned tokens_in(struct counts_file *map)
{
    unsigned count = atomic_load(&map->tokens);
    return count < COUNTS_TOKENS_MAX ? count : COUNTS_TOKENS_MAX;
}

static bool each_cell(struct counts_file *map, struct counts_token *row,
                      bool (*each)(const struct chaos_counter *, void *), void *context)
{
    for (uint32_t i = 0; i < map->calls; i++) {
        struct counts_cell *cell = &row->cell[i];
        struct chaos_counter counter = {row->label, map->name[i], atomic_load(&cell->calls),
                                        atomic_load(&cell->ok), atomic_load(&cell->failed)};
        if ((counter.calls || counter.ok || counter.failed) && !each(&counter, context))
            return false;
    }
    return true;
}

int chaos_counts_each(const char *path, bool (*each)(const struct chaos_counter *counter, void *context),
                      void *context)
{
    struct counts_file *map;
    int r = map_counts(path, &map);
    if (r)
        return r;
    for (unsigned i = 0; i < tokens_in(map); i++) {
        if (!each_cell(map, &map->token[i], each, context))
            break;
    }
    munmap(map, sizeof(*map));
    return 0;
}

struct sum {
    const char *token, *function;
    uint64_t calls, ok, failed;
};

static bool add_up(const struct chaos_counter *counter, void *context)
{
    struct sum *sum = context;
    if (strcmp(sum->token, "*") && strcmp(sum->token, counter->token))
        return true;
    if (strcmp(sum->function, "*") && strcmp(sum->function, counter->function))
        return true;
    sum->calls += counter->calls;
    sum->ok += counter->ok;
    sum->failed += counter->failed;
    return true;
}

int chaos_count(const char *path, const char *token, const char *function, uint64_t *ret_calls,
                uint64_t *ret_ok, uint64_t *ret_failed)
{
    struct sum sum = {token, function, 0, 0, 0};
    int r = chaos_counts_each(path, add_up, &sum);
    if (r)
        return r;
    *ret_calls = sum.calls;
    *ret_ok = sum.ok;
    *ret_failed = sum.failed;
    return 0;
}

int chaos_counts_reset(const char *path)
{
    struct counts_file *map;
    int r = map_counts(path, &map);
    if (r)
        return r;
    for (unsigned i = 0; i < tokens_in(map); i++) {
        for (unsigned j = 0; j < COUNTS_CALLS_MAX; j++) {
            atomic_store(&map->token[i].cell[j].calls, 0);
            atomic_store(&map->token[i].cell[j].ok, 0);
            atomic_store(&map->token[i].cell[j].failed, 0);
        }
    }
    munmap(map, sizeof(*map));
    return 0;
}
