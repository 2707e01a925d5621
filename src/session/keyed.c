#include "session/keyed.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "session/local.h"
#include "session/reach.h"

#define VALUE_MAX 65536 /* a key longer than that is none */

static CK_RV note(struct operation *op, struct object *key)
{
    struct op_key *more = mem_new(op->fed_count + 1, sizeof(*more));
    if (!more)
        return CKR_HOST_MEMORY;
    if (op->fed_count)
        memcpy(more, op->fed, op->fed_count * sizeof(*more));
    more[op->fed_count++] = (struct op_key){op->parts.in_len, object_ref(key)};
    mem_free(op->fed);
    op->fed = more;
    return CKR_OK;
}

static void forget_last(struct operation *op)
{
    object_unref(op->fed[--op->fed_count].object);
}

/* The bytes [from, to) of what was fed, and then the key if there is one. With STEP_INIT on any member. */
static CK_RV run_stretch(struct operation *op, unsigned steps, size_t from, size_t to, struct object *key,
                         bool *ret_lost)
{
    *ret_lost = false;
    if (to > from)
        steps |= STEP_UPDATE;
    if (key)
        steps |= STEP_KEY;
    if (steps == 0)
        return CKR_OK;
    const uint8_t *in = to > from ? op->parts.in + from : NULL;
    AUTO(frame_unref) struct frame *frame = reach_frame(op, steps, in, to - from, NULL, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    op->feeding = key;
    CK_RV rv = steps & STEP_INIT ? reach_anew(op, &frame, true) : reach_held(op, &frame, ret_lost);
    op->feeding = NULL;
    return rv;
}

CK_RV keyed_bring(struct operation *op)
{
    reach_let_go(op, false);
    bool lost = true;
    CK_RV rv = CKR_DEVICE_ERROR;
    for (unsigned tries = 0; lost && tries <= op->token->group->count; tries++) {
        size_t from = 0;
        unsigned steps = reach_first_steps(op);
        rv = CKR_OK;
        lost = false;
        for (size_t i = 0; i < op->fed_count && rv == CKR_OK; i++) {
            rv = run_stretch(op, steps, from, op->fed[i].at, op->fed[i].object, &lost);
            from = op->fed[i].at;
            steps = 0;
        }
        if (rv == CKR_OK)
            rv = run_stretch(op, steps, from, op->parts.in_len, NULL, &lost);
    }
    return lost ? CKR_DEVICE_ERROR : rv;
}

static CK_RV bring_with(struct operation *op, struct object *key)
{
    CK_RV rv = note(op, key);
    if (rv != CKR_OK)
        return rv;
    rv = keyed_bring(op);
    if (rv != CKR_OK)
        forget_last(op);
    return rv;
}

/* *ret_done false: it may not be read, or is not here to be read. */
static CK_RV feed_value(struct operation *op, struct object *key, bool *ret_done)
{
    CK_ATTRIBUTE value = {CKA_VALUE, NULL, 0};
    *ret_done = false;
    if (store_get(op->token->store, key, &value, 1) != CKR_OK || value.ulValueLen > VALUE_MAX)
        return CKR_OK;
    AUTO(secret_free) uint8_t *bytes = secret_alloc(value.ulValueLen + 1);
    if (!bytes)
        return CKR_HOST_MEMORY;
    value.pValue = bytes;
    if (store_get(op->token->store, key, &value, 1) != CKR_OK)
        return CKR_OK;
    CK_RV rv = note(op, key);
    if (rv == CKR_OK)
        rv = local_feed(op, bytes, value.ulValueLen);
    *ret_done = rv == CKR_OK;
    return rv;
}

/* A digest that runs here goes on here if the member refuses the key. */
static CK_RV move(struct operation *op, struct object *key)
{
    if (op->parts.dropped) {
        log_event(
            LOG_WARN, "digest-not-moved", "group=%s fed=%zu why=%s", op->token->config->name, op->parts.fed,
            "only a member can feed this key, and the input was longer than replay-limit and is not kept");
        return CKR_KEY_INDIGESTIBLE;
    }
    op->engine = ENGINE_MEMBER;
    CK_RV rv = bring_with(op, key);
    if (rv != CKR_OK) {
        reach_let_go(op, false);
        op->engine = ENGINE_LOCAL;
    }
    return rv == CKR_MECHANISM_INVALID ? CKR_KEY_INDIGESTIBLE : rv;
}

CK_RV keyed_feed(struct operation *op, struct object *key)
{
    bool done = false, lost = true;
    if (op->engine == ENGINE_LOCAL) {
        CK_RV rv = feed_value(op, key, &done);
        return rv != CKR_OK || done ? rv : move(op, key);
    }
    if (op->real) {
        CK_RV rv = run_stretch(op, 0, 0, 0, key, &lost);
        if (!lost)
            return rv == CKR_OK ? note(op, key) : rv;
    }
    if (op->parts.dropped)
        return CKR_DEVICE_ERROR;
    return bring_with(op, key);
}
