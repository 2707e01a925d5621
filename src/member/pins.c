#include "member/pins.h"

static struct frame *pin_frame(enum verb verb, struct pin first, struct pin second)
{
    struct frame *frame = frame_new(verb, frame_room(first.len) + frame_room(second.len), 0);
    if (!frame)
        return NULL;
    frame_set_in(frame, 0, first.data, first.len);
    if (second.data)
        frame_set_in(frame, 1, second.data, second.len);
    return frame;
}

CK_RV member_set_pin(struct member *member, struct pin old, struct pin new, uint64_t deadline)
{
    AUTO(frame_unref) struct frame *frame = pin_frame(VERB_SET_PIN, old, new);
    return frame ? member_call(member, frame, deadline) : CKR_HOST_MEMORY;
}

CK_RV member_init_pin(struct member *member, struct pin pin, uint64_t deadline)
{
    AUTO(frame_unref) struct frame *frame = pin_frame(VERB_INIT_PIN, pin, (struct pin){0});
    return frame ? member_call(member, frame, deadline) : CKR_HOST_MEMORY;
}

CK_RV member_init_token(struct member *member, struct pin so_pin, uint64_t deadline)
{
    lock_take(&member->lock);
    CK_TOKEN_INFO info = member->token;
    lock_drop(&member->lock);
    uint32_t epoch = member_epoch(member);
    AUTO(frame_unref)
    struct frame *frame = pin_frame(VERB_INIT_TOKEN, so_pin, (struct pin){info.label, sizeof(info.label)});
    if (!frame)
        return CKR_HOST_MEMORY;
    CK_RV rv = member_run(member, frame, NULL, deadline);
    member_lost_sessions(member, epoch);
    return rv;
}

CK_RV member_is_there(struct member *member, uint64_t deadline)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_TOKEN_INFO, 0, sizeof(CK_TOKEN_INFO));
    return frame ? member_run(member, frame, NULL, deadline) : CKR_HOST_MEMORY;
}

void member_forget_refused(struct member *member)
{
    lock_take(&member->lock);
    member->has_refused = false;
    lock_drop(&member->lock);
    member_event(member, HEALTH_NEW_PIN, CKR_OK);
}
