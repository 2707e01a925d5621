/* Encryption. */
#include "entry/crypt.h"

CK_RV entry_C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, CK_OBJECT_HANDLE key)
{
    return crypt_enter_init(CALL_EncryptInit, session, OP_ENCRYPT, mech, key);
}

CK_RV entry_C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                      CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_Encrypt, session, OP_ENCRYPT, EVENT_ONE_SHOT,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                            CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_EncryptUpdate, session, OP_ENCRYPT, EVENT_UPDATE,
                       &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});
}

CK_RV entry_C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return crypt_enter(CALL_EncryptFinal, session, OP_ENCRYPT, EVENT_FINAL,
                       &(struct op_io){.out = out, .out_len = out_len});
}
