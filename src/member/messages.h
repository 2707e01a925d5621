/* The steps of VERB_MESSAGE on a module: see verbs.h. */
#ifndef MEMBER_MESSAGES_H
#define MEMBER_MESSAGES_H

#include "call/frame.h"
#include "member/instance.h"

/* CKR_FUNCTION_NOT_SUPPORTED for a module without a list of 3.0. */
CK_RV message_run(const struct module *module, struct frame *frame);

#endif
