#include "test/lib/load_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIVE_NS  200000000
#define TICK_NS  10000000
#define PAUSE_NS 10000000 /* after an error, so that a dead token is not asked a million times */

struct worker {
    const struct load_plan *plan;
    struct shared *shared;
    pthread_t thread;
    struct load_job job;
    struct load_seen seen;
    CK_SESSION_HANDLE session;
};

struct shared {
    _Atomic uint64_t begun, done, failed, wrong, stall_ns;
    uint64_t from;
};

static _Atomic bool stopping;

void load_stop(void)
{
    stopping = true;
}

static void sleep_ns(uint64_t ns)
{
    nanosleep(&(struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)}, NULL);
}

/* Eight buckets an octave: within 12 % of the truth. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < 8)
        return (unsigned)ns;
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
    return octave * 8 + (unsigned)(ns >> (octave - 3) & 7);
}

static uint64_t bucket_end(unsigned bucket)
{
    unsigned octave = bucket / 8;
    return octave < 3 ? bucket : (UINT64_C(8) + bucket % 8 + 1) << (octave - 3);
}

uint64_t load_quantile(const struct load_seen *seen, double part)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < LOAD_BUCKETS; i++)
        all += seen->bucket[i];
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        sum += seen->bucket[i];
        if (all && (double)sum >= part * (double)all)
            return bucket_end(i) < seen->slowest_op_ns ? bucket_end(i) : seen->slowest_op_ns;
    }
    return 0;
}

static void note_error(struct load_seen *seen, CK_RV rv, const char *call, uint64_t count)
{
    size_t i = 0;
    while (i < seen->errors && (seen->error[i].rv != rv || strcmp(seen->error[i].call, call)))
        i++;
    if (i == LOAD_ERRORS_MAX)
        return;
    if (i == seen->errors)
        seen->error[seen->errors++] = (struct load_error){rv, call, 0};
    seen->error[i].count += count;
}

/* A failed operation may have left anything behind in the session. */
static void renew_session(struct worker *worker)
{
    CK_FUNCTION_LIST *p11 = worker->plan->p11;
    p11->C_CloseSession(worker->session);
    CK_RV rv = p11->C_OpenSession(worker->plan->slot, CKF_SERIAL_SESSION, NULL, NULL, &worker->session);
    if (rv != CKR_OK)
        note_error(&worker->seen, rv, "C_OpenSession", 1);
}

static void operate(struct worker *worker)
{
    struct load_seen *seen = &worker->seen;
    const char *call = "";
    uint64_t began = load_now();
    CK_RV rv = load_job_run(&worker->job, worker->plan->p11, worker->session, &call);
    uint64_t took = load_now() - began;
    seen->bucket[bucket_of(took)]++;
    if (took > seen->slowest_op_ns)
        seen->slowest_op_ns = took;
    atomic_fetch_add(&worker->shared->done, 1);
    if (rv != CKR_OK) {
        note_error(seen, rv, call, 1);
        atomic_fetch_add(&worker->shared->failed, 1);
        renew_session(worker);
        sleep_ns(PAUSE_NS);
    } else if (!load_job_check(&worker->job)) {
        atomic_fetch_add(&worker->shared->wrong, 1);
    }
}

/* Waits for this operation's turn. */
static void keep_pace(const struct worker *worker, uint64_t n)
{
    if (worker->plan->rate <= 0)
        return;
    uint64_t due = worker->shared->from + (uint64_t)((double)n / worker->plan->rate * 1e9);
    for (uint64_t now = load_now(); now < due && !stopping; now = load_now())
        sleep_ns(due - now < LIVE_NS ? due - now : LIVE_NS);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct load_plan *plan = worker->plan;
    struct shared *shared = worker->shared;
    while (!stopping) {
        uint64_t n = atomic_fetch_add(&shared->begun, 1);
        if (plan->count && n >= plan->count)
            break;
        if (plan->seconds > 0 && (double)(load_now() - shared->from) / 1e9 >= plan->seconds)
            break;
        keep_pace(worker, n);
        operate(worker);
    }
    return NULL;
}

/* Whoever reads the file sees a whole line, the newest. */
static void write_live(const struct load_plan *plan, const struct shared *shared)
{
    char fresh[4096];
    if (snprintf(fresh, sizeof(fresh), "%s.new", plan->live) >= (int)sizeof(fresh))
        return;
    FILE *file = fopen(fresh, "w");
    if (!file)
        return;
    fprintf(file, "%llu %llu %llu %llu\n", (unsigned long long)shared->done,
            (unsigned long long)shared->failed, (unsigned long long)shared->wrong,
            (unsigned long long)shared->stall_ns / 1000000);
    if (!fclose(file))
        rename(fresh, plan->live);
}

struct live {
    const struct load_plan *plan;
    struct shared *shared;
    _Atomic bool ended;
};

/* Sleeps, and so sees how long the machine lets a thread wait that wants to run. */
static void *show(void *arg)
{
    struct live *live = arg;
    uint64_t shown = 0;
    while (!live->ended) {
        uint64_t began = load_now();
        if (live->plan->live && began - shown >= LIVE_NS) {
            write_live(live->plan, live->shared);
            shown = began = load_now();
        }
        sleep_ns(TICK_NS);
        uint64_t over = load_now() - began - TICK_NS;
        if (over > live->shared->stall_ns)
            live->shared->stall_ns = over;
    }
    if (live->plan->live)
        write_live(live->plan, live->shared);
    return NULL;
}

static void add_up(struct load_seen *sum, const struct worker *worker)
{
    const struct load_seen *seen = &worker->seen;
    for (size_t i = 0; i < seen->errors; i++)
        note_error(sum, seen->error[i].rv, seen->error[i].call, seen->error[i].count);
    for (unsigned i = 0; i < LOAD_BUCKETS; i++)
        sum->bucket[i] += seen->bucket[i];
    if (seen->slowest_op_ns > sum->slowest_op_ns)
        sum->slowest_op_ns = seen->slowest_op_ns;
    if (worker->job.slowest_ns > sum->slowest_call_ns) {
        sum->slowest_call_ns = worker->job.slowest_ns;
        sum->slowest_call = worker->job.slowest;
    }
}

static bool prepare(struct worker *worker, const struct load_plan *plan, struct shared *shared, unsigned i)
{
    worker->plan = plan;
    worker->shared = shared;
    CK_RV rv = plan->p11->C_OpenSession(plan->slot, CKF_SERIAL_SESSION, NULL, NULL, &worker->session);
    return rv == CKR_OK && load_job_begin(&worker->job, plan->op, &plan->key, plan->size, i + 1);
}

bool load_run(const struct load_plan *plan, struct load_seen *ret)
{
    struct shared shared = {.from = load_now()};
    struct live live = {.plan = plan, .shared = &shared};
    struct worker *workers = calloc(plan->threads, sizeof(*workers));
    pthread_t shower;
    bool good = workers, showing = good && !pthread_create(&shower, NULL, show, &live);
    unsigned started = 0;
    for (unsigned i = 0; good && i < plan->threads; i++)
        good = prepare(&workers[i], plan, &shared, i);
    for (; good && started < plan->threads; started += good)
        good = !pthread_create(&workers[started].thread, NULL, work, &workers[started]);
    if (!good)
        load_stop();
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    memset(ret, 0, sizeof(*ret));
    ret->seconds = (double)(load_now() - shared.from) / 1e9;
    live.ended = true;
    if (showing)
        pthread_join(shower, NULL);
    for (unsigned i = 0; workers && i < plan->threads; i++) {
        add_up(ret, &workers[i]);
        load_job_end(&workers[i].job);
    }
    ret->done = shared.done;
    ret->failed = shared.failed;
    ret->wrong = shared.wrong;
    ret->stall_ns = shared.stall_ns;
    free(workers);
    return good;
}
