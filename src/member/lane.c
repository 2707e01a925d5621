#include "member/lane.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/rv.h"
#include "member/image.h"
#include "member/verbs.h"

enum frame_state { FRAME_NEW, FRAME_HANDED, FRAME_DONE, FRAME_ABANDONED };
enum lane_word { LANE_IDLE, LANE_WORK, LANE_END };

struct lane {
    struct lane *next;
    struct member *member;
    unsigned cpu;
    _Atomic uint32_t word; /* enum lane_word */
    struct frame *frame;   /* one reference, the lane's */
};

struct lane_shelf {
    struct lock lock; /* LOCK_POOL */
    struct lane *idle;
};

struct member_lanes {
    struct lane_shelf shelf[THREAD_CPUS];
    _Atomic uint32_t count; /* threads that exist */
    _Atomic uint32_t stuck;
    _Atomic uint32_t ended; /* counts up with each lane that ends: what lanes_stop waits on */
    _Atomic bool stopping;
    uint32_t limit;
};

struct member_lanes *lanes_new(struct member *member)
{
    struct member_lanes *lanes = mem_new(1, sizeof(*lanes));
    if (!lanes)
        return NULL;
    for (unsigned i = 0; i < THREAD_CPUS; i++)
        lock_init(&lanes->shelf[i].lock, LOCK_POOL);
    lanes->limit = member->config->max_sessions + 8 + LANES_STUCK_MAX;
    return lanes;
}

unsigned lanes_stuck(const struct member_lanes *lanes)
{
    return atomic_load(&lanes->stuck);
}

static struct lane *pop_idle(struct member_lanes *lanes, unsigned cpu)
{
    struct lane_shelf *shelf = &lanes->shelf[cpu];
    lock_take(&shelf->lock);
    struct lane *lane = shelf->idle;
    if (lane)
        shelf->idle = lane->next;
    lock_drop(&shelf->lock);
    return lane;
}

static void push_idle(struct member_lanes *lanes, struct lane *lane)
{
    struct lane_shelf *shelf = &lanes->shelf[lane->cpu];
    lock_take(&shelf->lock);
    lane->next = shelf->idle;
    shelf->idle = lane;
    lock_drop(&shelf->lock);
}

static void run_connect(struct member *member, struct frame *frame)
{
    uint32_t epoch = 0;
    frame->rv = instance_connect(member->instance, (uint32_t)frame->number_in, &epoch);
    if (frame->rv == CKR_OK)
        frame->rv = instance_find_token(member->instance, member->config->token, &frame->slot,
                                        (CK_TOKEN_INFO *)(void *)frame->out);
    frame->number = epoch;
}

/* Handles of before a logout are not even shown to the member: softokn crashes over an HMAC key of then. */
static void run_gated(const struct module *module, struct member *member, struct frame *frame)
{
    unsigned ticket;
    if (frame->verb == VERB_LOGOUT) {
        verb_run(module, frame);
        return;
    }
    gate_pass(&member->gate, &ticket);
    if (frame->epoch != 0 && frame->epoch != member_epoch(member))
        frame->rv = CKR_SESSION_HANDLE_INVALID;
    else
        verb_run(module, frame);
    gate_leave(&member->gate, ticket);
}

static void run_here(struct member *member, struct frame *frame)
{
    if (frame->verb == VERB_CONNECT) {
        run_connect(member, frame);
        return;
    }
    unsigned ticket;
    const struct module *module = instance_enter(member->instance, &ticket);
    if (!module) {
        frame->rv = CKR_CRYPTOKI_NOT_INITIALIZED;
        return;
    }
    /* While we are inside, the instance is not initialised anew. What its old life gave means nothing now. */
    uint32_t epoch = instance_epoch(member->instance);
    if (frame->instance_epoch != 0 && frame->instance_epoch != epoch) {
        frame->rv = frame->session ? CKR_SESSION_HANDLE_INVALID : CKR_CRYPTOKI_NOT_INITIALIZED;
    } else {
        frame->instance_epoch = epoch;
        image_thread_begin(module);
        run_gated(module, member, frame);
    }
    instance_leave(member->instance, ticket);
}

/* The caller has gone: what the late answer left behind on the member is closed here. Its session may be in
 * any state. */
static void clean_late(struct member *member, struct frame *frame)
{
    CK_SESSION_HANDLE session = frame->verb == VERB_CLOSE_SESSION ? CK_INVALID_HANDLE : frame->session;
    unsigned ticket;
    const struct module *module = session ? instance_enter(member->instance, &ticket) : NULL;
    if (module) {
        if (frame->instance_epoch == instance_epoch(member->instance))
            module->f->C_CloseSession(session);
        instance_leave(member->instance, ticket);
    }
}

static void run_frame(struct member_lanes *lanes, struct lane *lane)
{
    struct frame *frame = lane->frame;
    struct member *member = lane->member;
    run_here(member, frame);
    thread_pass();

    atomic_store_explicit(&lane->word, LANE_IDLE, memory_order_relaxed);
    /* Idle before the caller wakes: its next call, on this CPU, then finds this very lane. */
    bool in_time = atomic_load(&frame->state) == FRAME_HANDED;
    if (in_time)
        push_idle(lanes, lane);
    uint32_t handed = FRAME_HANDED;
    if (atomic_compare_exchange_strong(&frame->state, &handed, FRAME_DONE)) {
        thread_wake(&frame->state, 1);
    } else {
        clean_late(member, frame);
        atomic_fetch_sub(&lanes->stuck, 1);
        if (!in_time)
            push_idle(lanes, lane);
    }
    frame_unref(frame);
}

static void lane_main(void *arg)
{
    struct lane *lane = arg;
    struct member_lanes *lanes = lane->member->lanes;
    for (;;) {
        uint32_t word = atomic_load_explicit(&lane->word, memory_order_acquire);
        if (word == LANE_WORK)
            run_frame(lanes, lane);
        else if (word == LANE_END)
            break;
        else
            thread_wait(&lane->word, LANE_IDLE, CLOCK_NEVER);
    }
    image_thread_end();
    mem_free(lane);
    /* Last: after this, lanes_stop may free `lanes`. */
    atomic_fetch_add(&lanes->ended, 1);
    thread_wake(&lanes->ended, INT32_MAX);
}

static struct lane *make_lane(struct member *member, unsigned cpu)
{
    struct member_lanes *lanes = member->lanes;
    if (atomic_fetch_add(&lanes->count, 1) >= lanes->limit) {
        atomic_fetch_sub(&lanes->count, 1);
        return NULL;
    }
    struct lane *lane = mem_new(1, sizeof(*lane));
    struct thread *thread = NULL;
    if (lane) {
        lane->member = member;
        lane->cpu = cpu;
        char name[16];
        snprintf(name, sizeof(name), "%.10s/%u", member->config->name, cpu);
        thread = thread_start(name, (int)cpu, lane_main, lane);
    }
    if (!thread) {
        mem_free(lane);
        atomic_fetch_sub(&lanes->count, 1);
        return NULL;
    }
    thread_detach(thread);
    return lane;
}

/* An idle lane of this CPU, a new one, or when no more may be made one of another CPU. */
static struct lane *take_lane(struct member *member, uint64_t deadline)
{
    struct member_lanes *lanes = member->lanes;
    unsigned cpu = thread_cpu();
    for (;;) {
        struct lane *lane = pop_idle(lanes, cpu);
        if (!lane)
            lane = make_lane(member, cpu);
        for (unsigned i = 0; !lane && i < thread_cpu_count(); i++)
            lane = pop_idle(lanes, i);
        if (lane || clock_now() >= deadline)
            return lane;
        thread_sleep(clock_after(NS_PER_MS));
    }
}

CK_RV lane_run(struct member *member, struct frame *frame, struct real_session *session UNUSED,
               uint64_t deadline)
{
    struct member_lanes *lanes = member->lanes;
    lock_assert_none();
    if (lanes_stuck(lanes) >= LANES_STUCK_MAX || atomic_load(&lanes->stopping))
        return RV_STUCK;
    struct lane *lane = take_lane(member, deadline);
    if (!lane)
        return RV_STUCK;
    atomic_store_explicit(&frame->state, FRAME_HANDED, memory_order_relaxed);
    lane->frame = frame_ref(frame);
    atomic_store_explicit(&lane->word, LANE_WORK, memory_order_release);
    thread_wake(&lane->word, 1);
    while (atomic_load_explicit(&frame->state, memory_order_acquire) == FRAME_HANDED) {
        if (thread_wait(&frame->state, FRAME_HANDED, deadline))
            continue;
        uint32_t handed = FRAME_HANDED;
        atomic_fetch_add(&lanes->stuck, 1);
        if (atomic_compare_exchange_strong(&frame->state, &handed, FRAME_ABANDONED))
            return RV_DEADLINE;
        atomic_fetch_sub(&lanes->stuck, 1);
    }
    return frame->rv;
}

CK_RV inline_run(struct member *member, struct frame *frame, struct real_session *session)
{
    lock_assert_none();
    if (session)
        atomic_store_explicit(&session->busy_since, clock_coarse(), memory_order_relaxed);
    run_here(member, frame);
    if (session)
        atomic_store_explicit(&session->busy_since, 0, memory_order_relaxed);
    return frame->rv;
}

bool lanes_stop(struct member_lanes *lanes, uint64_t deadline)
{
    atomic_store(&lanes->stopping, true);
    for (;;) {
        for (unsigned i = 0; i < THREAD_CPUS; i++) {
            struct lane *lane;
            while ((lane = pop_idle(lanes, i))) {
                atomic_store(&lane->word, LANE_END);
                thread_wake(&lane->word, 1);
            }
        }
        uint32_t ended = atomic_load(&lanes->ended);
        if (ended == atomic_load(&lanes->count))
            return true;
        uint64_t now = clock_now();
        if (now >= deadline)
            return false;
        thread_wait(&lanes->ended, ended, now + 10 * NS_PER_MS < deadline ? now + 10 * NS_PER_MS : deadline);
    }
}

void lanes_free(struct member_lanes *lanes)
{
    if (!lanes)
        return;
    for (unsigned i = 0; i < THREAD_CPUS; i++)
        lock_end(&lanes->shelf[i].lock);
    mem_free(lanes);
}
