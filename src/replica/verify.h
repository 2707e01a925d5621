/*
 * The whole of a managed group looked at: every record's seal, and on every usable member every replica,
 * proved. The application must be logged in.
 */
#ifndef REPLICA_VERIFY_H
#define REPLICA_VERIFY_H

#include "replica/managed.h"

enum verify_finding {
    VERIFY_REFUSED,     /* the record's seal is wrong; nothing is done by it */
    VERIFY_MISSING,     /* the member has no replica of a live record */
    VERIFY_WRONG,       /* what has its name there is not its key, by proof */
    VERIFY_DESTROYED,   /* a replica of a destroyed object is still there */
    VERIFY_SUPERFLUOUS, /* an object on the token that no record knows */
    VERIFY_UNPROVED,    /* the member could not tell; `rv` says why */
    VERIFY_FINDINGS
};

struct verify_report {
    enum verify_finding finding;
    const struct member *member; /* NULL with VERIFY_REFUSED */
    const uint8_t *uuid;         /* NULL with VERIFY_SUPERFLUOUS */
    const struct attrs *attrs;   /* what the object is; may be empty */
    bool repaired;               /* missing: made; destroyed: removed */
    CK_RV rv;                    /* with VERIFY_UNPROVED, and why a repair failed */
};

struct verify {
    struct managed *managed;
    bool repair;               /* makes what is missing, removes what was destroyed; touches nothing else */
    const struct member *only; /* NULL: all */
    void (*report)(void *ctx, const struct verify_report *report);
    void (*progress)(void *ctx, const struct member *member, uint64_t done, uint64_t total); /* may be NULL */
    void *ctx;

    uint64_t records, proved; /* filled in: live records looked at, replicas found right */
};

/* CKR_OK when it came to its end, whatever it found; else what kept it from that. */
MUST_USE CK_RV verify_run(struct verify *verify);
const char *verify_finding_name(enum verify_finding finding); /* "missing" */

#endif
