#include "session/crypt.h"

#include <string.h>

#include "base/clock.h"
#include "session/keyed.h"
#include "session/local.h"
#include "session/parts.h"
#include "session/reach.h"
#include "session/single.h"

/* What tells apart Inits that a member might answer differently. IVs and the like do not. */
static uint64_t mark_of(const struct operation *op)
{
    const CK_MECHANISM *mech = &op->there;
    struct {
        uint64_t kind, type, len;
    } head = {op->kind, mech->mechanism, mech->ulParameterLen};
    uint64_t mark = map_hash(&head, sizeof(head), 0);
    if (mech->mechanism == CKM_RSA_PKCS_PSS && mech->pParameter)
        mark = map_hash(mech->pParameter, mech->ulParameterLen, mark);
    if (mech->mechanism == CKM_RSA_PKCS_OAEP && mech->pParameter &&
        mech->ulParameterLen == sizeof(CK_RSA_PKCS_OAEP_PARAMS)) {
        CK_RSA_PKCS_OAEP_PARAMS oaep;
        memcpy(&oaep, mech->pParameter, sizeof(oaep));
        oaep.pSourceData = NULL;
        mark = map_hash(&oaep, sizeof(oaep), mark);
    }
    return mark | 1;
}

static CK_RV look_up_key(const struct token *token, CK_OBJECT_HANDLE handle, struct object **ret)
{
    struct object *key = NULL;
    CK_RV rv = store_object(token->store, handle, token_user_in(token), &key);
    if (rv != CKR_OK)
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
    if (key->class != CKO_PRIVATE_KEY && key->class != CKO_PUBLIC_KEY && key->class != CKO_SECRET_KEY) {
        object_unref(key);
        return CKR_KEY_HANDLE_INVALID;
    }
    *ret = key;
    return CKR_OK;
}

static CK_RV find_key(struct operation *op, CK_OBJECT_HANDLE handle)
{
    struct object *key = NULL;
    CK_RV rv = look_up_key(op->token, handle, &key);
    return rv == CKR_OK ? operation_set_key(op, key) : rv;
}

static CK_RV begin(struct operation *op, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    op->deadline = clock_after(op->token->config->call_timeout);
    op->work = WORK_SYMMETRIC;
    CK_RV rv = operation_set_mech(op, mech);
    if (rv == CKR_OK && op->kind != OP_DIGEST)
        rv = find_key(op, key);
    if (rv == CKR_OK)
        rv = local_plan(op);
    if (rv != CKR_OK || op->engine == ENGINE_LOCAL)
        return rv;
    op->mark = mark_of(op);
    return reach_init(op);
}

CK_RV crypt_init(struct session *session, enum op_kind kind, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
    struct operation *op = session->op[kind];
    enum op_phase phase = op ? op->phase : PHASE_IDLE;
    if (!mech) {
        if (!operation_rule(phase, EVENT_CANCEL).allowed)
            return CKR_ARGUMENTS_BAD;
        operation_end(op);
        return CKR_OK;
    }
    struct op_rule rule = operation_rule(phase, EVENT_INIT);
    if (!rule.allowed)
        return rule.rv;
    CK_RV rv = session_operation(session, kind, &op);
    if (rv != CKR_OK)
        return rv;
    rv = begin(op, mech, key);
    if (rv == CKR_OK)
        op->phase = rule.next;
    else
        operation_end(op);
    return rv;
}

CK_RV crypt_init_signature(struct session *session, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                           const uint8_t *signature, size_t len)
{
    CK_RV rv = crypt_init(session, OP_VERIFY, mech, key);
    if (rv != CKR_OK || !mech)
        return rv;
    rv = operation_set_signature(session->op[OP_VERIFY], signature, len);
    if (rv != CKR_OK)
        operation_end(session->op[OP_VERIFY]);
    return rv;
}

/* May it go on at all? Its key may have become invisible, or want a login of its own first. */
static CK_RV gate(const struct operation *op, enum op_event event, const struct op_io *io)
{
    if (!op->key)
        return CKR_OK;
    if (op->key->private && !token_user_in(op->token))
        return CKR_OPERATION_NOT_INITIALIZED;
    bool works = event != EVENT_UPDATE || op->engine == ENGINE_MEMBER;
    if (op->facts.always_authenticate && !op->pin && works && !io_is_query(io))
        return CKR_USER_NOT_LOGGED_IN;
    return CKR_OK;
}

static CK_RV step(struct operation *op, enum op_event event, const struct op_io *io)
{
    op->deadline = clock_after(op->token->config->call_timeout);
    CK_RV rv = gate(op, event, io);
    if (rv != CKR_OK)
        return rv;
    if (op->engine != ENGINE_MEMBER)
        return local_step(op, event, io);
    switch (event) {
    case EVENT_ONE_SHOT:
        return single_run(op, event, io);
    case EVENT_UPDATE:
        return parts_update(op, io);
    default:
        return parts_final(op, io);
    }
}

/* Does this call give something back? */
static bool has_output(enum op_kind kind, enum op_event event)
{
    if (kind == OP_VERIFY)
        return false;
    return event != EVENT_UPDATE || kind == OP_ENCRYPT || kind == OP_DECRYPT;
}

CK_RV crypt_step(struct session *session, enum op_kind kind, enum op_event event, const struct op_io *io)
{
    if ((!io->in && io->in_len) || (!io->signature && io->signature_len) ||
        (!io->out_len && has_output(kind, event)))
        return CKR_ARGUMENTS_BAD;
    struct operation *op = session->op[kind];
    struct op_rule rule = operation_rule(op ? op->phase : PHASE_IDLE, event);
    if (!rule.allowed) {
        if (op && rule.next == PHASE_IDLE)
            operation_end(op);
        return rule.rv;
    }
    if (kind == OP_VERIFY && io->kept != !!op->signature)
        return CKR_OPERATION_NOT_INITIALIZED;
    struct op_io own = *io;
    if (io->kept && event != EVENT_UPDATE) {
        own.signature = op->signature;
        own.signature_len = op->signature_len;
    }
    CK_RV rv = step(op, event, &own);
    enum op_phase next = operation_rule(op->phase, operation_outcome(event, rv, io_is_query(io))).next;
    if (next == PHASE_IDLE)
        operation_end(op);
    else
        op->phase = next;
    return rv;
}

CK_RV crypt_digest_key(struct session *session, CK_OBJECT_HANDLE handle)
{
    struct operation *op = session->op[OP_DIGEST];
    struct op_rule rule = operation_rule(op ? op->phase : PHASE_IDLE, EVENT_UPDATE);
    if (!rule.allowed)
        return rule.rv;
    AUTO(object_unref) struct object *key = NULL;
    CK_RV rv = look_up_key(op->token, handle, &key);
    if (rv != CKR_OK)
        return rv;
    if (key->class != CKO_SECRET_KEY)
        return CKR_KEY_INDIGESTIBLE;
    op->deadline = clock_after(op->token->config->call_timeout);
    rv = keyed_feed(op, key);
    if (rv == CKR_OK)
        op->phase = rule.next;
    else if (rv != CKR_KEY_INDIGESTIBLE && rv != CKR_KEY_HANDLE_INVALID)
        operation_end(op);
    return rv;
}

CK_RV crypt_login(struct session *session, const uint8_t *pin, size_t len)
{
    static const enum op_kind order[] = {
        OP_SIGN,           OP_SIGN_RECOVER,    OP_DECRYPT,         OP_ENCRYPT,      OP_VERIFY,
        OP_VERIFY_RECOVER, OP_MESSAGE_ENCRYPT, OP_MESSAGE_DECRYPT, OP_MESSAGE_SIGN, OP_MESSAGE_VERIFY};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct operation *op = session->op[order[i]];
        if (!op || op->phase == PHASE_IDLE || !op->facts.always_authenticate || op->pin)
            continue;
        op->deadline = clock_after(op->token->config->call_timeout);
        return reach_login(op, pin, len);
    }
    return CKR_OPERATION_NOT_INITIALIZED;
}

void crypt_cancel(struct session *session, CK_FLAGS flags)
{
    static const CK_FLAGS flag[OP_KINDS] = {
        [OP_ENCRYPT] = CKF_ENCRYPT,
        [OP_DECRYPT] = CKF_DECRYPT,
        [OP_SIGN] = CKF_SIGN,
        [OP_VERIFY] = CKF_VERIFY,
        [OP_DIGEST] = CKF_DIGEST,
        [OP_SIGN_RECOVER] = CKF_SIGN_RECOVER,
        [OP_FIND] = CKF_FIND_OBJECTS,
        [OP_VERIFY_RECOVER] = CKF_VERIFY_RECOVER,
        [OP_MESSAGE_ENCRYPT] = CKF_MESSAGE_ENCRYPT,
        [OP_MESSAGE_DECRYPT] = CKF_MESSAGE_DECRYPT,
        [OP_MESSAGE_SIGN] = CKF_MESSAGE_SIGN,
        [OP_MESSAGE_VERIFY] = CKF_MESSAGE_VERIFY,
    };
    for (int kind = 0; kind < OP_KINDS; kind++)
        if (flags & flag[kind] && session->op[kind])
            operation_end(session->op[kind]);
}
