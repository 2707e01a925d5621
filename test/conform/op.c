#include "op.h"

#include <stdio.h>

static const struct {
    const char *name;
    CK_ATTRIBUTE_TYPE usage;
} ops[OPS] = {
    [OP_ENCRYPT] = {"C_Encrypt", CKA_ENCRYPT},
    [OP_DECRYPT] = {"C_Decrypt", CKA_DECRYPT},
    [OP_SIGN] = {"C_Sign", CKA_SIGN},
    [OP_VERIFY] = {"C_Verify", CKA_VERIFY},
    [OP_DIGEST] = {"C_Digest", 0},
};

const char *op_name(enum op op, const char *step)
{
    static char text[2][32];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof(text[turn]), "%s%s", ops[op].name, step);
    return text[turn];
}

enum key op_key(enum op op, const struct mech *mech)
{
    return op == OP_ENCRYPT || op == OP_VERIFY ? mech->public : mech->secret;
}

CK_ATTRIBUTE_TYPE op_usage(enum op op)
{
    return ops[op].usage;
}

bool op_has_output(enum op op)
{
    return op != OP_VERIFY;
}

CK_RV op_init(enum op op, CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    CK_SESSION_HANDLE s = world.session;
    switch (op) {
    case OP_ENCRYPT:
        return DO(EncryptInit, s, mech, key);
    case OP_DECRYPT:
        return DO(DecryptInit, s, mech, key);
    case OP_SIGN:
        return DO(SignInit, s, mech, key);
    case OP_VERIFY:
        return DO(VerifyInit, s, mech, key);
    default:
        return DO(DigestInit, s, mech);
    }
}

CK_RV op_one(enum op op, const CK_BYTE *given, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_SESSION_HANDLE s = world.session;
    CK_BYTE *in = (CK_BYTE *)given;
    switch (op) {
    case OP_ENCRYPT:
        return DO(Encrypt, s, in, len, out, out_len);
    case OP_DECRYPT:
        return DO(Decrypt, s, in, len, out, out_len);
    case OP_SIGN:
        return DO(Sign, s, in, len, out, out_len);
    case OP_VERIFY:
        return DO(Verify, s, in, len, out, *out_len);
    default:
        return DO(Digest, s, in, len, out, out_len);
    }
}

CK_RV op_update(enum op op, const CK_BYTE *given, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_SESSION_HANDLE s = world.session;
    CK_BYTE *in = (CK_BYTE *)given;
    switch (op) {
    case OP_ENCRYPT:
        return DO(EncryptUpdate, s, in, len, out, out_len);
    case OP_DECRYPT:
        return DO(DecryptUpdate, s, in, len, out, out_len);
    case OP_SIGN:
        return DO(SignUpdate, s, in, len);
    case OP_VERIFY:
        return DO(VerifyUpdate, s, in, len);
    default:
        return DO(DigestUpdate, s, in, len);
    }
}

CK_RV op_final(enum op op, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_SESSION_HANDLE s = world.session;
    switch (op) {
    case OP_ENCRYPT:
        return DO(EncryptFinal, s, out, out_len);
    case OP_DECRYPT:
        return DO(DecryptFinal, s, out, out_len);
    case OP_SIGN:
        return DO(SignFinal, s, out, out_len);
    case OP_VERIFY:
        return DO(VerifyFinal, s, out, *out_len);
    default:
        return DO(DigestFinal, s, out, out_len);
    }
}
