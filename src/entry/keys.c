/* Key management. */
#include "entry/enter.h"

static CK_RV may_generate(const struct session *session, const CK_MECHANISM *mech, const CK_ATTRIBUTE *templ,
                          CK_ULONG count, bool private)
{
    CK_RV rv = store_may_generate(session->token->store, mech->mechanism);
    return rv == CKR_OK ? session_may_write(session, template_bool(templ, count, CKA_TOKEN, false),
                                            template_bool(templ, count, CKA_PRIVATE, private))
                        : rv;
}

CK_RV entry_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_ATTRIBUTE_PTR templ,
                          CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_GenerateKey, session);
    if (rv == CKR_OK && (!mech || !key || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        entry.trace.mech = mech->mechanism;
        rv = may_generate(entry.session, mech, templ, count, true);
    }
    if (rv == CKR_OK)
        rv = store_generate(entry.session->token->store, (uint32_t)session, mech, templ, count, key);
    return entry_end(&entry, rv);
}

CK_RV entry_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_ATTRIBUTE_PTR public_templ,
                              CK_ULONG public_count, CK_ATTRIBUTE_PTR private_templ, CK_ULONG private_count,
                              CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_GenerateKeyPair, session);
    if (rv == CKR_OK && (!mech || !public_key || !private_key || (!public_templ && public_count) ||
                         (!private_templ && private_count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        entry.trace.mech = mech->mechanism;
        rv = may_generate(entry.session, mech, public_templ, public_count, false);
    }
    if (rv == CKR_OK)
        rv = may_generate(entry.session, mech, private_templ, private_count, true);
    if (rv == CKR_OK)
        rv = store_generate_pair(entry.session->token->store, (uint32_t)session, mech, public_templ,
                                 public_count, private_templ, private_count, public_key, private_key);
    return entry_end(&entry, rv);
}

static struct store_keying keying(const struct entry *entry, const CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                                  CK_OBJECT_HANDLE key, CK_RV may)
{
    return (struct store_keying){
        mech, with, key, entry->session->item.handle, token_user_in(entry->session->token), may};
}

CK_RV entry_C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                      CK_OBJECT_HANDLE key, CK_BYTE_PTR wrapped, CK_ULONG_PTR wrapped_len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_WrapKey, session);
    if (rv == CKR_OK && (!mech || !wrapped_len))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        entry.trace.mech = mech->mechanism;
        struct store_keying call = keying(&entry, mech, with, key, CKR_OK);
        rv = store_wrap(entry.session->token->store, &call, wrapped, wrapped_len);
    }
    if (rv == CKR_OK)
        entry.trace.out = *wrapped_len;
    return entry_end(&entry, rv);
}

/* What is made of a key is private unless its template says otherwise, as tokens commonly do. */
static CK_RV may_make(const struct session *session, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return session_may_write(session, template_bool(templ, count, CKA_TOKEN, false),
                             template_bool(templ, count, CKA_PRIVATE, true));
}

CK_RV entry_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                        CK_BYTE_PTR wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE_PTR templ, CK_ULONG count,
                        CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_UnwrapKey, session);
    entry.trace.in = wrapped_len;
    if (rv == CKR_OK && (!mech || !wrapped || !key || !templ))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        entry.trace.mech = mech->mechanism;
        struct store_keying call =
            keying(&entry, mech, with, CK_INVALID_HANDLE, may_make(entry.session, templ, count));
        rv = store_unwrap(entry.session->token->store, &call, wrapped, wrapped_len, templ, count, key);
    }
    return entry_end(&entry, rv);
}

CK_RV entry_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE base,
                        CK_ATTRIBUTE_PTR templ, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    CK_RV rv = entry_take(&entry, CALL_DeriveKey, session);
    /* No place for the key is fine where the keys are written into the parameter. */
    if (rv == CKR_OK && (!mech || (!key && !frame_mech_makes(mech)) || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        entry.trace.mech = mech->mechanism;
        struct store_keying call =
            keying(&entry, mech, base, CK_INVALID_HANDLE, may_make(entry.session, templ, count));
        rv = store_derive(entry.session->token->store, &call, templ, count, &made);
    }
    if (rv == CKR_OK && key)
        *key = made;
    return entry_end(&entry, rv);
}
