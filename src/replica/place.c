#include "replica/place.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/rv.h"
#include "replica/catchup.h"
#include "replica/seal.h"

#define AGAIN_AFTER (50 * NS_PER_MS)

/* Shared by the jobs and by the one who waits; the last one frees it and ends the lease. */
struct batch {
    _Atomic uint32_t refs;
    _Atomic uint32_t steps; /* counts jobs that ended: what the caller waits on */
    _Atomic uint64_t good, ended, refused;
    _Atomic CK_RV why; /* what the first one to refuse said */
    struct managed *managed;
    struct object *object;
    struct record record;
    uint64_t deadline;
};

struct place_job {
    struct member_job job;
    struct batch *batch;
};

static void batch_unref(struct batch *batch)
{
    if (atomic_fetch_sub(&batch->refs, 1) != 1)
        return;
    struct managed *managed = batch->managed;
    seal_written(managed, &batch->record, atomic_load(&batch->good));
    object_unref(batch->object);
    record_end(&batch->record);
    mem_free(batch);
    atomic_fetch_sub(&managed->placing, 1);
    thread_wake(&managed->placing, INT32_MAX);
}

static CK_RV place_here(struct batch *batch, struct member *member)
{
    struct remote remote = remote_to(member, batch->deadline);
    if (!health_alive(member_state(member)))
        return RV_NOT_HERE;
    CK_RV rv = catchup_apply(batch->managed, remote, &batch->record);
    CK_OBJECT_HANDLE handle;
    bool rolled_back =
        batch->record.state == RECORD_LIVE && batch->object && atomic_load(&batch->object->gone);
    if (rv == CKR_OK && rolled_back && object_replica(batch->object, member->index, remote.epoch, &handle))
        (void)!remote_destroy(remote, handle);
    return rv;
}

static void run_job(struct member_job *job, struct member *member)
{
    struct place_job *own = container_of(job, struct place_job, job);
    struct batch *batch = own->batch;
    uint64_t bit = UINT64_C(1) << member->index;
    CK_RV rv = place_here(batch, member), ok = CKR_OK;
    if (rv == CKR_OK) {
        atomic_fetch_or(&batch->good, bit);
    } else if (catchup_refused(rv)) {
        (void)atomic_compare_exchange_strong(&batch->why, &ok, rv == RV_GONE ? CKR_FUNCTION_FAILED : rv);
        atomic_fetch_or(&batch->refused, bit);
    }
    atomic_fetch_or(&batch->ended, bit);
    atomic_fetch_add(&batch->steps, 1);
    thread_wake(&batch->steps, INT32_MAX);
    batch_unref(batch);
    mem_free(own);
}

static bool is_target(const struct member *member, bool live)
{
    return health_alive(member_state(member)) && (!live || member->config->tier < 2);
}

/* Posts to every target but those of `not`; returns to whom. */
static uint64_t post_jobs(struct batch *batch, uint64_t not )
{
    uint64_t posted = 0;
    struct group *group = batch->managed->group;
    for (unsigned i = 0; i < group->count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        bool wanted = !(not &bit) && is_target(group->member[i], batch->record.state == RECORD_LIVE);
        struct place_job *own = wanted ? mem_new(1, sizeof(*own)) : NULL;
        if (!own)
            continue;
        own->batch = batch;
        own->job.run = run_job;
        atomic_fetch_add(&batch->refs, 1);
        atomic_fetch_and(&batch->ended, ~bit);
        posted |= bit;
        member_post(group->member[i], &own->job);
    }
    return posted;
}

/* Too few have it, and nobody is at it any more: whoever comes back or was only interrupted is asked (again).
 */
static uint64_t post_again(struct batch *batch, uint64_t posted)
{
    struct group *group = batch->managed->group;
    for (unsigned i = 0; i < group->count; i++)
        if (member_state(group->member[i]) == HEALTH_DOWN)
            member_probe_soon(group->member[i]);
    (void)group_wait(group, atomic_load(&group->changes), clock_after(AGAIN_AFTER));
    return posted | post_jobs(batch, atomic_load(&batch->good) | atomic_load(&batch->refused));
}

static unsigned bits(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

/* So many members take it for a bad request that it will never have its copies: to wait is no use. */
static bool is_hopeless(const struct batch *batch, unsigned copies)
{
    return bits(atomic_load(&batch->refused)) + copies > batch->managed->group->count;
}

CK_RV place_record(struct managed *managed, struct record *record, struct object *object, unsigned copies,
                   uint64_t deadline)
{
    struct batch *batch = mem_new(1, sizeof(*batch));
    if (!batch) {
        seal_written(managed, record, 0);
        return CKR_HOST_MEMORY;
    }
    bool live = record->state == RECORD_LIVE;
    atomic_fetch_add(&managed->placing, 1);
    atomic_store(&batch->refs, 1);
    batch->managed = managed;
    batch->object = object ? object_ref(object) : NULL;
    batch->record = *record;
    batch->deadline = deadline;
    *record = (struct record){0};
    uint64_t posted = post_jobs(batch, 0);
    for (;;) {
        uint32_t seen = atomic_load(&batch->steps);
        bool all_ended = atomic_load(&batch->ended) == posted;
        bool enough = bits(atomic_load(&batch->good)) >= copies;
        bool over = !live || enough || is_hopeless(batch, copies);
        if ((all_ended && over) || (live && copies > 0 && enough) || clock_now() >= deadline)
            break;
        if (all_ended)
            posted = post_again(batch, posted);
        else if (!thread_wait(&batch->steps, seen, deadline))
            break;
    }
    CK_RV rv = !live || bits(atomic_load(&batch->good)) >= copies ? CKR_OK
               : is_hopeless(batch, copies)                       ? atomic_load(&batch->why)
                                                                  : CKR_DEVICE_ERROR;
    batch_unref(batch);
    return rv;
}

void place_settle(struct managed *managed, uint64_t deadline)
{
    (void)thread_wait_zero(&managed->placing, deadline);
}
