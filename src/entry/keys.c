/* Key management. */
#include "entry/enter.h"

static CK_RV may_generate(const struct session *session, const CK_MECHANISM *mech, const CK_ATTRIBUTE *templ,
                          CK_ULONG count, bool private)
{
    CK_RV rv = store_may_generate(session->token->store, mech->mechanism);
    if (rv == CKR_OK)
        rv = frame_check_mech(mech);
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

/* What is made of a key is private unless its template says otherwise, as tokens commonly do. */
static CK_RV may_make(const struct session *session, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return session_may_write(session, template_bool(templ, count, CKA_TOKEN, false),
                             template_bool(templ, count, CKA_PRIVATE, true));
}

/* Into a call that its entry has checked goes whose it is. */
static struct store *place(struct entry *entry, struct store_keying *call)
{
    entry->trace.mech = call->mech->mechanism;
    call->session = entry->session->item.handle;
    call->logged_in = token_user_in(entry->session->token);
    call->may = call->verb == VERB_WRAP || call->verb == VERB_WRAP_AUTH
                    ? CKR_OK
                    : may_make(entry->session, call->templ, call->count);
    return entry->session->token->store;
}

static CK_RV wrap(struct entry *entry, CK_RV rv, struct store_keying *call)
{
    if (rv == CKR_OK && (!call->mech || !call->out_len || (!call->aad.data && call->aad.len)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = store_wrap(place(entry, call), call);
    if (rv == CKR_OK)
        entry->trace.out = *call->out_len;
    return entry_end(entry, rv);
}

static CK_RV unwrap(struct entry *entry, CK_RV rv, struct store_keying *call, CK_OBJECT_HANDLE_PTR key)
{
    entry->trace.in = call->in.len;
    if (rv == CKR_OK &&
        (!call->mech || !call->in.data || !key || !call->templ || (!call->aad.data && call->aad.len)))
        rv = CKR_ARGUMENTS_BAD;
    CK_OBJECT_HANDLE made;
    if (rv == CKR_OK)
        rv = store_make_key(place(entry, call), call, &made);
    if (rv == CKR_OK)
        *key = made;
    return entry_end(entry, rv);
}

CK_RV entry_C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                      CK_OBJECT_HANDLE key, CK_BYTE_PTR wrapped, CK_ULONG_PTR wrapped_len)
{
    struct entry entry;
    struct store_keying call = {
        .verb = VERB_WRAP, .mech = mech, .with = with, .key = key, .out = wrapped, .out_len = wrapped_len};
    CK_RV rv = entry_take(&entry, CALL_WrapKey, session);
    return wrap(&entry, rv, &call);
}

CK_RV entry_C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                                   CK_OBJECT_HANDLE key, CK_BYTE_PTR aad, CK_ULONG aad_len,
                                   CK_BYTE_PTR wrapped, CK_ULONG_PTR wrapped_len)
{
    struct entry entry;
    struct store_keying call = {.verb = VERB_WRAP_AUTH,
                                .mech = mech,
                                .with = with,
                                .key = key,
                                .aad = {aad, aad_len},
                                .out = wrapped,
                                .out_len = wrapped_len};
    CK_RV rv = entry_take(&entry, CALL_WrapKeyAuthenticated, session);
    return wrap(&entry, rv, &call);
}

CK_RV entry_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                        CK_BYTE_PTR wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE_PTR templ, CK_ULONG count,
                        CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    struct store_keying call = {.verb = VERB_UNWRAP,
                                .mech = mech,
                                .with = with,
                                .in = {wrapped, wrapped_len},
                                .templ = templ,
                                .count = count};
    CK_RV rv = entry_take(&entry, CALL_UnwrapKey, session);
    return unwrap(&entry, rv, &call, key);
}

CK_RV entry_C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                                     CK_BYTE_PTR wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE_PTR templ,
                                     CK_ULONG count, CK_BYTE_PTR aad, CK_ULONG aad_len,
                                     CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    struct store_keying call = {.verb = VERB_UNWRAP_AUTH,
                                .mech = mech,
                                .with = with,
                                .in = {wrapped, wrapped_len},
                                .aad = {aad, aad_len},
                                .templ = templ,
                                .count = count};
    CK_RV rv = entry_take(&entry, CALL_UnwrapKeyAuthenticated, session);
    return unwrap(&entry, rv, &call, key);
}

CK_RV entry_C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                             CK_ATTRIBUTE_PTR templ, CK_ULONG count, CK_BYTE_PTR ciphertext,
                             CK_ULONG ciphertext_len, CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    struct store_keying call = {.verb = VERB_DECAPSULATE,
                                .mech = mech,
                                .with = with,
                                .in = {ciphertext, ciphertext_len},
                                .templ = templ,
                                .count = count};
    CK_RV rv = entry_take(&entry, CALL_DecapsulateKey, session);
    return unwrap(&entry, rv, &call, key);
}

CK_RV entry_C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE with,
                             CK_ATTRIBUTE_PTR templ, CK_ULONG count, CK_BYTE_PTR ciphertext,
                             CK_ULONG_PTR ciphertext_len, CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    struct store_keying call = {.verb = VERB_ENCAPSULATE,
                                .mech = mech,
                                .with = with,
                                .templ = templ,
                                .count = count,
                                .out = ciphertext,
                                .out_len = ciphertext_len};
    CK_OBJECT_HANDLE made;
    CK_RV rv = entry_take(&entry, CALL_EncapsulateKey, session);
    /* Who asks for the length needs no place for a key. */
    if (rv == CKR_OK && (!mech || !ciphertext_len || (!key && ciphertext) || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = store_make_key(place(&entry, &call), &call, &made);
    if (rv == CKR_OK)
        entry.trace.out = *ciphertext_len;
    if (rv == CKR_OK && ciphertext)
        *key = made;
    return entry_end(&entry, rv);
}

CK_RV entry_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE base,
                        CK_ATTRIBUTE_PTR templ, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    struct entry entry;
    struct store_keying call = {
        .verb = VERB_DERIVE, .mech = mech, .with = base, .templ = templ, .count = count};
    CK_OBJECT_HANDLE made;
    CK_RV rv = entry_take(&entry, CALL_DeriveKey, session);
    /* No place for the key is fine where the keys are written into the parameter. */
    if (rv == CKR_OK && (!mech || (!key && !frame_mech_makes(mech)) || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = store_make_key(place(&entry, &call), &call, &made);
    if (rv == CKR_OK && key)
        *key = made;
    return entry_end(&entry, rv);
}
