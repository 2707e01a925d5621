/* Objects and moments in words. */
#ifndef TOOL_LABEL_H
#define TOOL_LABEL_H

#include "call/attrs.h"

#define LABEL_MAX 160

/* `private key "web" (RSA)`: control bytes and what is not UTF-8 become ?. */
void label_object(const struct attrs *attrs, char ret[LABEL_MAX]);
/* CKA_LABEL alone. */
void label_text(const struct attrs *attrs, char ret[LABEL_MAX]);
/* "12s", "5m", "3h", "2d" of a number of seconds. */
void label_age(int64_t seconds, char ret[24]);

#endif
