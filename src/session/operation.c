#include "session/operation.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "session/parts.h"
#include "session/reach.h"

struct operation *operation_new(struct token *token, enum op_kind kind)
{
    struct operation *op = secret_alloc(sizeof(*op));
    if (!op)
        return NULL;
    op->token = token;
    op->kind = kind;
    return op;
}

void operation_free(struct operation *op)
{
    if (!op)
        return;
    operation_end(op);
    EVP_MD_CTX_free(op->hash);
    secret_release(op, sizeof(*op));
}

void operation_end(struct operation *op)
{
    op->phase = PHASE_IDLE;
    op->counted = false;
    operation_drop_result(op);
    reach_let_go(op, false);
    parts_forget(&op->parts);
    op->parts = (struct op_parts){0};
    while (op->fed_count > 0)
        object_unref(op->fed[--op->fed_count].object);
    mem_free(TAKE(op->fed));
    if (op->md && op->hash)
        EVP_MD_CTX_reset(op->hash);
    op->md = NULL;
    op->hashed = false;
    secret_free(TAKE(op->pin));
    op->pin_len = 0;
    secret_free(TAKE(op->signature));
    op->signature_len = 0;
    frame_unref(TAKE(op->mech_block));
    object_unref(TAKE(op->key));
    mem_free(TAKE(op->found));
}

CK_RV operation_set_mech(struct operation *op, const CK_MECHANISM *mech)
{
    const struct mech_info *info = mech_lookup(mech->mechanism);
    const struct param_shape *shape = mech->pParameter ? mech_shape(info, mech->ulParameterLen) : NULL;
    CK_RV rv = frame_check_mech(mech);
    if (rv != CKR_OK)
        return rv;
    op->stateful = info && (info->flags & MECH_STATEFUL);
    op->mech = *mech;
    if (mech->pParameter && mech->ulParameterLen <= sizeof(op->param) && !shape) {
        memcpy(op->param, mech->pParameter, mech->ulParameterLen);
        op->mech.pParameter = op->param;
    } else if (mech->pParameter) {
        op->mech_block = frame_new(VERB_CRYPT, frame_room_mech(mech), 0);
        if (!op->mech_block)
            return CKR_HOST_MEMORY;
        frame_set_mech(op->mech_block, mech);
        op->mech = op->mech_block->mech;
    }
    op->there = op->mech;
    return CKR_OK;
}

static unsigned order_bits(const struct attrs *attrs)
{
    const CK_ATTRIBUTE *params = attrs_get(attrs, CKA_EC_PARAMS), *subprime = attrs_get(attrs, CKA_SUBPRIME);
    if (params)
        return length_curve_order(params->pValue, params->ulValueLen);
    if (!subprime)
        return 0;
    const uint8_t *byte = subprime->pValue;
    CK_ULONG len = subprime->ulValueLen;
    for (; len > 0 && *byte == 0; len--)
        byte++;
    return (unsigned)len * 8;
}

/* Leading zeros of a modulus do not count, and object->bits does not know of them. */
static unsigned modulus_bits(const struct attrs *attrs, unsigned otherwise)
{
    const CK_ATTRIBUTE *modulus = attrs_get(attrs, CKA_MODULUS);
    if (!modulus)
        return otherwise;
    const uint8_t *byte = modulus->pValue;
    CK_ULONG len = modulus->ulValueLen;
    for (; len > 0 && *byte == 0; len--)
        byte++;
    return (unsigned)len * 8;
}

CK_RV operation_set_key(struct operation *op, struct object *key)
{
    op->key = key;
    op->work = mech_work(op->kind, key->subtype, key->bits);
    if (op->facts.of == key->item.handle)
        return CKR_OK;
    AUTO(attrs_free) struct attrs attrs = {0};
    CK_RV rv = catalog_attrs(op->token->group->catalog, key, &attrs);
    if (rv != CKR_OK)
        return rv;
    const CK_ATTRIBUTE *allowed = attrs_get(&attrs, CKA_ALLOWED_MECHANISMS);
    op->facts = (struct op_facts){
        .of = key->item.handle,
        .length = {.type = key->subtype,
                   .bits = modulus_bits(&attrs, key->bits),
                   .order_bits = order_bits(&attrs)},
        .always_authenticate = attrs_bool(&attrs, CKA_ALWAYS_AUTHENTICATE, false),
        .restricted = allowed && allowed->ulValueLen > 0,
    };
    return CKR_OK;
}

CK_RV operation_set_signature(struct operation *op, const uint8_t *signature, size_t len)
{
    op->signature = secret_copy(signature, len);
    if (!op->signature)
        return CKR_HOST_MEMORY;
    op->signature_len = len;
    return CKR_OK;
}

void operation_keep_result(struct operation *op, struct op_result result)
{
    operation_drop_result(op);
    op->result = result;
}

void operation_drop_result(struct operation *op)
{
    frame_unref(op->result.frame);
    op->result = (struct op_result){0};
}

static bool same(const struct span *span, size_t offset, const uint8_t *data, size_t len)
{
    return span->len - offset == len && (len == 0 || memcmp(span->data + offset, data, len) == 0);
}

bool operation_has_result(const struct operation *op, enum op_event event, const struct op_io *io)
{
    const struct op_result *result = &op->result;
    if (!result->frame || result->event != event)
        return false;
    return event == EVENT_FINAL || same(&result->frame->in[0], result->in_offset, io->in, io->in_len);
}

CK_RV operation_deliver(struct operation *op, const struct op_io *io)
{
    const struct op_result *result = &op->result;
    bool fits = io->out && *io->out_len >= result->len;
    *io->out_len = result->len;
    if (!fits)
        return io->out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    if (result->len)
        memcpy(io->out, result->frame->out + result->offset, result->len);
    operation_drop_result(op);
    return CKR_OK;
}
