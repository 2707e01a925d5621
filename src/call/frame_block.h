/* The inside of a frame's block, for those who fill it: frame_param.c and frame_templ.c. */
#ifndef CALL_FRAME_BLOCK_H
#define CALL_FRAME_BLOCK_H

#include "call/frame.h"

#define FRAME_ROOM_MAX (SIZE_MAX / 16) /* more is no memory: sums of some such numbers do not overflow */

/* The next piece of the block; the room was asked for in frame_new. */
void *frame_take(struct frame *frame, size_t len);
/* Notes that a pointer into this frame stands at `at`, so that a clone can move it. */
void frame_note_pointer(struct frame *frame, void *at);
/* An application's template, copied into the block. */
CK_ATTRIBUTE *frame_copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count);

#endif
