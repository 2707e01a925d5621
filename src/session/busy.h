/* Being busy is state, not a lock: one thread at a time is inside, others wait for it until a deadline. */
#ifndef SESSION_BUSY_H
#define SESSION_BUSY_H

#include <stdatomic.h>

#include "base/def.h"

struct busy {
    _Atomic uint32_t word; /* 0 free, 1 taken, 2 taken and waited for */
};

/* False: the span passed. Reads the clock only if it has to wait. */
MUST_USE bool busy_take(struct busy *busy, uint64_t span_ns);
void busy_give(struct busy *busy);

#endif
