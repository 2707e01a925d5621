#include "member/keeper.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/rv.h"
#include "member/lane.h"
#include "member/sessions.h"

#define TICK (250 * NS_PER_MS) /* how often an inline member's calls are looked at */

struct member_keeper {
    struct thread *thread;
    bool stopping, ended, first_done; /* under the member's lock, as the jobs */
    bool woken;
    uint64_t probed_at;
    struct member_job *jobs, **jobs_end;
};

static struct member_job *take_job_locked(struct member_keeper *keeper)
{
    struct member_job *job = keeper->jobs;
    if (job) {
        keeper->jobs = job->next;
        if (!keeper->jobs)
            keeper->jobs_end = &keeper->jobs;
    }
    return job;
}

static void watch_inline(struct member *member)
{
    if (member->config->runner != RUNNER_INLINE)
        return;
    uint64_t oldest = pool_oldest_call(member->pool);
    if (oldest != 0 && clock_coarse() > oldest + member->group->call_timeout)
        member_event(member, HEALTH_TRANSPORT, RV_DEADLINE);
}

/* Signed on, proved, brought to the vault's head: fit to serve. */
static void make_ready(struct member *member)
{
    uint64_t deadline = clock_after(member->group->call_timeout);
    uint64_t generation = signon_generation(member->signon);
    CK_RV rv = connect_prove(member, deadline);
    if (rv == RV_PIN_REFUSED)
        return;
    if (rv == CKR_OK && member->hooks.catch_up)
        rv = member->hooks.catch_up(member->hooks.ctx, member);
    /* Logged out or in again on the way, which is no failure: once more. */
    if (rv != CKR_OK && generation != signon_generation(member->signon))
        return;
    if (rv == RV_MISFIT) {
        member_event(member, HEALTH_UNFIT, rv);
        return;
    }
    if (rv != CKR_OK) {
        member_event(member, HEALTH_PROBE_BAD, rv);
        return;
    }
    member_event(member, HEALTH_CAUGHT_UP, CKR_OK);
    /* The application has logged in meanwhile: that event found it still coming up, and nothing is proved. */
    if (generation != signon_generation(member->signon))
        member_event(member, HEALTH_SIGN_ON, CKR_OK);
}

static void probe(struct member *member)
{
    uint64_t deadline = clock_after(member->group->call_timeout);
    lock_take(&member->lock);
    bool connected = member->connected && member->instance_epoch == instance_epoch(member->instance);
    lock_drop(&member->lock);
    uint64_t generation = signon_generation(member->signon);
    CK_RV rv = connected ? CKR_OK : connect_member(member, deadline);
    if (rv == CKR_OK)
        rv = connect_probe(member, deadline);
    if (rv == RV_PIN_REFUSED)
        return;
    /* Logged out or in meanwhile: the group's keys may have gone with the login. It is still due. */
    if (rv == CKR_USER_NOT_LOGGED_IN && generation != signon_generation(member->signon))
        return;
    if (rv == RV_MISFIT)
        member_event(member, HEALTH_UNFIT, rv);
    else
        member_event(member, rv == CKR_OK ? HEALTH_PROBE_GOOD : HEALTH_PROBE_BAD, rv);
}

/* What is due now; the member's lock is not held. */
static void step(struct member *member)
{
    struct member_keeper *keeper = member->keeper;
    watch_inline(member);
    pool_tidy(member);
    enum health_state state = member_state(member);
    if (state == HEALTH_CATCHING_UP) {
        make_ready(member);
        return;
    }
    lock_take(&member->lock);
    uint64_t now = clock_now();
    bool due = now >= member->health.next_probe;
    if (due)
        keeper->probed_at = now;
    lock_drop(&member->lock);
    if (due)
        probe(member);
}

static void wait_locked(struct member *member)
{
    struct member_keeper *keeper = member->keeper;
    uint64_t until = member->health.next_probe;
    if (member->config->runner == RUNNER_INLINE && until > clock_now() + TICK)
        until = clock_after(TICK);
    while (!keeper->woken && !keeper->stopping && !keeper->jobs && clock_now() < until)
        if (!cond_wait(&member->changed, &member->lock, until))
            break;
    keeper->woken = false;
}

static void keeper_main(void *arg)
{
    struct member *member = arg;
    struct member_keeper *keeper = member->keeper;
    lock_take(&member->lock);
    while (!keeper->stopping) {
        struct member_job *job = take_job_locked(keeper);
        lock_drop(&member->lock);
        if (job)
            job->run(job, member);
        else
            step(member);
        lock_take(&member->lock);
        if (!job && !keeper->first_done && member->health.state != HEALTH_CATCHING_UP) {
            keeper->first_done = true;
            cond_wake_all(&member->changed);
        }
        bool more = keeper->jobs || member->health.state == HEALTH_CATCHING_UP;
        if (!more && !keeper->stopping)
            wait_locked(member);
    }
    struct member_job *job;
    while ((job = take_job_locked(keeper))) {
        lock_drop(&member->lock);
        job->run(job, member);
        lock_take(&member->lock);
    }
    keeper->ended = true;
    cond_wake_all(&member->changed);
    lock_drop(&member->lock);
}

CK_RV keeper_start(struct member *member)
{
    struct member_keeper *keeper = mem_new(1, sizeof(*keeper));
    if (!keeper)
        return CKR_HOST_MEMORY;
    keeper->jobs_end = &keeper->jobs;
    /* Members that have started already may wake it. */
    lock_take(&member->lock);
    member->keeper = keeper;
    lock_drop(&member->lock);
    char name[16];
    snprintf(name, sizeof(name), "%.11s/kpr", member->config->name);
    keeper->thread = thread_start(name, -1, keeper_main, member);
    if (keeper->thread)
        return CKR_OK;
    lock_take(&member->lock);
    member->keeper = NULL;
    lock_drop(&member->lock);
    mem_free(keeper);
    return CKR_HOST_MEMORY;
}

bool keeper_stop(struct member *member, uint64_t deadline)
{
    struct member_keeper *keeper = member->keeper;
    if (!keeper)
        return true;
    lock_take(&member->lock);
    keeper->stopping = true;
    cond_wake_all(&member->changed);
    bool in_time = true;
    while (!keeper->ended && in_time)
        in_time = cond_wait(&member->changed, &member->lock, deadline);
    bool ended = keeper->ended;
    lock_drop(&member->lock);
    if (ended)
        thread_join(keeper->thread);
    else
        thread_detach(keeper->thread);
    return ended;
}

void keeper_free(struct member_keeper *keeper)
{
    mem_free(keeper);
}

void keeper_wake(struct member *member)
{
    lock_take(&member->lock);
    if (member->keeper)
        member->keeper->woken = true;
    cond_wake_all(&member->changed);
    lock_drop(&member->lock);
}

void member_post(struct member *member, struct member_job *job)
{
    job->next = NULL;
    lock_take(&member->lock);
    *member->keeper->jobs_end = job;
    member->keeper->jobs_end = &job->next;
    cond_wake_all(&member->changed);
    lock_drop(&member->lock);
}

void member_probe_soon(struct member *member)
{
    lock_take(&member->lock);
    uint64_t now = clock_now();
    uint64_t first = member->keeper ? member->keeper->probed_at + NS_PER_S : 0;
    if (first < now)
        first = now;
    if (member->keeper && member->health.next_probe > first && member->health.state != HEALTH_DRAINED &&
        member->health.state != HEALTH_PIN_MISMATCH) {
        member->health.next_probe = first;
        member->keeper->woken = true;
        cond_wake_all(&member->changed);
    }
    lock_drop(&member->lock);
}

bool member_wait_first(struct member *member, uint64_t deadline)
{
    lock_take(&member->lock);
    bool in_time = true;
    while (!member->keeper->first_done && in_time)
        in_time = cond_wait(&member->changed, &member->lock, deadline);
    bool done = member->keeper->first_done;
    lock_drop(&member->lock);
    return done;
}
