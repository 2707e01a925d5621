/* Names of return values, as rules write them. Pure. */
#ifndef CHAOS_RVS_H
#define CHAOS_RVS_H

#include <stdbool.h>

/* "CKR_NAME" or a number (decimal, 0x hexadecimal). False: neither. */
bool rvs_parse(const char *text, unsigned long *ret);

#endif
