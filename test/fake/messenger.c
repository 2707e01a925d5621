/*
 * A PKCS#11 module of 3.0 for tests: SoftHSM with message functions put onto it, whole and in parts, for
 * CKM_AES_GCM and CKM_SHA256_HMAC, out of its own operations. No packaged token has those in parts. The nonce
 * is the application's. A session has one message-based operation at a time.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "pkcs11-headers/pkcs11.h"

#define EXPORT   __attribute__((visibility("default")))
#define SOFTHSM  "/usr/lib/softhsm/libsofthsm2.so"
#define SESSIONS 256
#define TAG      16

enum kind { NONE, ENCRYPT, DECRYPT, SIGN, VERIFY };

struct running {
    CK_SESSION_HANDLE session;
    enum kind kind;
    CK_MECHANISM_TYPE mech;
    CK_OBJECT_HANDLE key;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct running table[SESSIONS];
static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_3_0 list_3;

static CK_RV begin(CK_SESSION_HANDLE session, enum kind kind, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    CK_SESSION_INFO info;
    CK_RV rv = real->C_GetSessionInfo(session, &info);
    struct running *free_one = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SESSIONS && rv == CKR_OK; i++) {
        if (table[i].kind != NONE && table[i].session == session)
            rv = CKR_OPERATION_ACTIVE;
        if (table[i].kind == NONE && !free_one)
            free_one = &table[i];
    }
    if (rv == CKR_OK && !free_one)
        rv = CKR_HOST_MEMORY;
    if (rv == CKR_OK)
        *free_one = (struct running){session, kind, mech->mechanism, key};
    pthread_mutex_unlock(&lock);
    return rv;
}

static CK_RV find(CK_SESSION_HANDLE session, enum kind kind, struct running *ret, int end)
{
    CK_RV rv = CKR_OPERATION_NOT_INITIALIZED;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SESSIONS; i++)
        if (table[i].kind == kind && table[i].session == session) {
            *ret = table[i];
            if (end)
                table[i].kind = NONE;
            rv = CKR_OK;
        }
    pthread_mutex_unlock(&lock);
    return rv;
}

static CK_RV closed(CK_SESSION_HANDLE session)
{
    struct running running;
    for (enum kind kind = ENCRYPT; kind <= VERIFY; kind++)
        (void)find(session, kind, &running, 1);
    return real->C_CloseSession(session);
}

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    CK_RV rv = real->C_GetMechanismInfo(slot, type, info);
    if (rv == CKR_OK && type == CKM_AES_GCM)
        info->flags |= CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
    if (rv == CKR_OK && type == CKM_SHA256_HMAC)
        info->flags |= CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE;
    return rv;
}

/* The operation of 2.40 that does one message. */
static CK_RV start(CK_SESSION_HANDLE session, enum kind kind, const CK_GCM_MESSAGE_PARAMS *with, CK_BYTE *aad,
                   CK_ULONG aad_len)
{
    struct running running;
    CK_RV rv = find(session, kind, &running, 0);
    if (rv != CKR_OK)
        return rv;
    CK_GCM_PARAMS gcm = {0};
    CK_MECHANISM mech = {running.mech, NULL, 0};
    if (kind == ENCRYPT || kind == DECRYPT) {
        gcm = (CK_GCM_PARAMS){with->pIv, with->ulIvLen, with->ulIvLen * 8, aad, aad_len, with->ulTagBits};
        mech = (CK_MECHANISM){running.mech, &gcm, sizeof(gcm)};
    }
    switch (kind) {
    case ENCRYPT:
        return real->C_EncryptInit(session, &mech, running.key);
    case DECRYPT:
        return real->C_DecryptInit(session, &mech, running.key);
    case SIGN:
        return real->C_SignInit(session, &mech, running.key);
    default:
        return real->C_VerifyInit(session, &mech, running.key);
    }
}

static CK_RV cipher_next(CK_SESSION_HANDLE session, enum kind kind, CK_GCM_MESSAGE_PARAMS *with, CK_BYTE *in,
                         CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len, CK_FLAGS flags)
{
    CK_C_EncryptUpdate update = kind == ENCRYPT ? real->C_EncryptUpdate : real->C_DecryptUpdate;
    CK_C_EncryptFinal final = kind == ENCRYPT ? real->C_EncryptFinal : real->C_DecryptFinal;
    CK_BYTE rest[4096];
    CK_ULONG room = *out_len, done = room, more = sizeof(rest);
    CK_RV rv = update(session, in, in_len, out, &done);
    if (rv == CKR_OK && flags & CKF_END_OF_MESSAGE) {
        CK_ULONG none = sizeof(rest);
        if (kind == DECRYPT)
            rv = update(session, with->pTag, TAG, rest, &none);
        if (rv == CKR_OK)
            rv = final(session, rest, &more);
        if (rv != CKR_OK)
            return rv;
        if (kind == ENCRYPT) {
            more -= TAG;
            memcpy(with->pTag, rest + more, TAG);
        }
        if (done + more > room)
            return CKR_GENERAL_ERROR;
        memcpy(out + done, rest, more);
        done += more;
    }
    *out_len = done;
    return rv;
}

#define INIT_AND_FINAL(name, kind)                                                                \
    static CK_RV name##_init(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_OBJECT_HANDLE key) \
    {                                                                                             \
        return begin(session, kind, mech, key);                                                   \
    }                                                                                             \
    static CK_RV name##_final(CK_SESSION_HANDLE session)                                          \
    {                                                                                             \
        struct running running;                                                                   \
        return find(session, kind, &running, 1);                                                  \
    }
#define CIPHER(name, kind)                                                                              \
    INIT_AND_FINAL(name, kind)                                                                          \
    static CK_RV name##_begin(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *aad,   \
                              CK_ULONG aad_len)                                                         \
    {                                                                                                   \
        return with_len == sizeof(CK_GCM_MESSAGE_PARAMS) ? start(session, kind, with, aad, aad_len)     \
                                                         : CKR_MECHANISM_PARAM_INVALID;                 \
    }                                                                                                   \
    static CK_RV name##_next(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *in,     \
                             CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len, CK_FLAGS flags)          \
    {                                                                                                   \
        (void)with_len;                                                                                 \
        return cipher_next(session, kind, with, in, in_len, out, out_len, flags);                       \
    }                                                                                                   \
    static CK_RV name##_once(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *aad,    \
                             CK_ULONG aad_len, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,              \
                             CK_ULONG *out_len)                                                         \
    {                                                                                                   \
        CK_RV rv = name##_begin(session, with, with_len, aad, aad_len);                                 \
        return rv == CKR_OK                                                                             \
                   ? name##_next(session, with, with_len, in, in_len, out, out_len, CKF_END_OF_MESSAGE) \
                   : rv;                                                                                \
    }

CIPHER(encrypt, ENCRYPT)
CIPHER(decrypt, DECRYPT)
INIT_AND_FINAL(sign, SIGN)
INIT_AND_FINAL(verify, VERIFY)

static CK_RV sign_begin(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len)
{
    return with || with_len ? CKR_MECHANISM_PARAM_INVALID : start(session, SIGN, NULL, NULL, 0);
}

static CK_RV verify_begin(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len)
{
    return with || with_len ? CKR_MECHANISM_PARAM_INVALID : start(session, VERIFY, NULL, NULL, 0);
}

static CK_RV sign_next(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *in, CK_ULONG in_len,
                       CK_BYTE *out, CK_ULONG *out_len)
{
    (void)with;
    (void)with_len;
    CK_RV rv = real->C_SignUpdate(session, in, in_len);
    return rv == CKR_OK && out_len ? real->C_SignFinal(session, out, out_len) : rv;
}

static CK_RV verify_next(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *in,
                         CK_ULONG in_len, CK_BYTE *signature, CK_ULONG len)
{
    (void)with;
    (void)with_len;
    CK_RV rv = real->C_VerifyUpdate(session, in, in_len);
    return rv == CKR_OK && signature ? real->C_VerifyFinal(session, signature, len) : rv;
}

static CK_RV sign_once(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *in, CK_ULONG in_len,
                       CK_BYTE *out, CK_ULONG *out_len)
{
    CK_RV rv = sign_begin(session, with, with_len);
    return rv == CKR_OK ? real->C_Sign(session, in, in_len, out, out_len) : rv;
}

static CK_RV verify_once(CK_SESSION_HANDLE session, void *with, CK_ULONG with_len, CK_BYTE *in,
                         CK_ULONG in_len, CK_BYTE *signature, CK_ULONG len)
{
    CK_RV rv = verify_begin(session, with, with_len);
    return rv == CKR_OK ? real->C_Verify(session, in, in_len, signature, len) : rv;
}

static int load(void)
{
    void *handle = real ? NULL : dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (handle)
        *(void **)&get = dlsym(handle, "C_GetFunctionList");
    if (!real && (!get || get(&real) != CKR_OK))
        return 0;
    list = *real;
    list.C_GetMechanismInfo = mechanism_info;
    list.C_CloseSession = closed;
    memcpy(&list_3, &list, sizeof(list));
    list_3.version = (CK_VERSION){3, 0};
    list_3.C_MessageEncryptInit = encrypt_init;
    list_3.C_EncryptMessage = encrypt_once;
    list_3.C_EncryptMessageBegin = encrypt_begin;
    list_3.C_EncryptMessageNext = encrypt_next;
    list_3.C_MessageEncryptFinal = encrypt_final;
    list_3.C_MessageDecryptInit = decrypt_init;
    list_3.C_DecryptMessage = decrypt_once;
    list_3.C_DecryptMessageBegin = decrypt_begin;
    list_3.C_DecryptMessageNext = decrypt_next;
    list_3.C_MessageDecryptFinal = decrypt_final;
    list_3.C_MessageSignInit = sign_init;
    list_3.C_SignMessage = sign_once;
    list_3.C_SignMessageBegin = sign_begin;
    list_3.C_SignMessageNext = sign_next;
    list_3.C_MessageSignFinal = sign_final;
    list_3.C_MessageVerifyInit = verify_init;
    list_3.C_VerifyMessage = verify_once;
    list_3.C_VerifyMessageBegin = verify_begin;
    list_3.C_VerifyMessageNext = verify_next;
    list_3.C_MessageVerifyFinal = verify_final;
    return 1;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
    if (!load())
        return CKR_GENERAL_ERROR;
    *ret = &list;
    return CKR_OK;
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **ret, CK_FLAGS flags)
{
    static CK_UTF8CHAR own[] = "PKCS 11";
    static CK_INTERFACE interface = {own, &list_3, 0};
    (void)flags;
    if (!load() || (name && strcmp((const char *)name, "PKCS 11") != 0) || (version && version->major != 3))
        return CKR_FUNCTION_FAILED;
    *ret = &interface;
    return CKR_OK;
}
