#include "replica/remote.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "call/rv.h"
#include "router/verdict.h"

#define BLOB_ROOM  8192
#define VALUE_ROOM (1u << 20) /* a larger value is refused rather than recorded without */

CK_RV remote_run(struct remote remote, struct frame *frame, bool kept)
{
    struct member *member = remote.member;
    struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    for (;;) {
        uint32_t epoch = member_epoch(member);
        CK_RV rv = CKR_OK;
        /* It has failed in nothing if it is given no time. */
        if (clock_now() >= remote.deadline)
            return RV_NO_TIME;
        /* Real handles are of one epoch: with a new session they are gone, so only calls without any are
         * repeated. */
        bool bare = frame->key[0] == 0 && frame->key[1] == 0;
        frame->epoch = bare ? 0 : remote.epoch;
        if (frame->epoch != 0 && frame->epoch != epoch)
            return CKR_SESSION_HANDLE_INVALID;
        if (!atomic_load_explicit(&member->signed_in, memory_order_acquire))
            rv = member_sign_on(member, remote.deadline);
        if (rv == CKR_OK)
            rv = kept ? member_call_kept(member, frame, remote.deadline)
                      : member_call(member, frame, remote.deadline);
        enum error_class class = verdict_class(rv, &facts);
        if (class == ERROR_SESSION_LOST)
            member_lost_sessions(member, epoch);
        if (class == ERROR_SESSION_LOST && bare && !facts.fresh_session) {
            facts.fresh_session = true;
            continue;
        }
        if (class == ERROR_TRANSPORT)
            member_event(member, HEALTH_TRANSPORT, rv);
        /* The group key's handle is dead: the member has forgotten what it gave us. */
        if (class == ERROR_STALE_HANDLE && (frame->verb == VERB_WRAP || frame->verb == VERB_UNWRAP))
            member_lost_handles(member, epoch);
        return rv;
    }
}

CK_RV remote_find(struct remote remote, const CK_ATTRIBUTE *templ, size_t count, CK_OBJECT_HANDLE *found,
                  size_t max, size_t *ret_count)
{
    AUTO(frame_unref)
    struct frame *frame = frame_new(VERB_FIND, frame_room_templ(templ, count), max * sizeof(*found));
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_templ(frame, 0, templ, count);
    CK_RV rv = remote_run(remote, frame, false);
    if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
        return rv;
    memcpy(found, frame->out, frame->out_len);
    *ret_count = frame->out_len / sizeof(*found);
    return rv;
}

static bool tells(CK_RV rv)
{
    return rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           rv == CKR_BUFFER_TOO_SMALL;
}

static CK_RV get_frame(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *templ, size_t count,
                       struct frame **ret)
{
    size_t room = frame_room_templ(templ, count);
    AUTO(frame_unref)
    struct frame *frame = frame_new(VERB_GET_ATTRIBUTES, room, room + frame_room(64 * count));
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_templ(frame, 0, templ, count);
    frame->key[0] = object;
    CK_RV rv = remote_run(remote, frame, false);
    if (tells(rv))
        *ret = TAKE(frame);
    return rv;
}

static CK_RV get_some(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *type,
                      size_t count, struct attrs *ret)
{
    CK_ATTRIBUTE *templ = mem_new(count + 1, sizeof(*templ));
    if (!templ)
        return CKR_HOST_MEMORY;
    for (size_t i = 0; i < count; i++)
        templ[i].type = type[i];
    AUTO(frame_unref) struct frame *lengths = NULL;
    CK_RV rv = get_frame(remote, object, templ, count, &lengths);
    size_t known = 0;
    CK_RV set = CKR_OK;
    for (size_t i = 0; tells(rv) && i < count; i++) {
        const CK_ATTRIBUTE *answer = (const CK_ATTRIBUTE *)(const void *)lengths->out + i;
        bool nested = (type[i] & CKF_ARRAY_ATTRIBUTE) && type[i] != CKA_ALLOWED_MECHANISMS;
        if (answer->ulValueLen <= VALUE_ROOM && !nested)
            templ[known++] = (CK_ATTRIBUTE){answer->type, NULL, answer->ulValueLen};
        else if (answer->ulValueLen != CK_UNAVAILABLE_INFORMATION && !nested)
            set = CKR_ATTRIBUTE_VALUE_INVALID;
    }
    AUTO(frame_unref) struct frame *values = NULL;
    if (tells(rv) && set == CKR_OK && known > 0)
        rv = get_frame(remote, object, templ, known, &values);
    for (size_t i = 0; tells(rv) && values && i < known && set == CKR_OK; i++) {
        const CK_ATTRIBUTE *answer = (const CK_ATTRIBUTE *)(const void *)values->out + i;
        if (answer->ulValueLen <= templ[i].ulValueLen)
            set = attrs_set(ret, answer->type, answer->pValue, answer->ulValueLen);
    }
    mem_free(templ);
    return tells(rv) ? set : rv;
}

CK_RV remote_get(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *type, size_t count,
                 struct attrs *ret)
{
    CK_ATTRIBUTE_TYPE *plain = mem_new(count + 1, sizeof(*plain));
    if (!plain)
        return CKR_HOST_MEMORY;
    size_t plain_count = 0;
    CK_RV rv = CKR_OK;
    for (size_t i = 0; i < count; i++)
        if (type[i] != CKA_START_DATE && type[i] != CKA_END_DATE)
            plain[plain_count++] = type[i];
    if (plain_count > 0)
        rv = get_some(remote, object, plain, plain_count, ret);
    mem_free(plain);
    /* SoftHSM answers GENERAL_ERROR for dates of private objects, and then fills nothing behind them: each
     * alone. */
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        if (type[i] == CKA_START_DATE || type[i] == CKA_END_DATE) {
            CK_RV date = get_some(remote, object, &type[i], 1, ret);
            if (date != CKR_OK && date != CKR_GENERAL_ERROR)
                rv = date;
        }
    return rv;
}

static struct frame *templ_frame(enum verb verb, const CK_ATTRIBUTE *templ, size_t count, size_t more)
{
    struct frame *frame = frame_new(verb, frame_room_templ(templ, count) + more, 0);
    if (frame)
        frame_set_templ(frame, 0, templ, count);
    return frame;
}

static CK_RV run_making(struct remote remote, struct frame *frame, CK_OBJECT_HANDLE *ret)
{
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = remote_run(remote, frame, true);
    if (rv == CKR_OK)
        *ret = frame->made[0];
    return rv;
}

CK_RV remote_create(struct remote remote, const CK_ATTRIBUTE *templ, size_t count, CK_OBJECT_HANDLE *ret)
{
    AUTO(frame_unref) struct frame *frame = templ_frame(VERB_CREATE, templ, count, 0);
    return run_making(remote, frame, ret);
}

CK_RV remote_copy(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *templ, size_t count,
                  CK_OBJECT_HANDLE *ret)
{
    AUTO(frame_unref) struct frame *frame = templ_frame(VERB_COPY, templ, count, 0);
    if (frame)
        frame->key[0] = object;
    return run_making(remote, frame, ret);
}

CK_RV remote_set(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *templ, size_t count)
{
    AUTO(frame_unref) struct frame *frame = templ_frame(VERB_SET_ATTRIBUTES, templ, count, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->key[0] = object;
    return remote_run(remote, frame, false);
}

CK_RV remote_destroy(struct remote remote, CK_OBJECT_HANDLE object)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_DESTROY, 0, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->key[0] = object;
    return remote_run(remote, frame, false);
}

CK_RV remote_wrap(struct remote remote, const CK_MECHANISM *mech, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key,
                  struct buf *ret)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_WRAP, frame_room_mech(mech), BLOB_ROOM);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_mech(frame, mech);
    frame->key[0] = with;
    frame->key[1] = key;
    CK_RV rv = remote_run(remote, frame, false);
    if (rv == CKR_OK)
        buf_bytes(ret, frame->out, frame->out_len);
    return rv == CKR_OK && ret->failed ? CKR_HOST_MEMORY : rv;
}

CK_RV remote_unwrap(struct remote remote, const CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                    const uint8_t *blob, size_t len, const CK_ATTRIBUTE *templ, size_t count,
                    CK_OBJECT_HANDLE *ret)
{
    AUTO(frame_unref)
    struct frame *frame = templ_frame(VERB_UNWRAP, templ, count, frame_room_mech(mech) + frame_room(len));
    if (frame) {
        frame_set_mech(frame, mech);
        frame_set_in(frame, 0, blob, len);
        frame->key[0] = with;
    }
    return run_making(remote, frame, ret);
}

CK_RV remote_crypt(struct remote remote, enum op_kind kind, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                   const uint8_t *data, size_t data_len, uint8_t *out, size_t *len, bool login)
{
    AUTO(secret_free) uint8_t *pin = NULL;
    size_t pin_len = 0;
    CK_USER_TYPE user;
    uint64_t generation;
    if (login && signon_get(remote.member->signon, &user, &pin, &pin_len, &generation) != CKR_OK)
        return CKR_USER_NOT_LOGGED_IN;
    AUTO(frame_unref)
    struct frame *frame =
        frame_new(VERB_CRYPT, frame_room_mech(mech) + frame_room(data_len) + frame_room(pin_len), *len);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame->kind = kind;
    frame->steps = STEP_INIT | (login ? STEP_LOGIN : 0) | STEP_SINGLE;
    frame_set_mech(frame, mech);
    frame_set_in(frame, 0, data, data_len);
    if (login)
        frame_set_in(frame, 2, pin, pin_len);
    frame->key[0] = key;
    CK_RV rv = remote_run(remote, frame, false);
    if (rv != CKR_OK)
        return rv;
    *len = size_min(frame->out_len, *len);
    memcpy(out, frame->out, *len);
    return CKR_OK;
}
