/*
 * What an operation may do next: one table for all kinds. Kinds do not hinder each other; a second Init of
 * the same kind does. Pure.
 */
#ifndef SESSION_OPERATION_TABLE_H
#define SESSION_OPERATION_TABLE_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

enum op_phase {
    PHASE_IDLE,
    PHASE_READY, /* after Init */
    PHASE_PARTS, /* after the first Update */
    PHASES
};

enum op_event {
    EVENT_INIT,
    EVENT_ONE_SHOT,
    EVENT_UPDATE,
    EVENT_FINAL,
    EVENT_SIZE_QUERY, /* how an event is booked that only told a length, or CKR_BUFFER_TOO_SMALL */
    EVENT_CANCEL,
    EVENT_FAIL, /* how an event is booked that failed otherwise */
    EVENTS
};

struct op_rule {
    bool allowed;
    CK_RV rv;           /* if not allowed */
    enum op_phase next; /* also if not allowed */
};

struct op_rule operation_rule(enum op_phase phase, enum op_event event);
/* The event to book for one that was tried and gave rv. The ending rule of the standard. */
enum op_event operation_outcome(enum op_event event, CK_RV rv, bool size_query);

#endif
