/* Runs a frame on a module: the one place where verbs become C_ calls. On a thread that may enter vendor
 * code. */
#ifndef MEMBER_VERBS_H
#define MEMBER_VERBS_H

#include "call/frame.h"
#include "member/instance.h"

/* Fills in the frame's answer, frame->rv included. Not for VERB_CONNECT. */
void verb_run(const struct module *module, struct frame *frame);
/* C_Login(CKU_CONTEXT_SPECIFIC) with in[2]. A token that knows no such login says that the user is in already
 * (softokn does): CKR_OK, and the frame's number says that it has not looked at the PIN. */
MUST_USE CK_RV verb_context_login(CK_C_Login login, struct frame *frame);

#endif
