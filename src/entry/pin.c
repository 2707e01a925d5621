/* PINs, and tokens made anew. */
#include "session/pin.h"

#include "entry/enter.h"

CK_RV entry_C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR old, CK_ULONG old_len, CK_UTF8CHAR_PTR new,
                     CK_ULONG new_len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_SetPIN, session);
    if (rv == CKR_OK && (!old || !new))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = pin_set(entry.session, (struct pin){old, old_len}, (struct pin){new, new_len});
    return entry_end(&entry, rv);
}

CK_RV entry_C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_InitPIN, session);
    if (rv == CKR_OK && !pin)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = pin_init(entry.session, (struct pin){pin, len});
    return entry_end(&entry, rv);
}

CK_RV entry_C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR_PTR so_pin, CK_ULONG len, CK_UTF8CHAR_PTR label)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_InitToken, slot, &token);
    if (rv == CKR_OK && (!so_pin || !label))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && !token->store)
        rv = CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK)
        rv = pin_init_token(token, (struct pin){so_pin, len}, label);
    return entry_end(&entry, rv);
}
