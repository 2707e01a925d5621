/* The five kinds of operation under one shape, so that their cases are written once. */
#ifndef CONFORM_OP_H
#define CONFORM_OP_H

#include "mech.h"

enum op { OP_ENCRYPT, OP_DECRYPT, OP_SIGN, OP_VERIFY, OP_DIGEST, OPS };

/* Names of the functions: op_name(OP_SIGN, "Update") is "C_SignUpdate". Good until the next but one. */
const char *op_name(enum op op, const char *step);
/* The key that the mechanism takes for this kind. */
enum key op_key(enum op op, const struct mech *mech);
/* The flag that allows it. */
CK_ATTRIBUTE_TYPE op_usage(enum op op);
bool op_has_output(enum op op);

/* All record what they were answered. For OP_VERIFY `out` is the signature and *out_len its length. */
CK_RV op_init(enum op op, CK_MECHANISM *mech, CK_OBJECT_HANDLE key);
CK_RV op_one(enum op op, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV op_update(enum op op, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV op_final(enum op op, CK_BYTE *out, CK_ULONG *out_len);

#endif
