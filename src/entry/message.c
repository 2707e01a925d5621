/* Message-based encryption, decryption, signatures and verification. */
#include "session/message.h"

#include "entry/crypt.h"

typedef CK_RV (*message_fn)(struct session *session, enum op_kind kind, const struct op_io *io);

static CK_RV step(enum call_id call, CK_SESSION_HANDLE session, message_fn function, enum op_kind kind,
                  const struct op_io *io)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, call, session);
    entry.trace.in = io->in_len;
    if (rv == CKR_OK)
        rv = function(entry.session, kind, io);
    if (io->out_len && rv == CKR_OK)
        entry.trace.out = *io->out_len;
    return entry_end(&entry, rv);
}

static CK_RV final(enum call_id call, CK_SESSION_HANDLE session, enum op_kind kind)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, call, session);
    if (rv == CKR_OK)
        rv = message_final(entry.session, kind);
    return entry_end(&entry, rv);
}

#define INIT_AND_FINAL(name, kind)                                                      \
    CK_RV entry_C_Message##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mech, \
                                      CK_OBJECT_HANDLE key)                             \
    {                                                                                   \
        return crypt_enter_init(CALL_Message##name##Init, session, kind, mech, key);    \
    }                                                                                   \
    CK_RV entry_C_Message##name##Final(CK_SESSION_HANDLE session)                       \
    {                                                                                   \
        return final(CALL_Message##name##Final, session, kind);                         \
    }

INIT_AND_FINAL(Encrypt, OP_MESSAGE_ENCRYPT)
INIT_AND_FINAL(Decrypt, OP_MESSAGE_DECRYPT)
INIT_AND_FINAL(Sign, OP_MESSAGE_SIGN)
INIT_AND_FINAL(Verify, OP_MESSAGE_VERIFY)

#define CIPHER(name, op)                                                                                    \
    CK_RV entry_C_##name##Message(CK_SESSION_HANDLE session, CK_VOID_PTR with, CK_ULONG with_len,           \
                                  CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR from, CK_ULONG from_len, \
                                  CK_BYTE_PTR to, CK_ULONG_PTR to_len)                                      \
    {                                                                                                       \
        return step(CALL_##name##Message, session, message_once, op,                                        \
                    &(struct op_io){.param = with,                                                          \
                                    .param_len = with_len,                                                  \
                                    .aad = data,                                                            \
                                    .aad_len = data_len,                                                    \
                                    .in = from,                                                             \
                                    .in_len = from_len,                                                     \
                                    .out = to,                                                              \
                                    .out_len = to_len});                                                    \
    }                                                                                                       \
    CK_RV entry_C_##name##MessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR with, CK_ULONG with_len,      \
                                       CK_BYTE_PTR data, CK_ULONG data_len)                                 \
    {                                                                                                       \
        return step(                                                                                        \
            CALL_##name##MessageBegin, session, message_begin, op,                                          \
            &(struct op_io){.param = with, .param_len = with_len, .aad = data, .aad_len = data_len});       \
    }                                                                                                       \
    CK_RV entry_C_##name##MessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR with, CK_ULONG with_len,       \
                                      CK_BYTE_PTR from, CK_ULONG from_len, CK_BYTE_PTR to,                  \
                                      CK_ULONG_PTR to_len, CK_FLAGS how)                                    \
    {                                                                                                       \
        return step(CALL_##name##MessageNext, session, message_next, op,                                    \
                    &(struct op_io){.param = with,                                                          \
                                    .param_len = with_len,                                                  \
                                    .in = from,                                                             \
                                    .in_len = from_len,                                                     \
                                    .out = to,                                                              \
                                    .out_len = to_len,                                                      \
                                    .flags = how});                                                         \
    }

CIPHER(Encrypt, OP_MESSAGE_ENCRYPT)
CIPHER(Decrypt, OP_MESSAGE_DECRYPT)

CK_RV entry_C_SignMessage(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE_PTR in,
                          CK_ULONG in_len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return step(CALL_SignMessage, session, message_once, OP_MESSAGE_SIGN,
                &(struct op_io){.param = param,
                                .param_len = param_len,
                                .in = in,
                                .in_len = in_len,
                                .out = out,
                                .out_len = out_len});
}

CK_RV entry_C_SignMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len)
{
    return step(CALL_SignMessageBegin, session, message_begin, OP_MESSAGE_SIGN,
                &(struct op_io){.param = param, .param_len = param_len});
}

/* Where the signature is asked for the message ends. */
CK_RV entry_C_SignMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len,
                              CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return step(CALL_SignMessageNext, session, message_next, OP_MESSAGE_SIGN,
                &(struct op_io){.param = param,
                                .param_len = param_len,
                                .in = in,
                                .in_len = in_len,
                                .out = out,
                                .out_len = out_len,
                                .flags = out_len ? CKF_END_OF_MESSAGE : 0});
}

CK_RV entry_C_VerifyMessage(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE_PTR in,
                            CK_ULONG in_len, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    return step(CALL_VerifyMessage, session, message_once, OP_MESSAGE_VERIFY,
                &(struct op_io){.param = param,
                                .param_len = param_len,
                                .in = in,
                                .in_len = in_len,
                                .signature = signature,
                                .signature_len = signature_len});
}

CK_RV entry_C_VerifyMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len)
{
    return step(CALL_VerifyMessageBegin, session, message_begin, OP_MESSAGE_VERIFY,
                &(struct op_io){.param = param, .param_len = param_len});
}

CK_RV entry_C_VerifyMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len,
                                CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR signature,
                                CK_ULONG signature_len)
{
    return step(CALL_VerifyMessageNext, session, message_next, OP_MESSAGE_VERIFY,
                &(struct op_io){.param = param,
                                .param_len = param_len,
                                .in = in,
                                .in_len = in_len,
                                .signature = signature,
                                .signature_len = signature_len,
                                .flags = signature ? CKF_END_OF_MESSAGE : 0});
}
