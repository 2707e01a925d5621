#include "call/trace.h"

#include "base/clock.h"
#include "call/names.h"

void trace_start(struct trace *trace, enum call_id call)
{
    *trace = (struct trace){.began = clock_now(), .call = call, .mech = CK_UNAVAILABLE_INFORMATION};
}

void trace_write(const struct trace *trace, CK_RV rv)
{
    struct name_buf mech, name;
    log_event(LOG_TRACE, "call", "name=%s session=%lu mech=%s in=%lu out=%lu answer=%s us=%llu",
              call_name(trace->call), trace->session,
              trace->mech == CK_UNAVAILABLE_INFORMATION ? "-" : name_mech(trace->mech, &mech), trace->in,
              trace->out, name_rv(rv, &name), (unsigned long long)((clock_now() - trace->began) / NS_PER_US));
}
