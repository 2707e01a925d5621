/*
 * The record: one line a case, "chapter/function/case: what was seen". Nothing in it may differ from one run
 * to the next: no handles, no addresses, no random bytes.
 */
#ifndef CONFORM_RECORD_H
#define CONFORM_RECORD_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

void record_begin(const char *chapter, const char *function, const char *name);
/* One more word of the line. */
void record_say(const char *format, ...) PRINTF_LIKE(1, 2);
/* The word "C_Sign=CKR_OK"; gives the code back. */
CK_RV record_rv(const char *call, CK_RV rv);
/* Short hex, or its length and a hash if it is long. */
void record_bytes(const char *name, const void *bytes, CK_ULONG len);
void record_end(void);
/* How many lines there are. */
unsigned record_count(void);

#endif
