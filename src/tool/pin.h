/* PINs and passphrases: from a file or a terminal into secret memory; never from the command line. */
#ifndef TOOL_PIN_H
#define TOOL_PIN_H

#include "base/def.h"

#define PIN_MAX 1024 /* bytes */

/*
 * `source` is what --pin-source was given ("file:PATH": its first line), or NULL: then `what` ("PIN of token
 * a") is asked for on /dev/tty without echo. On success *ret (NUL-terminated, secret_free) and *ret_len.
 * Otherwise -EINVAL (not a source), -ENXIO (no terminal), -ENODATA (empty), -ECANCELED (end of file or
 * interrupted) or another -errno; the reason has been said on stderr.
 */
MUST_USE int pin_read(const char *source, const char *what, char **ret, size_t *ret_len);
/* Without any message: does it look like a source? */
bool pin_source_valid(const char *source);

#endif
