/* The functions of PKCS#11: calls.def, one row each, in the order of the function lists. Pure. */
#ifndef CALL_CALLS_H
#define CALL_CALLS_H

#include <assert.h>

#include "base/def.h"

/* CALL_Sign is C_Sign; its value is its place in the function list. */
enum call_id {
#define CALL(name, since, kind, repeat) CALL_##name,
#include "call/calls.def"
    CALL_COUNT
};

/* The first version of the standard that has it; the value is the version as 0xMMmm. */
enum call_since { SINCE_2_40 = 0x0228, SINCE_3_0 = 0x0300, SINCE_3_2 = 0x0302 };

enum call_kind {
    KIND_GENERAL, /* about the library */
    KIND_SLOT,    /* about a slot, its token and its mechanisms */
    KIND_SESSION,
    KIND_LOGIN,
    KIND_OBJECT,
    KIND_FIND,
    KIND_CRYPT, /* encrypt, decrypt, digest, sign, verify; one-shot and multi-part */
    KIND_KEY,   /* makes, wraps or derives keys */
    KIND_RANDOM,
    KIND_MESSAGE, /* the message-based operations of 3.0 */
    KIND_ASYNC
};

/* May the call be sent to a member again, after it may have been executed? */
enum call_repeat {
    REPEAT_NONE,     /* answered here: no member is called on its behalf */
    REPEAT_FREE,     /* always; but not with a mechanism that is MECH_STATEFUL (mechs.h) */
    REPEAT_PROTOCOL, /* freely as long as only session objects are made, changed or destroyed; else by the
                        protocol */
    REPEAT_NEVER
};

struct call_info {
    const char *name; /* "C_Sign" */
    enum call_since since;
    enum call_kind kind;
    enum call_repeat repeat;
};

/* Never NULL for id < CALL_COUNT. */
const struct call_info *call_info(enum call_id id);
/* "C_Sign"; "C_?" for what is not a call. */
const char *call_name(enum call_id id);

/* How many functions the lists of 2.40, 3.0 and 3.2 have; each list is a prefix of the next. */
#define CALL_COUNT_2_40 68
#define CALL_COUNT_3_0  92
#define CALL_COUNT_3_2  104
static_assert(CALL_WaitForSlotEvent + 1 == CALL_COUNT_2_40, "calls.def and the list of 2.40 differ");
static_assert(CALL_MessageVerifyFinal + 1 == CALL_COUNT_3_0, "calls.def and the list of 3.0 differ");
static_assert(CALL_COUNT == CALL_COUNT_3_2, "calls.def and the list of 3.2 differ");

#endif
