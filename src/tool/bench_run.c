#include "tool/bench_run.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

/* How long a thread that cannot get a session waits before it asks again. */
#define SESSION_PAUSE NS_PER_MS

_Atomic bool bench_run_stop;

/* What the threads of one run share. */
struct race {
    _Atomic uint32_t ready; /* threads that stand at the line */
    _Atomic uint32_t go;    /* 1: they may start */
    uint64_t span;
};

struct runner {
    struct race *race;
    struct bench_worker worker;
    struct bench_result result;
    struct thread *thread;
};

void bench_run_error(struct bench_result *result, CK_RV rv, uint64_t count)
{
    size_t i = 0;
    while (i < result->errors && result->error[i].rv != rv)
        i++;
    if (i == BENCH_ERRORS_MAX)
        i = BENCH_ERRORS_MAX - 1;
    else if (i == result->errors)
        result->error[result->errors++] = (struct bench_error){.rv = rv};
    result->error[i].count += count;
}

uint64_t bench_run_errors(const struct bench_result *result)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < result->errors; i++)
        sum += result->error[i].count;
    return sum;
}

static void merge(struct bench_result *into, const struct bench_result *from)
{
    hist_merge(&into->hist, &from->hist);
    into->calls += from->calls;
    into->checked += from->checked;
    into->wrong += from->wrong;
    into->rate += from->rate;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (size_t i = 0; i < from->errors; i++)
        bench_run_error(into, from->error[i].rv, from->error[i].count);
}

static CK_RV session_open(struct bench_worker *worker)
{
    const struct bench_module *module = worker->target->module;
    CK_RV rv = module->calls->C_OpenSession(module->slot, CKF_SERIAL_SESSION, NULL, NULL, &worker->session);
    if (rv != CKR_OK)
        worker->session = 0;
    return rv;
}

static void session_close(struct bench_worker *worker)
{
    if (worker->session)
        (void)worker->target->module->calls->C_CloseSession(worker->session);
    worker->session = 0;
}

/* After an error an operation may still be active in the session, or the session dead: a fresh one, as
 * applications do. */
static void recover(struct runner *runner, CK_RV rv)
{
    _Atomic uint32_t nobody = 0;
    bench_run_error(&runner->result, rv, 1);
    session_close(&runner->worker);
    rv = session_open(&runner->worker);
    if (rv == CKR_OK)
        return;
    bench_run_error(&runner->result, rv, 1);
    (void)thread_wait(&nobody, 0, clock_after(SESSION_PAUSE));
}

/* Checks one in so many, and tidies. True if that took time which does not count. */
static bool follow_up(struct runner *runner)
{
    struct bench_worker *worker = &runner->worker;
    const struct bench_op *op = worker->target->op;
    bool sample = runner->result.calls++ % BENCH_CHECK_EVERY == 0;
    if (sample) {
        runner->result.checked++;
        runner->result.wrong += !op->check(worker);
    }
    if (op->tidy)
        op->tidy(worker);
    return sample || op->tidy;
}

static void measure(struct runner *runner)
{
    const struct bench_op *op = runner->worker.target->op;
    struct bench_result *result = &runner->result;
    uint64_t start = clock_now();
    uint64_t end = start + runner->race->span;
    uint64_t paused = 0;
    uint64_t at = start;
    while (at < end && !bench_run_stop) {
        runner->worker.n++;
        CK_RV rv = runner->worker.session ? op->run(&runner->worker) : CKR_SESSION_HANDLE_INVALID;
        uint64_t now = clock_now();
        if (now - at > result->max_ns)
            result->max_ns = now - at;
        bool late = true;
        if (rv == CKR_OK) {
            hist_add(&result->hist, now - at);
            late = follow_up(runner);
        } else {
            recover(runner, rv);
        }
        at = now;
        if (late) {
            at = clock_now();
            /* Recovering from an error is part of the time that the application loses; checking is not. */
            paused += rv == CKR_OK ? at - now : 0;
        }
    }
    uint64_t active = at - start - paused;
    result->rate = active ? (double)result->calls * (double)NS_PER_S / (double)active : 0;
}

static void runner_main(void *arg)
{
    struct runner *runner = arg;
    struct race *race = runner->race;
    CK_RV rv = session_open(&runner->worker);
    if (rv != CKR_OK)
        bench_run_error(&runner->result, rv, 1);
    race->ready++;
    thread_wake(&race->ready, 1);
    while (!race->go)
        (void)thread_wait(&race->go, 0, CLOCK_NEVER);
    measure(runner);
    session_close(&runner->worker);
}

static bool worker_make(struct bench_worker *worker, const struct bench_target *target, unsigned run,
                        unsigned number)
{
    worker->target = target;
    worker->n = (uint64_t)run << 48 | (uint64_t)number << 36;
    worker->out_cap = target->size + BENCH_OUT_ROOM;
    worker->in = mem_dup(target->input, target->size);
    worker->out = mem_new(worker->out_cap, 1);
    return worker->in && worker->out;
}

static void free_runners(struct runner *runner, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        mem_free(runner[i].worker.in);
        mem_free(runner[i].worker.out);
    }
    mem_free(runner);
}

bool bench_run_for(const struct bench_target *target, unsigned threads, uint64_t span, unsigned run,
                   struct bench_result *result)
{
    struct race race = {.span = span};
    struct runner *runner = mem_new(threads, sizeof *runner);
    if (!runner)
        return false;
    unsigned started = 0;
    bool good = true;
    for (unsigned i = 0; i < threads && good; i++)
        good = worker_make(&runner[i].worker, target, run, i);
    while (good && started < threads) {
        char name[24];
        (void)snprintf(name, sizeof name, "bench-%u", started);
        runner[started].race = &race;
        runner[started].thread = thread_start(name, -1, runner_main, &runner[started]);
        good = runner[started].thread != NULL;
        started += good;
    }
    uint32_t ready;
    while ((ready = race.ready) < started)
        (void)thread_wait(&race.ready, ready, CLOCK_NEVER);
    if (!good)
        race.span = 0;
    race.go = 1;
    thread_wake(&race.go, (int)started);
    result->rate = 0;
    for (unsigned i = 0; i < started; i++) {
        thread_join(runner[i].thread);
        if (good)
            merge(result, &runner[i].result);
    }
    free_runners(runner, threads);
    return good;
}
