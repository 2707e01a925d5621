/* Dual-function cryptographic operations. */
#include "session/dual.h"
#include "entry/enter.h"

static CK_RV update(enum call_id call, CK_SESSION_HANDLE session, enum op_kind cipher, enum op_kind other,
                    const struct op_io *io)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, call, session);
    entry.trace.in = io->in_len;
    if (rv == CKR_OK)
        rv = dual_update(entry.session, cipher, other, io);
    if (io->out_len && rv == CKR_OK)
        entry.trace.out = *io->out_len;
    return entry_end(&entry, rv);
}

#define DUAL(name, cipher, other)                                                                     \
    CK_RV entry_C_##name(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out, \
                         CK_ULONG_PTR out_len)                                                        \
    {                                                                                                 \
        return update(CALL_##name, session, cipher, other,                                            \
                      &(struct op_io){.in = in, .in_len = in_len, .out = out, .out_len = out_len});   \
    }

DUAL(DigestEncryptUpdate, OP_ENCRYPT, OP_DIGEST)
DUAL(DecryptDigestUpdate, OP_DECRYPT, OP_DIGEST)
DUAL(SignEncryptUpdate, OP_ENCRYPT, OP_SIGN)
DUAL(DecryptVerifyUpdate, OP_DECRYPT, OP_VERIFY)
