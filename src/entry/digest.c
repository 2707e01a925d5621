/* Digests. */
#include "entry/crypt.h"

CK_RV entry_C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech)
{
    return crypt_enter_init(CALL_DigestInit, session, OP_DIGEST, mech, CK_INVALID_HANDLE);
}

CK_RV entry_C_Digest(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                     CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_Digest, session, OP_DIGEST, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len)
{
    return crypt_enter(CALL_DigestUpdate, session, OP_DIGEST, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len});
}

CK_RV entry_C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_DigestKey, session);
    if (rv == CKR_OK)
        rv = crypt_digest_key(entry.session, key);
    return entry_end(&entry, rv);
}

CK_RV entry_C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_DigestFinal, session, OP_DIGEST, EVENT_FINAL,
                       &(struct op_io){.out = out, .out_len = out_len});
}
