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
