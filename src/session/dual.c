#include "session/dual.h"

#include "base/secret.h"

static bool is_running(const struct session *session, enum op_kind kind)
{
    return session->op[kind] && session->op[kind]->phase != PHASE_IDLE;
}

/* The application may want the output where the input is. */
static bool overlap(const struct op_io *io)
{
    if (!io->out || !io->out_len)
        return false;
    return io->in < io->out + *io->out_len && io->out < io->in + io->in_len;
}

static CK_RV feed_both(struct session *session, enum op_kind cipher, enum op_kind other,
                       const struct op_io *io)
{
    CK_RV rv = crypt_step(session, cipher, EVENT_UPDATE, io);
    if (rv != CKR_OK || io_is_query(io))
        return rv;
    struct op_io more = {.in = io->in, .in_len = io->in_len};
    if (cipher == OP_DECRYPT)
        more = (struct op_io){.in = io->out, .in_len = *io->out_len};
    return crypt_step(session, other, EVENT_UPDATE, &more);
}

CK_RV dual_update(struct session *session, enum op_kind cipher, enum op_kind other, const struct op_io *io)
{
    if (!is_running(session, cipher) || !is_running(session, other))
        return CKR_OPERATION_NOT_INITIALIZED;
    struct op_io fed = *io;
    AUTO(secret_free) uint8_t *copy = NULL;
    if (cipher == OP_ENCRYPT && io->in && overlap(io)) {
        copy = secret_copy(io->in, io->in_len);
        if (!copy)
            return CKR_HOST_MEMORY;
        fed.in = copy;
    }
    CK_RV rv = feed_both(session, cipher, other, &fed);
    if (!is_running(session, cipher))
        operation_end(session->op[other]);
    else if (!is_running(session, other))
        operation_end(session->op[cipher]);
    return rv;
}
