#include "replica/tender.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "replica/catchup.h"
#include "replica/destroy.h"

#define TICK        NS_PER_S
#define PURGE_EVERY 60 /* ticks */

struct managed_tender {
    struct thread *thread;
    struct lock lock; /* LOCK_GROUP */
    struct cond changed;
    bool stopping, ended;
    _Atomic uint32_t catching; /* members (bits) whose catch-up is posted */
};

struct catchup_job {
    struct member_job job;
    struct managed *managed;
};

static void run_catchup(struct member_job *job, struct member *member)
{
    struct catchup_job *own = container_of(job, struct catchup_job, job);
    struct managed *managed = own->managed;
    if (health_usable(member_state(member)))
        (void)!catchup_member(managed, member);
    atomic_fetch_and(&managed->tender->catching, ~(1u << member->index));
    mem_free(own);
}

static void post_catchup(struct managed *managed, struct member *member)
{
    uint32_t bit = 1u << member->index;
    struct catchup_job *own = mem_new(1, sizeof(*own));
    if (!own)
        return;
    if (atomic_fetch_or(&managed->tender->catching, bit) & bit) {
        mem_free(own);
        return;
    }
    own->managed = managed;
    own->job.run = run_catchup;
    member_post(member, &own->job);
}

static void tick(struct managed *managed, unsigned count)
{
    managed_refresh(managed, false);
    bool logged_in = group_logged_in(managed->group);
    for (unsigned i = 0; i < managed->group->count; i++) {
        struct member *member = managed->group->member[i];
        uint64_t lag = 0;
        if (catchup_lag(managed, member, &lag) != CKR_OK)
            continue;
        atomic_store_explicit(&managed->group->lag[i], lag, memory_order_relaxed);
        if (logged_in && lag > 0 && health_usable(member_state(member)))
            post_catchup(managed, member);
    }
    if (!logged_in)
        return;
    if (count % PURGE_EVERY == 1)
        destroy_expired(managed);
}

static void tender_main(void *arg)
{
    struct managed *managed = arg;
    struct managed_tender *tender = managed->tender;
    unsigned count = 0;
    lock_take(&tender->lock);
    while (!tender->stopping) {
        uint64_t until = clock_after(TICK);
        while (!tender->stopping && clock_now() < until)
            if (!cond_wait(&tender->changed, &tender->lock, until))
                break;
        bool stopping = tender->stopping;
        lock_drop(&tender->lock);
        if (!stopping)
            tick(managed, ++count);
        lock_take(&tender->lock);
    }
    tender->ended = true;
    cond_wake_all(&tender->changed);
    lock_drop(&tender->lock);
}

CK_RV tender_start(struct managed *managed)
{
    struct managed_tender *tender = mem_new(1, sizeof(*tender));
    if (!tender)
        return CKR_HOST_MEMORY;
    lock_init(&tender->lock, LOCK_GROUP);
    cond_init(&tender->changed);
    managed->tender = tender;
    tender->thread = thread_start("p11ha-tender", -1, tender_main, managed);
    return tender->thread ? CKR_OK : CKR_HOST_MEMORY;
}

bool tender_stop(struct managed *managed, uint64_t deadline)
{
    struct managed_tender *tender = managed->tender;
    if (!tender || !tender->thread)
        return true;
    lock_take(&tender->lock);
    tender->stopping = true;
    cond_wake_all(&tender->changed);
    bool in_time = true;
    while (!tender->ended && in_time)
        in_time = cond_wait(&tender->changed, &tender->lock, deadline);
    bool ended = tender->ended;
    lock_drop(&tender->lock);
    if (ended)
        thread_join(tender->thread);
    else
        thread_detach(tender->thread);
    tender->thread = NULL;
    return ended;
}

void tender_free(struct managed *managed)
{
    if (!managed->tender)
        return;
    cond_end(&managed->tender->changed);
    lock_end(&managed->tender->lock);
    mem_free(managed->tender);
    managed->tender = NULL;
}
