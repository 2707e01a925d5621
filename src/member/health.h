/*
 * A member's health: a pure state machine. Time and randomness are arguments; the result is a new value.
 * An administrator's wish (drained) is a state of its own that only a resume leaves.
 */
#ifndef MEMBER_HEALTH_H
#define MEMBER_HEALTH_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

enum health_state {
    HEALTH_UP,
    HEALTH_SUSPECT,      /* an ambiguous failure; still used, a probe is under way */
    HEALTH_DOWN,         /* not used; probed with back-off */
    HEALTH_CATCHING_UP,  /* alive, being signed on, proved and brought to the vault's head */
    HEALTH_DRAINED,      /* taken out by the administrator */
    HEALTH_PIN_MISMATCH, /* refused a PIN that another member accepted; waits for a different PIN */
    HEALTH_MISFIT,       /* wrong or missing token or group key; looked at again like one that is down */
    HEALTH_STATES
};

enum health_event {
    HEALTH_TRANSPORT, /* a call failed in a way that says the member is not there (cause = its CKR_) */
    HEALTH_BLAMED,    /* others did what this one could not */
    HEALTH_WORKED,    /* a call succeeded */
    HEALTH_PROBE_GOOD,
    HEALTH_PROBE_BAD,
    HEALTH_CAUGHT_UP,
    HEALTH_SIGN_ON, /* the application has logged in: everything up must sign on first */
    HEALTH_PIN_REFUSED,
    HEALTH_NEW_PIN,
    HEALTH_UNFIT,
    HEALTH_DRAIN,
    HEALTH_RESUME
};

#define HEALTH_BLAMES_MAX  3
#define HEALTH_RISE        2 /* good probes before a member that was down is used again */
#define HEALTH_BACKOFF_MIN (1 * UINT64_C(1000000000))
#define HEALTH_BACKOFF_MAX (60 * UINT64_C(1000000000))
#define HEALTH_IDLE_PROBE  (30 * UINT64_C(1000000000))
#define HEALTH_RISE_PROBE  (200 * UINT64_C(1000000)) /* between the first good probe and the second */
#define HEALTH_SLOW_START  (10 * UINT64_C(1000000000))

struct health {
    enum health_state state;
    CK_RV cause;         /* of the state, CKR_OK if none */
    uint64_t since;      /* ns, when the state began */
    uint64_t next_probe; /* ns */
    uint64_t backoff;    /* ns */
    uint64_t failed_at;  /* ns, the last failure */
    uint64_t slow_from;  /* ns, when a member that had failed came back; 0 = never failed */
    unsigned good, blames;
};

struct health health_new(uint64_t now);
/* `random` jitters back-off: any 32 bits. */
struct health health_step(struct health health, enum health_event event, CK_RV cause, uint64_t now,
                          uint32_t random);
/* May operations be sent to it? */
static inline bool health_usable(enum health_state state)
{
    return state == HEALTH_UP || state == HEALTH_SUSPECT;
}
/* Is it there: usable, or about to be? */
static inline bool health_alive(enum health_state state)
{
    return health_usable(state) || state == HEALTH_CATCHING_UP;
}
/* How much of its weight a member that came back bears now: 0.1 growing to 1 over HEALTH_SLOW_START. */
double health_ramp(uint64_t slow_from, uint64_t now);
const char *health_name(enum health_state state); /* "up", "pin-mismatch", ... */

#endif
