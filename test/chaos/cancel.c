#include "test/chaos/cancel.h"

#include <stdbool.h>
#include <stdlib.h>

/* In the standard's flags of C_SessionCancel. */
static const struct {
    CK_FLAGS ends;
    bool update; /* goes on after success */
} operations[CALL_COUNT] = {
    [CALL_C_FindObjectsFinal] = {CKF_FIND_OBJECTS, false},
    [CALL_C_Encrypt] = {CKF_ENCRYPT, false},
    [CALL_C_EncryptUpdate] = {CKF_ENCRYPT, true},
    [CALL_C_EncryptFinal] = {CKF_ENCRYPT, false},
    [CALL_C_Decrypt] = {CKF_DECRYPT, false},
    [CALL_C_DecryptUpdate] = {CKF_DECRYPT, true},
    [CALL_C_DecryptFinal] = {CKF_DECRYPT, false},
    [CALL_C_Digest] = {CKF_DIGEST, false},
    [CALL_C_DigestUpdate] = {CKF_DIGEST, true},
    [CALL_C_DigestKey] = {CKF_DIGEST, true},
    [CALL_C_DigestFinal] = {CKF_DIGEST, false},
    [CALL_C_Sign] = {CKF_SIGN, false},
    [CALL_C_SignUpdate] = {CKF_SIGN, true},
    [CALL_C_SignFinal] = {CKF_SIGN, false},
    [CALL_C_SignRecover] = {CKF_SIGN_RECOVER, false},
    [CALL_C_Verify] = {CKF_VERIFY, false},
    [CALL_C_VerifyUpdate] = {CKF_VERIFY, true},
    [CALL_C_VerifyFinal] = {CKF_VERIFY, false},
    [CALL_C_VerifyRecover] = {CKF_VERIFY_RECOVER, false},
    [CALL_C_DigestEncryptUpdate] = {CKF_DIGEST | CKF_ENCRYPT, true},
    [CALL_C_DecryptDigestUpdate] = {CKF_DECRYPT | CKF_DIGEST, true},
    [CALL_C_SignEncryptUpdate] = {CKF_SIGN | CKF_ENCRYPT, true},
    [CALL_C_DecryptVerifyUpdate] = {CKF_DECRYPT | CKF_VERIFY, true},
};

/* Into a buffer of our own, a larger one if it asks, so that nothing reaches the caller. */
static void drop_output(CK_RV (*final)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *), CK_SESSION_HANDLE session)
{
    CK_ULONG room = 4096;
    for (int attempt = 0; attempt < 2; attempt++) {
        CK_BYTE *scratch = malloc(room);
        if (!scratch)
            return;
        CK_RV rv = final(session, scratch, &room);
        free(scratch);
        if (rv != CKR_BUFFER_TOO_SMALL)
            return;
    }
}

typedef CK_RV (*one_shot)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);

/* Some mechanisms' operations only end by the call for a single part. What has ended already is not touched
 * by it. */
static void drop_one_shot(one_shot call, CK_SESSION_HANDLE session)
{
    CK_BYTE none[1] = {0}, scratch[4096];
    CK_ULONG len = sizeof(scratch);
    call(session, none, sizeof(none), scratch, &len);
}

static void finish(const struct real *real, CK_FLAGS what, CK_SESSION_HANDLE session)
{
    const CK_FUNCTION_LIST_3_0 *f = &real->f;
    const struct {
        CK_FLAGS what;
        CK_RV (*final)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);
        one_shot call;
    } ways[] = {
        {CKF_ENCRYPT, f->C_EncryptFinal, f->C_Encrypt}, {CKF_DECRYPT, f->C_DecryptFinal, f->C_Decrypt},
        {CKF_DIGEST, f->C_DigestFinal, f->C_Digest},    {CKF_SIGN, f->C_SignFinal, f->C_Sign},
        {CKF_SIGN_RECOVER, NULL, f->C_SignRecover},     {CKF_VERIFY_RECOVER, NULL, f->C_VerifyRecover},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (!(what & ways[i].what))
            continue;
        if (ways[i].final)
            drop_output(ways[i].final, session);
        drop_one_shot(ways[i].call, session);
    }
    CK_BYTE none[1] = {0};
    if (what & CKF_VERIFY) {
        f->C_VerifyFinal(session, none, sizeof(none));
        f->C_Verify(session, none, sizeof(none), none, sizeof(none));
    }
    if (what & CKF_FIND_OBJECTS)
        f->C_FindObjectsFinal(session);
}

void cancel_operation(const struct real *real, enum call_id call, CK_SESSION_HANDLE session, CK_RV answer)
{
    CK_FLAGS what = operations[call].ends;
    if (!what || answer == CKR_BUFFER_TOO_SMALL || (answer == CKR_OK && operations[call].update))
        return;
    if (real->f.C_SessionCancel && real->f.C_SessionCancel(session, what) == CKR_OK)
        return;
    finish(real, what, session);
}
