/* The functions of PKCS#11 2.40 that go through unchanged but for rules, handles and flipped bits. */
#include "test/chaos/wrap.h"

/* clang-format off */
#define S    CK_SESSION_HANDLE at
#define IN_  CK_BYTE *in, CK_ULONG in_len
#define OUT_ CK_BYTE *out, CK_ULONG *out_len

WRAP(C_GetMechanismList, P(CK_SLOT_ID at, CK_MECHANISM_TYPE *list, CK_ULONG *count), P(at, list, count), NOTHING, NOTHING)
WRAP(C_GetMechanismInfo, P(CK_SLOT_ID at, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info), P(at, type, info), NOTHING, NOTHING)
WRAP(C_InitPIN, P(S, CK_UTF8CHAR *pin, CK_ULONG len), P(at, pin, len), NOTHING, NOTHING)
WRAP(C_SetPIN, P(S, CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *pin, CK_ULONG len), P(at, old, old_len, pin, len), NOTHING, NOTHING)
WRAP(C_GetSessionInfo, P(S, CK_SESSION_INFO *info), P(at, info), NOTHING, NOTHING)
WRAP(C_GetOperationState, P(S, OUT_), P(at, out, out_len), NOTHING, OUT_BYTES(out, out_len))
WRAP(C_SetOperationState, P(S, IN_, CK_OBJECT_HANDLE encrypt, CK_OBJECT_HANDLE sign), P(at, in, in_len, encrypt, sign),
     IN_KEY(encrypt); IN_KEY(sign), NOTHING)
WRAP(C_Login, P(S, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len), P(at, user, pin, len), NOTHING, NOTHING)
WRAP(C_Logout, P(S), P(at), NOTHING, NOTHING)

WRAP(C_CreateObject, P(S, CK_ATTRIBUTE *attrs, CK_ULONG count, CK_OBJECT_HANDLE *made), P(at, attrs, count, made),
     NOTHING, OUT_HANDLE(made))
WRAP(C_CopyObject, P(S, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attrs, CK_ULONG count, CK_OBJECT_HANDLE *made),
     P(at, object, attrs, count, made), IN_OBJECT(object), OUT_HANDLE(made))
WRAP(C_DestroyObject, P(S, CK_OBJECT_HANDLE object), P(at, object), IN_OBJECT(object), NOTHING)
WRAP(C_GetObjectSize, P(S, CK_OBJECT_HANDLE object, CK_ULONG *size), P(at, object, size), IN_OBJECT(object), NOTHING)
WRAP(C_GetAttributeValue, P(S, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attrs, CK_ULONG count), P(at, object, attrs, count),
     IN_OBJECT(object), data_attributes(&pass, rv, attrs, count))
WRAP(C_SetAttributeValue, P(S, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attrs, CK_ULONG count), P(at, object, attrs, count),
     IN_OBJECT(object), NOTHING)
WRAP(C_FindObjectsInit, P(S, CK_ATTRIBUTE *attrs, CK_ULONG count), P(at, attrs, count), NOTHING, NOTHING)
WRAP(C_FindObjects, P(S, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count), P(at, found, max, count),
     NOTHING, data_handles(&pass, rv, found, rv == CKR_OK ? *count : 0))
WRAP(C_FindObjectsFinal, P(S), P(at), NOTHING, NOTHING)

#define INIT(name) \
    WRAP(name, P(S, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key), P(at, mechanism, key), \
         IN_MECHANISM(mechanism); IN_KEY(key), NOTHING)
#define IN_OUT(name) WRAP(name, P(S, IN_, OUT_), P(at, in, in_len, out, out_len), NOTHING, OUT_BYTES(out, out_len))
#define IN_ONLY(name) WRAP(name, P(S, IN_), P(at, in, in_len), NOTHING, NOTHING)
#define OUT_ONLY(name) WRAP(name, P(S, OUT_), P(at, out, out_len), NOTHING, OUT_BYTES(out, out_len))

INIT(C_EncryptInit)
IN_OUT(C_Encrypt)
IN_OUT(C_EncryptUpdate)
OUT_ONLY(C_EncryptFinal)
INIT(C_DecryptInit)
IN_OUT(C_Decrypt)
IN_OUT(C_DecryptUpdate)
OUT_ONLY(C_DecryptFinal)
WRAP(C_DigestInit, P(S, CK_MECHANISM *mechanism), P(at, mechanism), NOTHING, NOTHING)
IN_OUT(C_Digest)
IN_ONLY(C_DigestUpdate)
WRAP(C_DigestKey, P(S, CK_OBJECT_HANDLE key), P(at, key), IN_KEY(key), NOTHING)
OUT_ONLY(C_DigestFinal)
INIT(C_SignInit)
IN_OUT(C_Sign)
IN_ONLY(C_SignUpdate)
OUT_ONLY(C_SignFinal)
INIT(C_SignRecoverInit)
IN_OUT(C_SignRecover)
INIT(C_VerifyInit)
WRAP(C_Verify, P(S, IN_, CK_BYTE *signature, CK_ULONG len), P(at, in, in_len, signature, len), NOTHING, NOTHING)
IN_ONLY(C_VerifyUpdate)
IN_ONLY(C_VerifyFinal)
INIT(C_VerifyRecoverInit)
IN_OUT(C_VerifyRecover)
IN_OUT(C_DigestEncryptUpdate)
IN_OUT(C_DecryptDigestUpdate)
IN_OUT(C_SignEncryptUpdate)
IN_OUT(C_DecryptVerifyUpdate)

WRAP(C_GenerateKey, P(S, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attrs, CK_ULONG count, CK_OBJECT_HANDLE *made),
     P(at, mechanism, attrs, count, made), IN_MECHANISM(mechanism), OUT_HANDLE(made))
WRAP(C_GenerateKeyPair,
     P(S, CK_MECHANISM *mechanism, CK_ATTRIBUTE *pub, CK_ULONG pub_count, CK_ATTRIBUTE *priv, CK_ULONG priv_count,
       CK_OBJECT_HANDLE *made_pub, CK_OBJECT_HANDLE *made_priv),
     P(at, mechanism, pub, pub_count, priv, priv_count, made_pub, made_priv),
     IN_MECHANISM(mechanism), OUT_HANDLE(made_pub); OUT_HANDLE(made_priv))
WRAP(C_WrapKey, P(S, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key, OUT_),
     P(at, mechanism, with, key, out, out_len),
     IN_MECHANISM(mechanism); IN_HANDLE(with, CKR_WRAPPING_KEY_HANDLE_INVALID); IN_KEY(key), OUT_BYTES(out, out_len))
WRAP(C_UnwrapKey, P(S, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, IN_, CK_ATTRIBUTE *attrs, CK_ULONG count, CK_OBJECT_HANDLE *made),
     P(at, mechanism, with, in, in_len, attrs, count, made),
     IN_MECHANISM(mechanism); IN_HANDLE(with, CKR_UNWRAPPING_KEY_HANDLE_INVALID), OUT_HANDLE(made))
WRAP(C_DeriveKey, P(S, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base, CK_ATTRIBUTE *attrs, CK_ULONG count, CK_OBJECT_HANDLE *made),
     P(at, mechanism, base, attrs, count, made), IN_MECHANISM(mechanism); IN_KEY(base), OUT_HANDLE(made))

IN_ONLY(C_SeedRandom)
WRAP(C_GenerateRandom, P(S, CK_BYTE *out, CK_ULONG len), P(at, out, len), NOTHING, OUT_BYTES(out, &len))
WRAP(C_GetFunctionStatus, P(S), P(at), NOTHING, NOTHING)
WRAP(C_CancelFunction, P(S), P(at), NOTHING, NOTHING)
