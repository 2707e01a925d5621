/* What an application could hand over, right or wild, made of the fuzzer's bytes. Released with them. */
#ifndef TEST_FUZZ_MAKE_H
#define TEST_FUZZ_MAKE_H

#include "test/fuzz/bytes.h"

/* Any types and values, nested ones too. */
CK_ATTRIBUTE *make_template(struct bytes *in, CK_ULONG *ret_count);
/* A known mechanism or none such, its parameter of the right shape or any bytes. What pointers in it point to
 * is as long as it says: less would be a crash in any module. NULL is possible. */
CK_MECHANISM *make_mechanism(struct bytes *in);

#endif
