/* Numbers with units, as text. Pure. Decimal digits only: no sign, no blank, no fraction; overflow is
 * refused. */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include "base/def.h"

/* All three: false, with *ret untouched, unless the whole text is of the form. */
MUST_USE bool units_parse_number(const char *text, uint64_t *ret);
/* "10s": us, ms, s, m, h, d; "0" needs no unit. In ns. */
MUST_USE bool units_parse_duration(const char *text, uint64_t *ret_ns);
/* "1MiB": B, KiB, MiB, GiB; "0" needs no unit. In bytes. */
MUST_USE bool units_parse_size(const char *text, uint64_t *ret_bytes);

#endif
