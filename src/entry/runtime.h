/*
 * All of p11ha between C_Initialize and C_Finalize. Published last and withdrawn first; calls that are inside
 * are counted, so that C_Finalize can wait for them. A forked child sees none until it makes its own; the
 * parent's is then left alone.
 */
#ifndef ENTRY_RUNTIME_H
#define ENTRY_RUNTIME_H

#include "config/config.h"
#include "router/stats.h"
#include "session/token.h"

struct runtime {
    struct config *config;
    struct instances instances;
    struct digests *digests;
    struct table *sessions;
    struct token *token; /* one a group, in the file's order */
    size_t token_count;
    struct group **group; /* of the tokens that have one */
    struct stats *stats;  /* of this process, for `p11ha status`; NULL: cannot be written */
    struct runtime *next; /* of those that were left behind */
};

/* Reads the configuration (`path` NULL: where config_find looks), connects, publishes.
 * CKR_CRYPTOKI_ALREADY_INITIALIZED. */
MUST_USE CK_RV runtime_start(const char *path);
/* Waits for running calls; what is stuck is left behind. CKR_CRYPTOKI_NOT_INITIALIZED. */
MUST_USE CK_RV runtime_stop(void);
bool runtime_is_running(void);

/* The runtime, which lives until runtime_leave with the same ticket; NULL: not initialised. */
MUST_USE struct runtime *runtime_enter(unsigned *ret_ticket);
void runtime_leave(unsigned ticket);

/* NULL if there is no such slot. */
struct token *runtime_token(const struct runtime *runtime, CK_SLOT_ID slot);

#endif
