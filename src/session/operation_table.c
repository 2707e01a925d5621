#include "session/operation_table.h"

#define GO(phase)                                            \
    {                                                        \
        .allowed = true, .rv = CKR_OK, .next = PHASE_##phase \
    }
#define NO(code, phase)                                           \
    {                                                             \
        .allowed = false, .rv = CKR_##code, .next = PHASE_##phase \
    }

static const struct op_rule table[PHASES][EVENTS] = {
    [PHASE_IDLE] =
        {
            [EVENT_INIT] = GO(READY),
            [EVENT_ONE_SHOT] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_UPDATE] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_FINAL] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_SIZE_QUERY] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_CANCEL] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_FAIL] = GO(IDLE),
        },
    [PHASE_READY] =
        {
            [EVENT_INIT] = NO(OPERATION_ACTIVE, READY),
            [EVENT_ONE_SHOT] = GO(IDLE),
            [EVENT_UPDATE] = GO(PARTS),
            [EVENT_FINAL] = GO(IDLE),
            [EVENT_SIZE_QUERY] = GO(READY),
            [EVENT_CANCEL] = GO(IDLE),
            [EVENT_FAIL] = GO(IDLE),
        },
    [PHASE_PARTS] =
        {
            [EVENT_INIT] = NO(OPERATION_ACTIVE, PARTS),
            /* It is not a single-part operation any more, and its data is mixed up: it ends. */
            [EVENT_ONE_SHOT] = NO(OPERATION_NOT_INITIALIZED, IDLE),
            [EVENT_UPDATE] = GO(PARTS),
            [EVENT_FINAL] = GO(IDLE),
            [EVENT_SIZE_QUERY] = GO(PARTS),
            [EVENT_CANCEL] = GO(IDLE),
            [EVENT_FAIL] = GO(IDLE),
        },
};

struct op_rule operation_rule(enum op_phase phase, enum op_event event)
{
    return table[phase][event];
}

enum op_event operation_outcome(enum op_event event, CK_RV rv, bool size_query)
{
    if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && size_query))
        return EVENT_SIZE_QUERY;
    return rv == CKR_OK ? event : EVENT_FAIL;
}
