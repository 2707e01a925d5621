#include "session/find.h"

#include <string.h>

static enum op_phase phase_of(const struct session *session)
{
    const struct operation *op = session->op[OP_FIND];
    return op ? op->phase : PHASE_IDLE;
}

CK_RV find_init(struct session *session, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    struct op_rule rule = operation_rule(phase_of(session), EVENT_INIT);
    if (!rule.allowed)
        return rule.rv;
    struct operation *op;
    CK_RV rv = session_operation(session, OP_FIND, &op);
    if (rv != CKR_OK)
        return rv;
    rv = store_find(op->token->store, templ, count, token_user_in(op->token), &op->found, &op->found_count);
    if (rv != CKR_OK)
        return rv;
    op->found_next = 0;
    op->phase = rule.next;
    return CKR_OK;
}

CK_RV find_next(struct session *session, CK_OBJECT_HANDLE *into, CK_ULONG max, CK_ULONG *ret_count)
{
    struct op_rule rule = operation_rule(phase_of(session), EVENT_UPDATE);
    if (!rule.allowed)
        return rule.rv;
    struct operation *op = session->op[OP_FIND];
    size_t count = size_min(max, op->found_count - op->found_next);
    if (count)
        memcpy(into, op->found + op->found_next, count * sizeof(*into));
    op->found_next += count;
    op->phase = rule.next;
    *ret_count = count;
    return CKR_OK;
}

CK_RV find_final(struct session *session)
{
    struct op_rule rule = operation_rule(phase_of(session), EVENT_FINAL);
    if (rule.allowed)
        operation_end(session->op[OP_FIND]);
    return rule.rv;
}
