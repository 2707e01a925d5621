/* Tokens by slot: label, counters, the epoch of their object handles, and the queue of a simulated network
 * HSM. */
#ifndef CHAOS_TOKEN_H
#define CHAOS_TOKEN_H

#include <pthread.h>
#include <stdint.h>

#include "pkcs11-headers/pkcs11.h"
#include "test/chaos/counts.h"
#include "test/chaos/rule.h"

struct token {
    CK_SLOT_ID slot;
    char label[COUNTS_LABEL_MAX]; /* without the padding; "" if the token is blank */

    pthread_mutex_t lock; /* guards the next two */
    const struct rule *network;
    uint64_t free_at[RULE_CONCURRENCY_MAX]; /* when each server of the simulated HSM is free again */

    _Atomic(struct counts_token *) row;
    _Atomic unsigned epoch; /* raised when every object handle given out so far becomes invalid */
};

/* The token seen last in that slot, NULL if none was. Tokens live as long as the process. */
struct token *token_in(CK_SLOT_ID slot);
/* The module says this label (32 bytes, blank padded) is in the slot. NULL: too many, or no memory. */
struct token *token_learn(CK_SLOT_ID slot, const CK_UTF8CHAR *label);
/* What is in the slots is to be asked again; the tokens keep their epochs. */
void token_forget(CK_SLOT_ID slot);
void token_forget_all(void);

/* All tokens ever seen: i from 0 until NULL. */
struct token *token_at(unsigned i);

/* Queues a call at the simulated HSM: when it is served and when the answer comes (control_now() times). */
void token_queue(struct token *token, const struct rule *network, uint64_t *ret_start, uint64_t *ret_finish);

/* In a forked child, before anything else. */
void token_forked(void);

#endif
