/* Errors for people, on stderr: what happened and where, then on a line of its own what to do. Never a
 * secret. */
#ifndef TOOL_SAY_H
#define TOOL_SAY_H

#include "base/def.h"

/* `remedy` is what the reader should do, a whole sentence; NULL if there is nothing to advise. */
void say_error(const char *remedy, const char *format, ...) PRINTF_LIKE(2, 3);
/* Something that does not stop the verb. */
void say_warning(const char *remedy, const char *format, ...) PRINTF_LIKE(2, 3);
/* The one error that can happen anywhere. */
void say_no_memory(void);

#endif
