/* Decryption. */
#include "entry/crypt.h"

CK_RV entry_C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_DecryptInit, session, OP_DECRYPT, mech, key);
}

CK_RV entry_C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                      CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_Decrypt, session, OP_DECRYPT, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                            CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_DecryptUpdate, session, OP_DECRYPT, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_DecryptFinal, session, OP_DECRYPT, EVENT_FINAL,
                       &(struct op_io){.out = out, .out_len = out_len});
}
