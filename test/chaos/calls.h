/*
 * The calls that chaos wraps: one row a function that p11ha or an application may have faulted.
 * CHAOS_CALL(name, since, where, group): since 2, 3 or 32, where the first argument leads (SLOT, SESSION,
 * NONE), group for rules.
 */
#ifndef CHAOS_CALLS_H
#define CHAOS_CALLS_H

enum call_where { WHERE_NONE, WHERE_SLOT, WHERE_SESSION };
enum call_group { GROUP_NONE, GROUP_CRYPTO, GROUP_OBJECT, GROUP_SESSION, GROUP_KEY };

/* clang-format off */
#define CHAOS_CALLS_2(CHAOS_CALL)                                   \
    CHAOS_CALL(C_Initialize, 2, NONE, NONE)                         \
    CHAOS_CALL(C_Finalize, 2, NONE, NONE)                           \
    CHAOS_CALL(C_GetInfo, 2, NONE, NONE)                            \
    CHAOS_CALL(C_GetSlotList, 2, NONE, NONE)                        \
    CHAOS_CALL(C_GetSlotInfo, 2, SLOT, NONE)                        \
    CHAOS_CALL(C_GetTokenInfo, 2, SLOT, NONE)                       \
    CHAOS_CALL(C_GetMechanismList, 2, SLOT, NONE)                   \
    CHAOS_CALL(C_GetMechanismInfo, 2, SLOT, NONE)                   \
    CHAOS_CALL(C_InitToken, 2, SLOT, NONE)                          \
    CHAOS_CALL(C_InitPIN, 2, SESSION, SESSION)                      \
    CHAOS_CALL(C_SetPIN, 2, SESSION, SESSION)                       \
    CHAOS_CALL(C_OpenSession, 2, SLOT, SESSION)                     \
    CHAOS_CALL(C_CloseSession, 2, SESSION, SESSION)                 \
    CHAOS_CALL(C_CloseAllSessions, 2, SLOT, SESSION)                \
    CHAOS_CALL(C_GetSessionInfo, 2, SESSION, SESSION)               \
    CHAOS_CALL(C_GetOperationState, 2, SESSION, SESSION)            \
    CHAOS_CALL(C_SetOperationState, 2, SESSION, SESSION)            \
    CHAOS_CALL(C_Login, 2, SESSION, SESSION)                        \
    CHAOS_CALL(C_Logout, 2, SESSION, SESSION)                       \
    CHAOS_CALL(C_CreateObject, 2, SESSION, OBJECT)                  \
    CHAOS_CALL(C_CopyObject, 2, SESSION, OBJECT)                    \
    CHAOS_CALL(C_DestroyObject, 2, SESSION, OBJECT)                 \
    CHAOS_CALL(C_GetObjectSize, 2, SESSION, OBJECT)                 \
    CHAOS_CALL(C_GetAttributeValue, 2, SESSION, OBJECT)             \
    CHAOS_CALL(C_SetAttributeValue, 2, SESSION, OBJECT)             \
    CHAOS_CALL(C_FindObjectsInit, 2, SESSION, OBJECT)               \
    CHAOS_CALL(C_FindObjects, 2, SESSION, OBJECT)                   \
    CHAOS_CALL(C_FindObjectsFinal, 2, SESSION, OBJECT)              \
    CHAOS_CALL(C_EncryptInit, 2, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_Encrypt, 2, SESSION, CRYPTO)                       \
    CHAOS_CALL(C_EncryptUpdate, 2, SESSION, CRYPTO)                 \
    CHAOS_CALL(C_EncryptFinal, 2, SESSION, CRYPTO)                  \
    CHAOS_CALL(C_DecryptInit, 2, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_Decrypt, 2, SESSION, CRYPTO)                       \
    CHAOS_CALL(C_DecryptUpdate, 2, SESSION, CRYPTO)                 \
    CHAOS_CALL(C_DecryptFinal, 2, SESSION, CRYPTO)                  \
    CHAOS_CALL(C_DigestInit, 2, SESSION, CRYPTO)                    \
    CHAOS_CALL(C_Digest, 2, SESSION, CRYPTO)                        \
    CHAOS_CALL(C_DigestUpdate, 2, SESSION, CRYPTO)                  \
    CHAOS_CALL(C_DigestKey, 2, SESSION, CRYPTO)                     \
    CHAOS_CALL(C_DigestFinal, 2, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_SignInit, 2, SESSION, CRYPTO)                      \
    CHAOS_CALL(C_Sign, 2, SESSION, CRYPTO)                          \
    CHAOS_CALL(C_SignUpdate, 2, SESSION, CRYPTO)                    \
    CHAOS_CALL(C_SignFinal, 2, SESSION, CRYPTO)                     \
    CHAOS_CALL(C_SignRecoverInit, 2, SESSION, CRYPTO)               \
    CHAOS_CALL(C_SignRecover, 2, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_VerifyInit, 2, SESSION, CRYPTO)                    \
    CHAOS_CALL(C_Verify, 2, SESSION, CRYPTO)                        \
    CHAOS_CALL(C_VerifyUpdate, 2, SESSION, CRYPTO)                  \
    CHAOS_CALL(C_VerifyFinal, 2, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_VerifyRecoverInit, 2, SESSION, CRYPTO)             \
    CHAOS_CALL(C_VerifyRecover, 2, SESSION, CRYPTO)                 \
    CHAOS_CALL(C_DigestEncryptUpdate, 2, SESSION, CRYPTO)           \
    CHAOS_CALL(C_DecryptDigestUpdate, 2, SESSION, CRYPTO)           \
    CHAOS_CALL(C_SignEncryptUpdate, 2, SESSION, CRYPTO)             \
    CHAOS_CALL(C_DecryptVerifyUpdate, 2, SESSION, CRYPTO)           \
    CHAOS_CALL(C_GenerateKey, 2, SESSION, KEY)                      \
    CHAOS_CALL(C_GenerateKeyPair, 2, SESSION, KEY)                  \
    CHAOS_CALL(C_WrapKey, 2, SESSION, KEY)                          \
    CHAOS_CALL(C_UnwrapKey, 2, SESSION, KEY)                        \
    CHAOS_CALL(C_DeriveKey, 2, SESSION, KEY)                        \
    CHAOS_CALL(C_SeedRandom, 2, SESSION, NONE)                      \
    CHAOS_CALL(C_GenerateRandom, 2, SESSION, NONE)                  \
    CHAOS_CALL(C_GetFunctionStatus, 2, SESSION, NONE)               \
    CHAOS_CALL(C_CancelFunction, 2, SESSION, NONE)                  \
    CHAOS_CALL(C_WaitForSlotEvent, 2, NONE, NONE)

#define CHAOS_CALLS_3(CHAOS_CALL)                                   \
    CHAOS_CALL(C_LoginUser, 3, SESSION, SESSION)                    \
    CHAOS_CALL(C_SessionCancel, 3, SESSION, SESSION)                \
    CHAOS_CALL(C_MessageEncryptInit, 3, SESSION, CRYPTO)            \
    CHAOS_CALL(C_EncryptMessage, 3, SESSION, CRYPTO)                \
    CHAOS_CALL(C_EncryptMessageBegin, 3, SESSION, CRYPTO)           \
    CHAOS_CALL(C_EncryptMessageNext, 3, SESSION, CRYPTO)            \
    CHAOS_CALL(C_MessageEncryptFinal, 3, SESSION, CRYPTO)           \
    CHAOS_CALL(C_MessageDecryptInit, 3, SESSION, CRYPTO)            \
    CHAOS_CALL(C_DecryptMessage, 3, SESSION, CRYPTO)                \
    CHAOS_CALL(C_DecryptMessageBegin, 3, SESSION, CRYPTO)           \
    CHAOS_CALL(C_DecryptMessageNext, 3, SESSION, CRYPTO)            \
    CHAOS_CALL(C_MessageDecryptFinal, 3, SESSION, CRYPTO)           \
    CHAOS_CALL(C_MessageSignInit, 3, SESSION, CRYPTO)               \
    CHAOS_CALL(C_SignMessage, 3, SESSION, CRYPTO)                   \
    CHAOS_CALL(C_SignMessageBegin, 3, SESSION, CRYPTO)              \
    CHAOS_CALL(C_SignMessageNext, 3, SESSION, CRYPTO)               \
    CHAOS_CALL(C_MessageSignFinal, 3, SESSION, CRYPTO)              \
    CHAOS_CALL(C_MessageVerifyInit, 3, SESSION, CRYPTO)             \
    CHAOS_CALL(C_VerifyMessage, 3, SESSION, CRYPTO)                 \
    CHAOS_CALL(C_VerifyMessageBegin, 3, SESSION, CRYPTO)            \
    CHAOS_CALL(C_VerifyMessageNext, 3, SESSION, CRYPTO)             \
    CHAOS_CALL(C_MessageVerifyFinal, 3, SESSION, CRYPTO)

#define CHAOS_CALLS_32(CHAOS_CALL)                                  \
    CHAOS_CALL(C_EncapsulateKey, 32, SESSION, KEY)                  \
    CHAOS_CALL(C_DecapsulateKey, 32, SESSION, KEY)                  \
    CHAOS_CALL(C_WrapKeyAuthenticated, 32, SESSION, KEY)            \
    CHAOS_CALL(C_UnwrapKeyAuthenticated, 32, SESSION, KEY)

#define CHAOS_CALLS(CHAOS_CALL) CHAOS_CALLS_2(CHAOS_CALL) CHAOS_CALLS_3(CHAOS_CALL) CHAOS_CALLS_32(CHAOS_CALL)
/* clang-format on */

#define CHAOS_CALL_ENUM(name, since, where, group) CALL_##name,
enum call_id { CHAOS_CALLS(CHAOS_CALL_ENUM) CALL_COUNT };
#undef CHAOS_CALL_ENUM

struct call {
    const char *name;
    enum call_where where;
    enum call_group group;
};

/* The table, CALL_COUNT rows, in the order of enum call_id. */
extern const struct call call_table[];

#endif
