#include "tool/live.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static bool keep(const struct stats_file *file, void *ctx)
{
    struct live *live = ctx;
    struct stats_file **bigger = mem_resize(live->file, live->count + 1, sizeof(*bigger));
    struct stats_file *copy = bigger ? mem_dup(file, file->size) : NULL;
    if (bigger)
        live->file = bigger;
    if (!copy) {
        live->no_memory = true;
        return false;
    }
    live->file[live->count++] = copy;
    return true;
}

void live_read(struct live *live, const char *run_dir)
{
    *live = (struct live){0};
    live->no_memory = stats_read_all(run_dir, keep, live) == -ENOMEM || live->no_memory;
}

void live_end(struct live *live)
{
    for (size_t i = 0; i < live->count; i++)
        mem_free(live->file[i]);
    mem_free(live->file);
    *live = (struct live){0};
}

const struct stats_group *live_group(const struct stats_file *file, const char *group)
{
    for (size_t i = 0; i < file->groups; i++)
        if (strcmp(file->group[i].name, group) == 0)
            return &file->group[i];
    return NULL;
}

const struct stats_file *live_before(const struct live *before, const struct stats_file *file)
{
    for (size_t i = 0; before && i < before->count; i++) {
        const struct stats_file *old = before->file[i];
        if (old->pid == file->pid && old->born == file->born && old->started == file->started)
            return old;
    }
    return NULL;
}

static const struct stats_member *member_of(const struct stats_file *file, const char *group,
                                            const char *member)
{
    const struct stats_group *own = file ? live_group(file, group) : NULL;
    for (size_t i = 0; own && i < own->members; i++)
        if (strcmp(own->member[i].name, member) == 0)
            return &own->member[i];
    return NULL;
}

enum health_state live_worse(enum health_state a, enum health_state b)
{
    static const int rank[HEALTH_STATES] = {
        [HEALTH_UP] = 0,     [HEALTH_CATCHING_UP] = 1,  [HEALTH_SUSPECT] = 2, [HEALTH_DRAINED] = 3,
        [HEALTH_MISFIT] = 4, [HEALTH_PIN_MISMATCH] = 5, [HEALTH_DOWN] = 6};
    return rank[b] > rank[a] ? b : a;
}

/* Between two looks at one process; a new one has no rate yet. */
static double rate(const struct stats_file *old, const struct stats_file *file, uint64_t before, uint64_t now)
{
    if (!old || file->updated <= old->updated || now < before)
        return 0;
    return (double)(now - before) * (double)NS_PER_S / (double)(file->updated - old->updated);
}

static void add_state(struct live_member *sum, const struct stats_member *member)
{
    enum health_state state = (enum health_state)member->state;
    enum health_state worse = sum->processes ? live_worse(sum->state, state) : state;
    bool first = sum->processes == 0 || worse != sum->state;
    if (state == worse && (first || (int64_t)member->since < sum->since)) {
        sum->since = (int64_t)member->since;
        sum->cause = (CK_RV)member->cause;
    }
    sum->state = worse;
    sum->processes++;
}

void live_sum_member(const struct live *before, const struct live *now, const char *group, const char *member,
                     struct live_member *ret)
{
    *ret = (struct live_member){.state = HEALTH_UP};
    for (size_t i = 0; i < now->count; i++) {
        const struct stats_file *file = now->file[i], *old = live_before(before, file);
        const struct stats_member *own = member_of(file, group, member);
        const struct stats_member *own_before = member_of(old, group, member);
        if (!own)
            continue;
        add_state(ret, own);
        ret->calls += own->calls;
        ret->failures += own->failures;
        ret->outstanding += own->outstanding;
        ret->calls_per_s += own_before ? rate(old, file, own_before->calls, own->calls) : 0;
        for (unsigned work = 0; work < WORK_CLASSES; work++)
            ret->latency = own->ewma[work] > ret->latency ? own->ewma[work] : ret->latency;
    }
}

double live_process_rate(const struct live *before, const struct stats_file *file, const char *group)
{
    const struct stats_file *old = live_before(before, file);
    const struct stats_group *own = live_group(file, group),
                             *own_before = old ? live_group(old, group) : NULL;
    return own && own_before ? rate(old, file, own_before->calls, own->calls) : 0;
}

void live_sum_group(const struct live *before, const struct live *now, const char *group,
                    struct live_sum *ret)
{
    *ret = (struct live_sum){0};
    for (size_t i = 0; i < now->count; i++) {
        const struct stats_file *old = live_before(before, now->file[i]);
        const struct stats_group *own = live_group(now->file[i], group),
                                 *own_before = old ? live_group(old, group) : NULL;
        if (!own)
            continue;
        ret->processes++;
        ret->calls += own->calls;
        ret->errors += own->errors;
        ret->new_errors +=
            own->errors - (own_before && own_before->errors <= own->errors ? own_before->errors : 0);
        ret->calls_per_s += live_process_rate(before, now->file[i], group);
    }
}
