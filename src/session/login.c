#include "session/login.h"

#include "base/clock.h"

/* May this user log in now? Keeps new R/O sessions out for the SO. */
static CK_RV admit(struct token *token, enum token_login wanted)
{
    enum token_login now = token_login(token);
    if (now != LOGIN_NONE)
        return now == wanted ? CKR_USER_ALREADY_LOGGED_IN : CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
    if (wanted != LOGIN_SO)
        return CKR_OK;
    CK_RV rv = CKR_OK;
    lock_take(&token->lock);
    if (token->count > token->count_rw)
        rv = CKR_SESSION_READ_ONLY_EXISTS;
    else
        token->so_coming = true;
    lock_drop(&token->lock);
    return rv;
}

static CK_RV log_in(struct token *token, CK_USER_TYPE user, const uint8_t *name, size_t name_len,
                    const uint8_t *pin, size_t len)
{
    enum token_login wanted = user == CKU_SO ? LOGIN_SO : LOGIN_USER;
    CK_RV rv = admit(token, wanted);
    if (rv != CKR_OK)
        return rv;
    rv = group_login_named(token->group, user, name, name_len, pin, len);
    lock_take(&token->lock);
    if (rv == CKR_OK)
        atomic_store(&token->login, wanted);
    token->so_coming = false;
    lock_drop(&token->lock);
    if (rv == CKR_OK)
        store_login_changed(token->store, wanted == LOGIN_USER);
    return rv;
}

static CK_RV log_out(struct token *token, uint64_t deadline)
{
    if (token_login(token) == LOGIN_NONE)
        return CKR_USER_NOT_LOGGED_IN;
    store_settle(token->store, deadline);
    atomic_store(&token->login, LOGIN_NONE);
    atomic_fetch_add(&token->logouts, 1);
    group_logout(token->group, deadline);
    store_login_changed(token->store, false);
    return CKR_OK;
}

CK_RV login_begin(struct token *token, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
    return login_begin_named(token, user, NULL, 0, pin, len);
}

CK_RV login_begin_named(struct token *token, CK_USER_TYPE user, const uint8_t *name, size_t name_len,
                        const uint8_t *pin, size_t len)
{
    if (user != CKU_USER && user != CKU_SO)
        return CKR_USER_TYPE_INVALID;
    if (!token_logging_take(token))
        return CKR_DEVICE_ERROR;
    CK_RV rv = log_in(token, user, name, name_len, pin, len);
    token_logging_give(token);
    return rv;
}

CK_RV login_end(struct token *token)
{
    if (!token_logging_take(token))
        return CKR_DEVICE_ERROR;
    CK_RV rv = log_out(token, clock_after(token->config->call_timeout));
    token_logging_give(token);
    return rv;
}

void login_end_last(struct token *token, uint64_t deadline)
{
    if (!token_logging_take(token))
        return;
    lock_take(&token->lock);
    bool none = token->count == 0;
    lock_drop(&token->lock);
    if (none)
        (void)log_out(token, deadline);
    token_logging_give(token);
}
