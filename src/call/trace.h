/* One line of the log for each C_ call that ends, at level trace. Names and lengths, never a value. */
#ifndef CALL_TRACE_H
#define CALL_TRACE_H

#include "base/log.h"
#include "call/calls.h"
#include "pkcs11-headers/pkcs11.h"

struct trace {
    uint64_t began; /* ns; 0: the call is not traced */
    enum call_id call;
    CK_ULONG session;       /* or slot; 0 = none */
    CK_MECHANISM_TYPE mech; /* CK_UNAVAILABLE_INFORMATION = none */
    CK_ULONG in, out;       /* bytes, or attributes, or handles */
};

/* The slow halves of trace_begin and trace_end. */
void trace_start(struct trace *trace, enum call_id call);
void trace_write(const struct trace *trace, CK_RV rv);

/* Tracing switched off costs one load. */
static inline void trace_begin(struct trace *trace, enum call_id call)
{
    trace->began = 0;
    if (log_on(LOG_TRACE))
        trace_start(trace, call);
}
static inline void trace_end(const struct trace *trace, CK_RV rv)
{
    if (trace->began)
        trace_write(trace, rv);
}

#endif
