/* Signing. */
#include "entry/crypt.h"

CK_RV entry_C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_SignInit, session, OP_SIGN, mech, key);
}

CK_RV entry_C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                   CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_Sign, session, OP_SIGN, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len)
{
    return crypt_enter(CALL_SignUpdate, session, OP_SIGN, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len});
}

CK_RV entry_C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_SignFinal, session, OP_SIGN, EVENT_FINAL,
                       &(struct op_io){.out = out, .out_len = out_len});
}
