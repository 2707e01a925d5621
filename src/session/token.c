#include "session/token.h"

void token_init(struct token *token, const struct config_group *config, struct table *sessions,
                struct digests *digests)
{
    *token = (struct token){.config = config, .sessions = sessions, .digests = digests};
    lock_init(&token->lock, LOCK_GROUP);
}

void token_end(struct token *token)
{
    lock_end(&token->lock);
}

bool token_has_event(struct token *token)
{
    if (!token->store)
        return false;
    uint32_t told = atomic_load(&token->turns_told), turns = atomic_load(&token->group->turns);
    return told != turns && atomic_compare_exchange_strong(&token->turns_told, &told, turns);
}

bool token_logging_take(struct token *token)
{
    return busy_take(&token->logging, 2 * token->config->call_timeout);
}

void token_logging_give(struct token *token)
{
    busy_give(&token->logging);
}

void token_counts(struct token *token, CK_ULONG *ret_sessions, CK_ULONG *ret_rw)
{
    lock_take(&token->lock);
    *ret_sessions = token->count;
    *ret_rw = token->count_rw;
    lock_drop(&token->lock);
}
