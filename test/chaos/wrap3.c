/* The functions that PKCS#11 3.0 added. */
#include "test/chaos/wrap.h"

/* clang-format off */
#define S     CK_SESSION_HANDLE at
#define PARAM void *param, CK_ULONG param_len
#define AAD   CK_BYTE *aad, CK_ULONG aad_len
#define IN_   CK_BYTE *in, CK_ULONG in_len
#define OUT_  CK_BYTE *out, CK_ULONG *out_len

#define INIT(name) \
    WRAP(name, P(S, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key), P(at, mechanism, key), \
         IN_MECHANISM(mechanism); IN_KEY(key), NOTHING)
#define CRYPT(name) \
    WRAP(name, P(S, PARAM, AAD, IN_, OUT_), P(at, param, param_len, aad, aad_len, in, in_len, out, out_len), NOTHING, \
         OUT_BYTES(out, out_len))
#define CRYPT_BEGIN(name) WRAP(name, P(S, PARAM, AAD), P(at, param, param_len, aad, aad_len), NOTHING, NOTHING)
#define CRYPT_NEXT(name) \
    WRAP(name, P(S, PARAM, IN_, OUT_, CK_FLAGS flags), P(at, param, param_len, in, in_len, out, out_len, flags), NOTHING, \
         OUT_BYTES(out, out_len))
#define SIGN(name) \
    WRAP(name, P(S, PARAM, IN_, OUT_), P(at, param, param_len, in, in_len, out, out_len), NOTHING, \
         if (out_len) OUT_BYTES(out, out_len))
#define VERIFY(name) \
    WRAP(name, P(S, PARAM, IN_, CK_BYTE *signature, CK_ULONG len), P(at, param, param_len, in, in_len, signature, len), \
         NOTHING, NOTHING)
#define BEGIN(name) WRAP(name, P(S, PARAM), P(at, param, param_len), NOTHING, NOTHING)
#define FINAL(name) WRAP(name, P(S), P(at), NOTHING, NOTHING)

WRAP(C_LoginUser, P(S, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len, CK_UTF8CHAR *name, CK_ULONG name_len),
     P(at, user, pin, len, name, name_len), NOTHING, NOTHING)
WRAP(C_SessionCancel, P(S, CK_FLAGS flags), P(at, flags), NOTHING, NOTHING)

INIT(C_MessageEncryptInit)
CRYPT(C_EncryptMessage)
CRYPT_BEGIN(C_EncryptMessageBegin)
CRYPT_NEXT(C_EncryptMessageNext)
FINAL(C_MessageEncryptFinal)
INIT(C_MessageDecryptInit)
CRYPT(C_DecryptMessage)
CRYPT_BEGIN(C_DecryptMessageBegin)
CRYPT_NEXT(C_DecryptMessageNext)
FINAL(C_MessageDecryptFinal)
INIT(C_MessageSignInit)
SIGN(C_SignMessage)
BEGIN(C_SignMessageBegin)
SIGN(C_SignMessageNext)
FINAL(C_MessageSignFinal)
INIT(C_MessageVerifyInit)
VERIFY(C_VerifyMessage)
BEGIN(C_VerifyMessageBegin)
VERIFY(C_VerifyMessageNext)
FINAL(C_MessageVerifyFinal)
