/* Verification of a signature that is known before the data (3.2); to members it is C_Verify. */
#include "entry/crypt.h"

CK_RV entry_C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key,
                                  CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_VerifySignatureInit, session);
    if (mech)
        entry.trace.mech = mech->mechanism;
    if (rv == CKR_OK && !signature && (mech || signature_len))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = crypt_init_signature(entry.session, mech, key, signature, signature_len);
    return entry_end(&entry, rv);
}

CK_RV entry_C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len)
{
    return crypt_enter(CALL_VerifySignature, session, OP_VERIFY, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .kept = true});
}

CK_RV entry_C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len)
{
    return crypt_enter(CALL_VerifySignatureUpdate, session, OP_VERIFY, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len, .kept = true});
}

CK_RV entry_C_VerifySignatureFinal(CK_SESSION_HANDLE session)
{
    return crypt_enter(CALL_VerifySignatureFinal, session, OP_VERIFY, EVENT_FINAL,
                       &(struct op_io){.kept = true});
}
