#include "member/gate.h"

#include <limits.h>

#include "base/clock.h"

#define PATIENCE (2 * NS_PER_S) /* for a call that may be stuck, and for a logout that may be */
#define STEP     (50 * NS_PER_MS / 1000)

void gate_pass(struct gate *gate, unsigned *ret_ticket)
{
    uint64_t end = 0;
    for (;;) {
        *ret_ticket = visitors_enter(&gate->visitors);
        uint32_t closed = atomic_load(&gate->closed);
        if (closed == 0 || (end != 0 && clock_now() >= end))
            return;
        visitors_leave(&gate->visitors, *ret_ticket);
        if (end == 0)
            end = clock_after(PATIENCE);
        (void)!thread_wait(&gate->closed, closed, end);
    }
}

void gate_leave(struct gate *gate, unsigned ticket)
{
    visitors_leave(&gate->visitors, ticket);
}

void gate_close(struct gate *gate, uint64_t deadline)
{
    uint64_t end = clock_after(PATIENCE);
    if (deadline < end)
        end = deadline;
    atomic_fetch_add(&gate->closed, 1);
    (void)visitors_wait(&gate->visitors, STEP, end);
}

void gate_open(struct gate *gate)
{
    atomic_fetch_sub(&gate->closed, 1);
    thread_wake(&gate->closed, INT_MAX);
}
