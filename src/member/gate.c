#include "member/gate.h"

#include <limits.h>

#include "base/clock.h"

#define PATIENCE (2 * NS_PER_S) /* for a call that may be stuck, and for a logout that may be */
#define STEP     (50 * NS_PER_MS / 1000)

static int64_t inside(const struct gate *gate)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < THREAD_CPUS; i++)
        sum += atomic_load(&gate->shard[i].inside);
    return sum;
}

void gate_pass(struct gate *gate, unsigned *ret_ticket)
{
    unsigned ticket = thread_cpu();
    uint64_t end = 0;
    for (;;) {
        atomic_fetch_add(&gate->shard[ticket].inside, 1);
        uint32_t closed = atomic_load(&gate->closed);
        if (closed == 0 || (end != 0 && clock_now() >= end))
            break;
        atomic_fetch_sub(&gate->shard[ticket].inside, 1);
        if (end == 0)
            end = clock_after(PATIENCE);
        (void)!thread_wait(&gate->closed, closed, end);
    }
    *ret_ticket = ticket;
}

void gate_leave(struct gate *gate, unsigned ticket)
{
    atomic_fetch_sub(&gate->shard[ticket].inside, 1);
}

void gate_close(struct gate *gate, uint64_t deadline)
{
    uint64_t end = clock_after(PATIENCE);
    if (deadline < end)
        end = deadline;
    atomic_fetch_add(&gate->closed, 1);
    while (inside(gate) > 0 && clock_now() < end)
        thread_sleep(clock_after(STEP));
}

void gate_open(struct gate *gate)
{
    atomic_fetch_sub(&gate->closed, 1);
    thread_wake(&gate->closed, INT_MAX);
}
