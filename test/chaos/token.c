#include "test/chaos/token.h"

#include <stdatomic.h>
#include <string.h>

#include "test/chaos/arena.h"
#include "test/chaos/control.h"
#include "test/chaos/tally.h"

#define TOKENS_MAX 256

static _Atomic(struct token *) tokens[TOKENS_MAX]; /* filled from the front, entries never change */
static struct {
    _Atomic(struct token *) token;
    CK_SLOT_ID id; /* set before slot_count is raised over it, never changed */
} slots[TOKENS_MAX];
static _Atomic unsigned slot_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread adds */

static int slot_index(CK_SLOT_ID id)
{
    unsigned count = atomic_load_explicit(&slot_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        if (slots[i].id == id)
            return (int)i;
    }
    return -1;
}

struct token *token_in(CK_SLOT_ID slot)
{
    int i = slot_index(slot);
    return i < 0 ? NULL : atomic_load(&slots[i].token);
}

static struct token *add_token(unsigned at, CK_SLOT_ID slot, const char *label)
{
    struct token *token = arena_take(sizeof(*token));
    if (!token)
        return NULL;
    token->slot = slot;
    memcpy(token->label, label, sizeof(token->label));
    pthread_mutex_init(&token->lock, NULL);
    atomic_store(&tokens[at], token);
    return token;
}

static struct token *find_or_add_token(CK_SLOT_ID slot, const char *label)
{
    for (unsigned i = 0; i < TOKENS_MAX; i++) {
        struct token *token = atomic_load(&tokens[i]);
        if (!token)
            return add_token(i, slot, label);
        if (token->slot == slot && !strcmp(token->label, label))
            return token;
    }
    return NULL;
}

static void place_token(CK_SLOT_ID slot, struct token *token)
{
    int at = slot_index(slot);
    unsigned count = atomic_load(&slot_count);
    if (at >= 0) {
        atomic_store(&slots[at].token, token);
    } else if (count < TOKENS_MAX) {
        slots[count].id = slot;
        atomic_store(&slots[count].token, token);
        atomic_store_explicit(&slot_count, count + 1, memory_order_release);
    }
}

struct token *token_learn(CK_SLOT_ID slot, const CK_UTF8CHAR *label)
{
    char trimmed[COUNTS_LABEL_MAX] = "";
    memcpy(trimmed, label, COUNTS_LABEL_MAX - 1);
    for (size_t len = strlen(trimmed); len && trimmed[len - 1] == ' '; len--)
        trimmed[len - 1] = 0;

    struct token *known = token_in(slot);
    if (known && !strcmp(known->label, trimmed))
        return known;
    pthread_mutex_lock(&lock);
    struct token *token = find_or_add_token(slot, trimmed);
    if (token)
        place_token(slot, token);
    pthread_mutex_unlock(&lock);
    if (token)
        atomic_store(&token->row, tally_row(token->label));
    return token;
}

void token_forget(CK_SLOT_ID slot)
{
    int i = slot_index(slot);
    if (i >= 0)
        atomic_store(&slots[i].token, NULL);
}

void token_forget_all(void)
{
    unsigned count = atomic_load(&slot_count);
    for (unsigned i = 0; i < count; i++)
        atomic_store(&slots[i].token, NULL);
}

struct token *token_at(unsigned i)
{
    return i < TOKENS_MAX ? atomic_load(&tokens[i]) : NULL;
}

/*
 * Served on the server that is free first, in order of arrival. Reckoned, not waited for: a thread that is
 * woken late costs the simulated HSM nothing.
 */
static void queue_locked(struct token *token, const struct rule *network, uint64_t service, uint64_t now,
                         uint64_t *ret_start, uint64_t *ret_finish)
{
    if (token->network != network) {
        token->network = network;
        memset(token->free_at, 0, sizeof(token->free_at));
    }
    unsigned best = 0;
    for (unsigned i = 1; i < network->concurrency; i++) {
        if (token->free_at[i] < token->free_at[best])
            best = i;
    }
    *ret_start = now;
    if (network->concurrency && token->free_at[best] > now)
        *ret_start = token->free_at[best];
    *ret_finish = *ret_start + service;
    token->free_at[best] = *ret_finish;
}

void token_queue(struct token *token, const struct rule *network, uint64_t *ret_start, uint64_t *ret_finish)
{
    uint64_t service = network->wait_ns + (uint64_t)((double)network->jitter_ns * control_random());
    uint64_t now = control_now();
    pthread_mutex_lock(&token->lock);
    queue_locked(token, network, service, now, ret_start, ret_finish);
    pthread_mutex_unlock(&token->lock);
}

void token_forked(void)
{
    pthread_mutex_init(&lock, NULL);
    for (unsigned i = 0; token_at(i); i++)
        pthread_mutex_init(&token_at(i)->lock, NULL);
}
