/* Mechanism parameters: refused, or copied whole, and a copy's copy is the same. */
#include "call/frame.h"
#include "test/fuzz/make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {.data = data, .len = size};
    CK_MECHANISM *mech = make_mechanism(&in);
    if (mech && frame_check_mech(mech) == CKR_OK) {
        AUTO(frame_unref) struct frame *frame = frame_new(VERB_CRYPT, frame_room_mech(mech), 0);
        if (!frame)
            abort();
        frame_set_mech(frame, mech);
        if (frame->mech.mechanism != mech->mechanism || frame->mech.ulParameterLen != mech->ulParameterLen)
            abort();
        /* Whatever is asked for on the token is something that is made. */
        if (frame_mech_makes_token(mech) && !frame_mech_makes(mech) && frame->mades > 0)
            abort();
        (void)frame_mech_handles(mech);
        AUTO(frame_unref) struct frame *clone = frame_clone(frame, 0);
        if (clone && frame_check_mech(&clone->mech) != CKR_OK)
            abort();
    }
    bytes_release(&in);
    return 0;
}
