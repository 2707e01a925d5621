#include "entry/crypt.h"

CK_RV crypt_enter_init(enum call_id call, CK_SESSION_HANDLE session, enum op_kind kind,
                       const CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, call, session);
    if (mech)
        entry.trace.mech = mech->mechanism;
    if (rv == CKR_OK)
        rv = crypt_init(entry.session, kind, mech, key);
    return entry_end(&entry, rv);
}

CK_RV crypt_enter(enum call_id call, CK_SESSION_HANDLE session, enum op_kind kind, enum op_event event,
                  const struct op_io *io)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, call, session);
    entry.trace.in = io->in_len;
    if (rv == CKR_OK)
        rv = crypt_step(entry.session, kind, event, io);
    if (io->out_len && rv == CKR_OK)
        entry.trace.out = *io->out_len;
    return entry_end(&entry, rv);
}
