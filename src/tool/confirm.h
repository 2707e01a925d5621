/* Asking before something is destroyed. */
#ifndef TOOL_CONFIRM_H
#define TOOL_CONFIRM_H

#include "base/def.h"

/*
 * True if the user agrees: `yes` (from --yes), or the word "yes" typed on /dev/tty after the question, which
 * says what will be lost. False otherwise, said on stderr; nothing may be destroyed then.
 */
MUST_USE bool confirm_ask(bool yes, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
