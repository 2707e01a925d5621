/*
 * What 3.2 added. C_VerifySignature means what C_Verify means with the signature given first: a module that
 * has no list of 3.2 is asked for that, so that the records can be compared.
 */
#include "mech.h"

static CK_BYTE signature[256], out[512];

static CK_RV begin(CK_OBJECT_HANDLE key, CK_ULONG len)
{
    CK_MECHANISM *mech = mech_of(&mech_signs[0]);
    if (world.v32)
        return record_rv("C_VerifySignatureInit",
                         world.v32->C_VerifySignatureInit(world.session, mech, key, signature, len));
    return record_rv("C_VerifySignatureInit", world.p11->C_VerifyInit(world.session, mech, key));
}

static CK_RV verify(const CK_BYTE *data, CK_ULONG data_len, CK_ULONG len)
{
    CK_BYTE *in = (CK_BYTE *)data;
    if (world.v32)
        return record_rv("C_VerifySignature", world.v32->C_VerifySignature(world.session, in, data_len));
    return record_rv("C_VerifySignature", world.p11->C_Verify(world.session, in, data_len, signature, len));
}

static CK_RV update(const CK_BYTE *data, CK_ULONG data_len)
{
    CK_BYTE *in = (CK_BYTE *)data;
    return record_rv("C_VerifySignatureUpdate",
                     world.v32 ? world.v32->C_VerifySignatureUpdate(world.session, in, data_len)
                               : world.p11->C_VerifyUpdate(world.session, in, data_len));
}

static CK_RV final(CK_ULONG len)
{
    return record_rv("C_VerifySignatureFinal", world.v32
                                                   ? world.v32->C_VerifySignatureFinal(world.session)
                                                   : world.p11->C_VerifyFinal(world.session, signature, len));
}

static void make(void)
{
    (void)mech_make(&mech_signs[0], mech_input(), 100, signature, sizeof(signature));
}

static void good(const void *arg)
{
    (void)arg;
    make();
    begin(keys_make(KEY_RSA_PUBLIC, NULL), 256);
    verify(mech_input(), 100, 256);
    verify(mech_input(), 100, 256);
}

static void good_parts(const void *arg)
{
    (void)arg;
    make();
    begin(keys_make(KEY_RSA_PUBLIC, NULL), 256);
    update(mech_input(), 60);
    update(mech_input() + 60, 40);
    final(256);
}

static void wrong(const void *arg)
{
    (void)arg;
    make();
    signature[9] ^= 1;
    begin(keys_make(KEY_RSA_PUBLIC, NULL), 256);
    verify(mech_input(), 100, 256);
}

static void wrong_parts(const void *arg)
{
    (void)arg;
    make();
    begin(keys_make(KEY_RSA_PUBLIC, NULL), 256);
    update(mech_input(), 99);
    final(256);
}

static void no_operation(const void *arg)
{
    (void)arg;
    verify(mech_input(), 100, 256);
    update(mech_input(), 100);
    final(256);
}

static void twice(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_RSA_PUBLIC, NULL);
    make();
    begin(key, 256);
    begin(key, 256);
}

static void not_allowed(const void *arg)
{
    (void)arg;
    make();
    begin(keys_make_with(KEY_RSA_PUBLIC, CKA_VERIFY, CK_FALSE), 256);
}

static void validation(const void *arg)
{
    (void)arg;
    CK_FLAGS flags = 7;
    if (!world.v32)
        record_say("absent");
    else if (DO_32(GetSessionValidationFlags, world.session, CKS_LAST_VALIDATION_OK, &flags) == CKR_OK)
        record_say("flags=%lx", flags);
}

static void async(const void *arg)
{
    (void)arg;
    CK_UTF8CHAR name[] = "C_Sign";
    CK_ASYNC_DATA data;
    CK_ULONG id;
    if (!world.v32) {
        record_say("absent");
        return;
    }
    DO_32(AsyncComplete, world.session, name, &data);
    DO_32(AsyncGetID, world.session, name, &id);
    DO_32(AsyncJoin, world.session, name, 1, out, sizeof(out));
}

void chapter_v32(void)
{
    static const struct test tests[] = {
        {"C_VerifySignature", "good", SETUP_USER, good},
        {"C_VerifySignature", "parts", SETUP_USER, good_parts},
        {"C_VerifySignature", "wrong", SETUP_USER, wrong},
        {"C_VerifySignature", "wrong-parts", SETUP_USER, wrong_parts},
        {"C_VerifySignature", "no-operation", SETUP_USER, no_operation},
        {"C_VerifySignatureInit", "twice", SETUP_USER, twice},
        {"C_VerifySignatureInit", "not-allowed", SETUP_USER, not_allowed},
        {"C_GetSessionValidationFlags", "success", SETUP_USER, validation},
        {"C_AsyncComplete", "session-that-is-not", SETUP_USER, async},
    };
    world_run_all("v32", tests, ARRAY_LEN(tests));
}
