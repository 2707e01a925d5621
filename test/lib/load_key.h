/* Finding or making the key that `load` works with. */
#ifndef TEST_LIB_LOAD_KEY_H
#define TEST_LIB_LOAD_KEY_H

#include "test/lib/load_op.h"

/*
 * The token key of that label, made if there is none. Secret ones are imported with a value that follows from
 * the label, so that results can be checked: keys for tests only. What failed, with its function's name.
 */
CK_RV load_key_get(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, const struct load_op *op,
                   const char *label, struct load_key *ret, const char **ret_call);

#endif
