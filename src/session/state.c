#include "session/state.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/buf.h"
#include "session/crypt.h"

/* Magic, version, phase, mechanism, its parameter, the input, SHA-256 of all that. */
#define MAGIC   "p11ha-op"
#define VERSION 1
#define HEAD    (sizeof(MAGIC) - 1 + 4 + 4 + 8 + 4 + 8)

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    if (len)
        memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_number(uint8_t *at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> (8 * i));
    return at + bytes;
}

/* The one operation of the session that has a state. */
static CK_RV find_digest(const struct session *session, struct operation **ret)
{
    bool others = false;
    struct operation *digest = NULL;
    for (int kind = 0; kind < OP_KINDS; kind++) {
        struct operation *op = session->op[kind];
        if (!op || op->phase == PHASE_IDLE || kind == OP_FIND)
            continue;
        if (kind == OP_DIGEST)
            digest = op;
        else
            others = true;
    }
    if (!digest && !others)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (others || digest->parts.dropped || digest->fed_count > 0 ||
        (digest->mech.pParameter &&
         mech_shape(mech_lookup(digest->mech.mechanism), digest->mech.ulParameterLen)))
        return CKR_STATE_UNSAVEABLE;
    *ret = digest;
    return CKR_OK;
}

CK_RV state_get(struct session *session, uint8_t *out, CK_ULONG *len)
{
    struct operation *op;
    CK_RV rv = find_digest(session, &op);
    if (rv != CKR_OK)
        return rv;
    CK_ULONG param = op->mech.pParameter ? op->mech.ulParameterLen : 0;
    size_t body = HEAD + param + op->parts.in_len, room = *len;
    *len = body + SHA256_DIGEST_LENGTH;
    if (!out)
        return CKR_OK;
    if (room < *len)
        return CKR_BUFFER_TOO_SMALL;
    uint8_t *at = put(out, MAGIC, sizeof(MAGIC) - 1);
    at = put_number(at, VERSION, 4);
    at = put_number(at, op->phase, 4);
    at = put_number(at, op->mech.mechanism, 8);
    at = put_number(at, param, 4);
    at = put_number(at, op->parts.in_len, 8);
    at = put(at, op->mech.pParameter, param);
    at = put(at, op->parts.in, op->parts.in_len);
    SHA256(out, body, at);
    return CKR_OK;
}

struct saved {
    enum op_phase phase;
    CK_MECHANISM mech;
    const uint8_t *in;
    size_t in_len;
};

static bool read_state(const uint8_t *data, size_t len, struct saved *ret)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    if (len < HEAD + sizeof(sum))
        return false;
    SHA256(data, len - sizeof(sum), sum);
    if (memcmp(sum, data + len - sizeof(sum), sizeof(sum)) != 0)
        return false;
    struct reader reader = {.data = data, .left = len - sizeof(sum)};
    const uint8_t *magic = reader_bytes(&reader, sizeof(MAGIC) - 1);
    if (!magic || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0 || reader_u32(&reader) != VERSION)
        return false;
    ret->phase = (enum op_phase)reader_u32(&reader);
    ret->mech.mechanism = reader_u64(&reader);
    ret->mech.ulParameterLen = reader_u32(&reader);
    ret->in_len = reader_u64(&reader);
    /* Pointers of another process lead nowhere. */
    if (mech_shape(mech_lookup(ret->mech.mechanism), ret->mech.ulParameterLen))
        return false;
    if (reader.left < ret->mech.ulParameterLen || reader.left - ret->mech.ulParameterLen != ret->in_len)
        return false;
    ret->mech.pParameter =
        ret->mech.ulParameterLen ? (void *)reader_bytes(&reader, ret->mech.ulParameterLen) : NULL;
    ret->in = reader_bytes(&reader, ret->in_len);
    return ret->phase == PHASE_PARTS || (ret->phase == PHASE_READY && ret->in_len == 0);
}

CK_RV state_set(struct session *session, const uint8_t *in, size_t len, bool keys)
{
    struct saved saved;
    if (!read_state(in, len, &saved))
        return CKR_SAVED_STATE_INVALID;
    if (keys)
        return CKR_KEY_NOT_NEEDED;
    for (int kind = 0; kind < OP_KINDS; kind++)
        if (session->op[kind] && kind != OP_FIND)
            operation_end(session->op[kind]);
    CK_RV rv = crypt_init(session, OP_DIGEST, &saved.mech, CK_INVALID_HANDLE);
    if (rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID)
        return CKR_SAVED_STATE_INVALID;
    if (rv != CKR_OK || saved.phase == PHASE_READY)
        return rv;
    return crypt_step(session, OP_DIGEST, EVENT_UPDATE,
                      &(struct op_io){.in = saved.in, .in_len = saved.in_len});
}
