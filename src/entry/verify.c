/* Verification. */
#include "entry/crypt.h"

CK_RV entry_C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_VerifyInit, session, OP_VERIFY, mech, key);
}

CK_RV entry_C_Verify(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR signature,
                     CK_ULONG signature_len)
{
    return crypt_enter(
        CALL_Verify, session, OP_VERIFY, EVENT_ONE_SHOT,
        &(struct op_io){.in = in, .in_len = in_len, .signature = signature, .signature_len = signature_len});
}

CK_RV entry_C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len)
{
    return crypt_enter(CALL_VerifyUpdate, session, OP_VERIFY, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len});
}

CK_RV entry_C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    return crypt_enter(CALL_VerifyFinal, session, OP_VERIFY, EVENT_FINAL,
                       &(struct op_io){.signature = signature, .signature_len = signature_len});
}
