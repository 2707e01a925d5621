/* The state of a running operation, saved and put back. */
#include "mech.h"

static CK_BYTE data[64], out[64], saved[8192];
static CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};

static void digest_and_back(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(saved), out_len = sizeof(out);
    DO(DigestInit, world.session, &sha256);
    DO(DigestUpdate, world.session, data, 40);
    if (DO(GetOperationState, world.session, saved, &len) != CKR_OK)
        return;
    CK_SESSION_HANDLE other = world_open(0);
    DO(SetOperationState, other, saved, len, CK_INVALID_HANDLE, CK_INVALID_HANDLE);
    DO(DigestUpdate, other, data + 40, 24);
    if (DO(DigestFinal, other, out, &out_len) == CKR_OK)
        record_bytes("digest", out, out_len);
}

static void lengths(const void *arg)
{
    (void)arg;
    CK_ULONG len = 0;
    DO(DigestInit, world.session, &sha256);
    DO(DigestUpdate, world.session, data, 40);
    if (DO(GetOperationState, world.session, NULL, &len) != CKR_OK)
        return;
    len = 1;
    DO(GetOperationState, world.session, saved, &len);
}

static void null_length(const void *arg)
{
    (void)arg;
    DO(DigestInit, world.session, &sha256);
    DO(GetOperationState, world.session, saved, NULL);
}

static void none(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(saved);
    DO(GetOperationState, world.session, saved, &len);
}

static void encryption(const void *arg)
{
    (void)arg;
    CK_ULONG len = sizeof(saved);
    DO(EncryptInit, world.session, mech_of(&mech_ciphers[0]), keys_make(KEY_AES128, NULL));
    DO(GetOperationState, world.session, saved, &len);
}

static void set_nonsense(const void *arg)
{
    (void)arg;
    DO(SetOperationState, world.session, data, sizeof(data), CK_INVALID_HANDLE, CK_INVALID_HANDLE);
    DO(SetOperationState, world.session, NULL, 4, CK_INVALID_HANDLE, CK_INVALID_HANDLE);
}

void chapter_state(void)
{
    static const struct test tests[] = {
        {"C_GetOperationState", "digest-and-back", SETUP_USER, digest_and_back},
        {"C_GetOperationState", "lengths", SETUP_USER, lengths},
        {"C_GetOperationState", "null-length", SETUP_USER, null_length},
        {"C_GetOperationState", "no-operation", SETUP_USER, none},
        {"C_GetOperationState", "encryption", SETUP_USER, encryption},
        {"C_SetOperationState", "nonsense", SETUP_USER, set_nonsense},
    };
    world_run_all("state", tests, ARRAY_LEN(tests));
}
