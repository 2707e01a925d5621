#include "session/pin.h"

#include <string.h>

#include "base/log.h"

CK_RV pin_set(struct session *session, struct pin old, struct pin new)
{
    struct token *token = session->token;
    if (!session_is_rw(session))
        return CKR_SESSION_READ_ONLY;
    if (!token_logging_take(token))
        return CKR_DEVICE_ERROR;
    CK_RV rv = pins_set(token->group, old, new);
    token_logging_give(token);
    return rv;
}

CK_RV pin_init(struct session *session, struct pin pin)
{
    struct token *token = session->token;
    if (!token_logging_take(token))
        return CKR_DEVICE_ERROR;
    CK_RV rv = token_login(token) == LOGIN_SO ? pins_init(token->group, pin) : CKR_USER_NOT_LOGGED_IN;
    token_logging_give(token);
    return rv;
}

/* The group's label is its configuration's, whatever happens to its members. */
static bool is_own_label(const struct token *token, const uint8_t label[32])
{
    size_t len = size_min(strlen(token->config->label), 32);
    if (memcmp(label, token->config->label, len) != 0)
        return false;
    while (len < 32)
        if (label[len++] != ' ')
            return false;
    return true;
}

static CK_RV init_token(struct token *token, struct pin so_pin, const uint8_t label[32])
{
    CK_ULONG sessions, rw;
    token_counts(token, &sessions, &rw);
    if (sessions > 0)
        return CKR_SESSION_EXISTS;
    if (!is_own_label(token, label)) {
        log_event(LOG_ERROR, "token-not-initialised", "group=%s hint=%s", token->config->name,
                  "the label must be the group's, which only the configuration can change");
        return CKR_ARGUMENTS_BAD;
    }
    return store_init_token(token->store, so_pin);
}

CK_RV pin_init_token(struct token *token, struct pin so_pin, const uint8_t label[32])
{
    if (!token_logging_take(token))
        return CKR_DEVICE_ERROR;
    CK_RV rv = init_token(token, so_pin, label);
    token_logging_give(token);
    return rv;
}
