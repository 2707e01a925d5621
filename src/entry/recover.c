/* Signatures with message recovery. */
#include "entry/crypt.h"

CK_RV entry_C_SignRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_SignRecoverInit, session, OP_SIGN_RECOVER, mech, key);
}

CK_RV entry_C_SignRecover(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                          CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_SignRecover, session, OP_SIGN_RECOVER, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_VerifyRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_VerifyRecoverInit, session, OP_VERIFY_RECOVER, mech, key);
}

CK_RV entry_C_VerifyRecover(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                            CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_VerifyRecover, session, OP_VERIFY_RECOVER, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}
