/* Runs a frame on a module: the one place where verbs become C_ calls. On a thread that may enter vendor
 * code. */
#ifndef MEMBER_VERBS_H
#define MEMBER_VERBS_H

#include "call/frame.h"
#include "member/instance.h"

/* Fills in the frame's answer, frame->rv included. Not for VERB_CONNECT. */
void verb_run(const struct module *module, struct frame *frame);

#endif
