#include "session/reach.h"

#include "base/clock.h"
#include "base/secret.h"
#include "call/rv.h"
#include "router/route.h"

struct frame *reach_frame(const struct operation *op, unsigned steps, const uint8_t *in, size_t in_len,
                          const struct op_io *io, size_t out_room)
{
    static const struct op_io nothing = {0};
    const struct op_io *more = io ? io : &nothing;
    const struct param_shape *shape = mech_message_shape(op->there.mechanism, more->param_len);
    size_t room = frame_room_mech(&op->there) + frame_room(in_len) + frame_room(more->signature_len) +
                  frame_room(more->aad_len) + frame_room(op->pin_len) +
                  frame_room_param(shape, more->param, more->param_len);
    struct frame *frame = frame_new(op_is_message(op->kind) ? VERB_MESSAGE : VERB_CRYPT, room, out_room);
    if (!frame)
        return NULL;
    frame->kind = op->kind;
    frame->steps = steps;
    frame->number_in = more->flags;
    frame_set_mech(frame, &op->there);
    if (in_len || op_is_message(op->kind) || steps & (STEP_UPDATE | STEP_SINGLE))
        frame_set_in(frame, 0, in, in_len);
    if (more->signature)
        frame_set_in(frame, 1, more->signature, more->signature_len);
    if (more->aad)
        frame_set_in(frame, 1, more->aad, more->aad_len);
    if (op->pin)
        frame_set_in(frame, 2, op->pin, op->pin_len);
    frame_set_param(frame, shape, more->param, more->param_len);
    return frame;
}

unsigned reach_first_steps(const struct operation *op)
{
    return STEP_INIT | (op->pin ? STEP_LOGIN : 0u);
}

/* The same once more with the room that the member wants; false without memory. */
static bool give_room(struct frame **frame)
{
    struct frame *larger = frame_clone(*frame, (*frame)->out_cap + (*frame)->out_len + 64);
    if (!larger)
        return false;
    frame_unref(*frame);
    *frame = larger;
    return true;
}

/* The others must have their turn if this one does not answer. */
static uint64_t held_deadline(const struct operation *op)
{
    return op->token->group->count < 2 ? op->deadline : clock_share(op->deadline, 2);
}

CK_RV reach_held(struct operation *op, struct frame **frame, bool *ret_lost)
{
    enum error_class class;
    CK_RV rv;
    for (int tries = 0;; tries++) {
        rv = op->feeding
                 ? route_continue_key(op->token->group, op->member, op->real, op->feeding, *frame,
                                      held_deadline(op), &class)
                 : route_continue(op->token->group, op->member, op->real, *frame, held_deadline(op), &class);
        if (rv != CKR_BUFFER_TOO_SMALL || tries == 2)
            break;
        if (!give_room(frame)) {
            *ret_lost = false;
            return CKR_HOST_MEMORY;
        }
    }
    *ret_lost = class != ERROR_NONE && class != ERROR_APPLICATION;
    if (!*ret_lost)
        return rv == RV_GONE ? CKR_KEY_HANDLE_INVALID : rv;
    op->doubtful = class == ERROR_AMBIGUOUS ? op->member : NULL;
    op->member = NULL;
    op->real = NULL;
    if (rv != RV_DEADLINE)
        return rv;
    /* The lane has the frame. */
    struct frame *clone = frame_clone(*frame, 0);
    frame_unref(*frame);
    *frame = clone;
    if (clone)
        return rv;
    *ret_lost = false;
    return CKR_HOST_MEMORY;
}

static bool another_is_up(const struct operation *op)
{
    const struct group *group = op->token->group;
    if (op->key && op->key->pinned >= 0)
        return false;
    for (unsigned i = 0; i < group->count; i++)
        if (group->member[i] != op->doubtful && health_usable(member_state(group->member[i])))
            return true;
    return false;
}

/* What a member's list must say of the mechanism. Not every module with message functions sets their flags
 * (NSS does not): where no list has the flag, any member with the mechanism is asked. */
static CK_FLAGS wanted_flags(const struct operation *op)
{
    static const CK_FLAGS flags[OP_KINDS] = {
        [OP_MESSAGE_ENCRYPT] = CKF_MESSAGE_ENCRYPT,
        [OP_MESSAGE_DECRYPT] = CKF_MESSAGE_DECRYPT,
        [OP_MESSAGE_SIGN] = CKF_MESSAGE_SIGN,
        [OP_MESSAGE_VERIFY] = CKF_MESSAGE_VERIFY,
    };
    CK_FLAGS wanted = flags[op->kind];
    return wanted && group_offers(op->token->group, op->there.mechanism, wanted) ? wanted : 0;
}

static CK_RV route_once(struct operation *op, struct frame **frame, bool hold, bool once)
{
    struct route route;
    route_init(&route, *frame, op->work, op->deadline);
    route.key[0] = op->feeding ? op->feeding : op->key;
    /* A key is digested where it is, by members too that do not list digests (softokn). */
    if (op->kind != OP_DIGEST || group_offers(op->token->group, op->there.mechanism, 0)) {
        route.mech = op->there.mechanism;
        route.flags = wanted_flags(op);
    }
    route.hold = hold;
    route.once = once;
    if (op->doubtful && another_is_up(op))
        route.avoid = route_bit(op->doubtful->index);
    CK_RV rv = route_run(op->token->group, &route);
    *frame = route.frame;
    if (rv == CKR_OK && route.avoid)
        member_event(op->doubtful, HEALTH_BLAMED, CKR_GENERAL_ERROR);
    op->doubtful = NULL;
    if (rv == CKR_OK && hold) {
        op->member = route.member;
        op->real = route.session;
    }
    return rv == RV_GONE ? CKR_KEY_HANDLE_INVALID : rv;
}

CK_RV reach_anew(struct operation *op, struct frame **frame, bool hold)
{
    CK_RV rv = route_once(op, frame, hold, op->stateful);
    for (int tries = 0; rv == CKR_BUFFER_TOO_SMALL && tries < 2; tries++) {
        if (!give_room(frame))
            return CKR_HOST_MEMORY;
        rv = route_once(op, frame, hold, op->stateful);
    }
    return rv;
}

CK_RV reach_init(struct operation *op)
{
    struct object *base = op->key ? object_base(op->key) : NULL;
    if (base && object_is_proven(base, op->mark))
        return CKR_OK;
    AUTO(frame_unref) struct frame *frame = reach_frame(op, STEP_INIT, NULL, 0, NULL, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = reach_anew(op, &frame, true);
    if (rv == CKR_OK && base)
        object_set_proven(base, op->mark);
    return rv;
}

/* Answers that say that the PIN has not been looked at. */
static bool surely_not_tried(CK_RV rv)
{
    return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == RV_STUCK;
}

/* For a member that does not look at it. */
static CK_RV judge_pin(const struct operation *op)
{
    AUTO(secret_free) uint8_t *pin = NULL;
    size_t len = 0;
    CK_USER_TYPE user;
    uint64_t generation;
    CK_RV rv = signon_get(&op->token->group->signon, &user, &pin, &len, &generation);
    if (rv != CKR_OK)
        return rv;
    return pin && len == op->pin_len && secret_equal(pin, op->pin, len) ? CKR_OK : CKR_PIN_INCORRECT;
}

/* One attempt, wherever; op->pin is the PIN that is tried. */
static CK_RV try_login(struct operation *op)
{
    bool lost = true;
    AUTO(frame_unref) struct frame *frame = reach_frame(op, STEP_LOGIN, NULL, 0, NULL, 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    if (op->real) {
        CK_RV rv = reach_held(op, &frame, &lost);
        if (!lost)
            return rv == CKR_OK && frame->number ? judge_pin(op) : rv;
        /* What has been fed is gone with the session; it comes back with the next step, by replay. */
        if (!surely_not_tried(rv))
            return CKR_DEVICE_ERROR;
    }
    if (op->engine == ENGINE_MEMBER && op->phase == PHASE_PARTS)
        return CKR_DEVICE_ERROR;
    frame->steps = STEP_INIT | STEP_LOGIN;
    CK_RV rv = route_once(op, &frame, true, true);
    return rv == CKR_OK && frame->number ? judge_pin(op) : rv;
}

CK_RV reach_login(struct operation *op, const uint8_t *pin, size_t len)
{
    uint8_t *copy = secret_copy(pin, len);
    if (!copy)
        return CKR_HOST_MEMORY;
    uint8_t *before = op->pin;
    size_t before_len = op->pin_len;
    op->pin = copy;
    op->pin_len = len;
    CK_RV rv = try_login(op);
    if (rv == CKR_OK) {
        secret_free(before);
        return CKR_OK;
    }
    secret_free(copy);
    op->pin = before;
    op->pin_len = before_len;
    return rv;
}

void reach_let_go(struct operation *op, bool clean)
{
    if (!op->real)
        return;
    if (clean)
        member_session_give(op->member, op->real);
    else
        member_session_drop(op->member, op->real);
    op->member = NULL;
    op->real = NULL;
}
