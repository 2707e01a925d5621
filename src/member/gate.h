/*
 * What keeps a member's calls and its logout apart. A token frees its private objects when it logs out;
 * SoftHSM and softokn do so under the hands of another thread that uses one of them, and crash. No lock: who
 * passes counts itself, and nobody waits longer than a moment for somebody stuck.
 */
#ifndef MEMBER_GATE_H
#define MEMBER_GATE_H

#include "base/visitors.h"

struct gate {
    struct visitors visitors;
    _Atomic uint32_t closed; /* by how many */
};

/* Waits while it is closed. The ticket is for gate_leave. */
void gate_pass(struct gate *gate, unsigned *ret_ticket);
void gate_leave(struct gate *gate, unsigned ticket);
/* Nobody passes any more; waits until all have left, but not beyond the deadline (clock_now). gate_open
 * follows. */
void gate_close(struct gate *gate, uint64_t deadline);
void gate_open(struct gate *gate);

#endif
