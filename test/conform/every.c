/*
 * Every function of the standard in the states that all have: before C_Initialize, with sessions that are
 * none, in a session where nothing runs, and with NULL for every pointer.
 */
#include "call/calls.h"
#include "keys.h"

enum state { STATE_NOT_INITIALIZED, STATE_NO_SESSION, STATE_CLOSED, STATE_IDLE, STATE_NULL, STATE_RO };

static CK_SESSION_HANDLE s;
static CK_SLOT_ID slot;
/* The pointers that the calls are given; all NULL in STATE_NULL. */
static CK_BYTE in[32], *i = in;
_Alignas(16) static CK_BYTE buffer[512];
static CK_BYTE *o = buffer;
static CK_ULONG room, *n = &room;
static CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, *m = &digest;
static CK_OBJECT_HANDLE handles[4], *h = handles;
static CK_BBOOL no = CK_FALSE;
static CK_ATTRIBUTE one_attribute = {CKA_TOKEN, &no, sizeof(no)}, *t = &one_attribute;
static CK_UTF8CHAR name[] = "PKCS 11", *text = name;
static CK_OBJECT_HANDLE key = 0x7ffffff0;

struct row {
    enum call_id id;
    bool session; /* its first argument is one */
    CK_RV (*call)(void);
};
#define LIST_2_40 world.p11
#define LIST_3_0  world.v30
#define LIST_3_2  world.v32
/* Rows without one are in chapter general, slot or login, or have no state of that kind. */
#define S(name, ...)                             \
    static CK_RV call_##name(void)               \
    {                                            \
        return LIST->C_##name(s, ##__VA_ARGS__); \
    }
#define G(name, ...)                        \
    static CK_RV call_##name(void)          \
    {                                       \
        return LIST->C_##name(__VA_ARGS__); \
    }

#define CALLS_2_40                                                    \
    G(GetInfo, (CK_INFO *)o)                                          \
    G(GetSlotList, CK_TRUE, (CK_SLOT_ID *)h, n)                       \
    G(GetSlotInfo, slot, (CK_SLOT_INFO *)o)                           \
    G(GetTokenInfo, slot, (CK_TOKEN_INFO *)o)                         \
    G(GetMechanismList, slot, NULL, n)                                \
    G(GetMechanismInfo, slot, CKM_RSA_PKCS, (CK_MECHANISM_INFO *)o)   \
    S(GetSessionInfo, (CK_SESSION_INFO *)o)                           \
    S(GetOperationState, o, n)                                        \
    S(SetOperationState, i, 32, CK_INVALID_HANDLE, CK_INVALID_HANDLE) \
    S(CreateObject, t, 1, h)                                          \
    S(CopyObject, key, t, 1, h)                                       \
    S(DestroyObject, key)                                             \
    S(GetObjectSize, key, n)                                          \
    S(GetAttributeValue, key, t, 1)                                   \
    S(SetAttributeValue, key, t, 1)                                   \
    S(FindObjectsInit, t, 1)                                          \
    S(FindObjects, h, 4, n)                                           \
    S(FindObjectsFinal)                                               \
    S(EncryptInit, m, key)                                            \
    S(Encrypt, i, 32, o, n)                                           \
    S(EncryptUpdate, i, 32, o, n)                                     \
    S(EncryptFinal, o, n)                                             \
    S(DecryptInit, m, key)                                            \
    S(Decrypt, i, 32, o, n)                                           \
    S(DecryptUpdate, i, 32, o, n)                                     \
    S(DecryptFinal, o, n)                                             \
    S(DigestInit, m)                                                  \
    S(Digest, i, 32, o, n)                                            \
    S(DigestUpdate, i, 32)                                            \
    S(DigestKey, key)                                                 \
    S(DigestFinal, o, n)                                              \
    S(SignInit, m, key)                                               \
    S(Sign, i, 32, o, n)                                              \
    S(SignUpdate, i, 32)                                              \
    S(SignFinal, o, n)                                                \
    S(SignRecoverInit, m, key)                                        \
    S(SignRecover, i, 32, o, n)                                       \
    S(VerifyInit, m, key)                                             \
    S(Verify, i, 32, o, 64)                                           \
    S(VerifyUpdate, i, 32)                                            \
    S(VerifyFinal, o, 64)                                             \
    S(VerifyRecoverInit, m, key)                                      \
    S(VerifyRecover, i, 32, o, n)                                     \
    S(DigestEncryptUpdate, i, 32, o, n)                               \
    S(DecryptDigestUpdate, i, 32, o, n)                               \
    S(SignEncryptUpdate, i, 32, o, n)                                 \
    S(DecryptVerifyUpdate, i, 32, o, n)                               \
    S(GenerateKey, m, t, 1, h)                                        \
    S(GenerateKeyPair, m, t, 1, t, 1, h, h)                           \
    S(WrapKey, m, key, key, o, n)                                     \
    S(UnwrapKey, m, key, i, 32, t, 1, h)                              \
    S(DeriveKey, m, key, t, 1, h)                                     \
    S(SeedRandom, i, 32)                                              \
    S(GenerateRandom, o, 32)                                          \
    S(GetFunctionStatus)                                              \
    S(CancelFunction)
#define CALLS_3_0                                \
    S(SessionCancel, CKF_SIGN)                   \
    S(MessageEncryptInit, m, key)                \
    S(EncryptMessage, i, 32, i, 32, i, 32, o, n) \
    S(EncryptMessageBegin, i, 32, i, 32)         \
    S(EncryptMessageNext, i, 32, i, 32, o, n, 0) \
    S(MessageEncryptFinal)                       \
    S(MessageDecryptInit, m, key)                \
    S(DecryptMessage, i, 32, i, 32, i, 32, o, n) \
    S(DecryptMessageBegin, i, 32, i, 32)         \
    S(DecryptMessageNext, i, 32, i, 32, o, n, 0) \
    S(MessageDecryptFinal)                       \
    S(MessageSignInit, m, key)                   \
    S(SignMessage, i, 32, i, 32, o, n)           \
    S(SignMessageBegin, i, 32)                   \
    S(SignMessageNext, i, 32, i, 32, o, n)       \
    S(MessageSignFinal)                          \
    S(MessageVerifyInit, m, key)                 \
    S(VerifyMessage, i, 32, i, 32, o, 64)        \
    S(VerifyMessageBegin, i, 32)                 \
    S(VerifyMessageNext, i, 32, i, 32, o, 64)    \
    S(MessageVerifyFinal)
#define CALLS_3_2                                           \
    S(EncapsulateKey, m, key, t, 1, o, n, h)                \
    S(DecapsulateKey, m, key, t, 1, i, 32, h)               \
    S(VerifySignatureInit, m, key, i, 32)                   \
    S(VerifySignature, i, 32)                               \
    S(VerifySignatureUpdate, i, 32)                         \
    S(VerifySignatureFinal)                                 \
    S(GetSessionValidationFlags, CKS_LAST_VALIDATION_OK, n) \
    S(AsyncComplete, text, (CK_ASYNC_DATA *)o)              \
    S(AsyncGetID, text, n)                                  \
    S(AsyncJoin, text, 1, o, 32)                            \
    S(WrapKeyAuthenticated, m, key, key, i, 32, o, n)       \
    S(UnwrapKeyAuthenticated, m, key, i, 32, t, 1, i, 32, h)

#define LIST LIST_2_40
CALLS_2_40
#undef LIST
#define LIST LIST_3_0
CALLS_3_0
#undef LIST
#define LIST LIST_3_2
CALLS_3_2
#undef LIST
#undef S
#undef G

#define S(name, ...) {CALL_##name, true, call_##name},
#define G(name, ...) {CALL_##name, false, call_##name},
static const struct row rows[] = {CALLS_2_40 CALLS_3_0 CALLS_3_2};

static bool is_there(const struct row *row)
{
    switch (call_info(row->id)->since) {
    case SINCE_2_40:
        return true;
    case SINCE_3_0:
        return world.v30 != NULL;
    default:
        return world.v32 != NULL;
    }
}

static void run(const void *arg)
{
    const struct row *row = arg;
    if (!is_there(row)) {
        record_say("absent");
        return;
    }
    slot = world.slot;
    room = row->id == CALL_GetSlotList ? 4 : sizeof(buffer);
    record_rv(call_name(row->id), row->call());
}

static void no_session(const void *arg)
{
    s = CK_INVALID_HANDLE;
    run(arg);
    s = 0x7ffffff0;
    run(arg);
}

static void closed(const void *arg)
{
    s = world_open(CKF_RW_SESSION);
    (void)world.p11->C_CloseSession(s);
    run(arg);
}

static void idle(const void *arg)
{
    s = world.session;
    run(arg);
}

static void all_null(const void *arg)
{
    s = world.session;
    i = o = text = NULL;
    n = NULL;
    m = NULL;
    h = NULL;
    t = NULL;
    run(arg);
    i = in;
    o = buffer;
    text = name;
    n = &room;
    m = &digest;
    h = handles;
    t = &one_attribute;
}

void chapter_every(void)
{
    static const struct test tests[] = {
        [STATE_NOT_INITIALIZED] = {"", "not-initialized", SETUP_NONE, idle},
        [STATE_NO_SESSION] = {"", "no-session", SETUP_USER, no_session},
        [STATE_CLOSED] = {"", "closed-session", SETUP_USER, closed},
        [STATE_IDLE] = {"", "nothing-runs", SETUP_USER, idle},
        [STATE_NULL] = {"", "null", SETUP_USER, all_null},
        [STATE_RO] = {"", "public-read-only", SETUP_RO, idle},
    };
    for (size_t state = 0; state < ARRAY_LEN(tests); state++)
        for (size_t at = 0; at < ARRAY_LEN(rows); at++) {
            bool needs_session = state != STATE_NOT_INITIALIZED && state != STATE_NULL;
            if (needs_session && !rows[at].session)
                continue;
            struct test test = tests[state];
            test.function = call_name(rows[at].id);
            world_run("every", &test, &rows[at]);
        }
}
