/* Ending the module's operation when a rule answered in the module's place. */
#ifndef CHAOS_CANCEL_H
#define CHAOS_CANCEL_H

#include "test/chaos/calls.h"
#include "test/chaos/real.h"

/*
 * By the standard a Sign, Update, Final, ... that fails ends the operation, so the session must not come back
 * with CKR_OPERATION_ACTIVE. Call it inside the module, with the answer that the caller gets; other calls:
 * nothing happens.
 */
void cancel_operation(const struct real *real, enum call_id call, CK_SESSION_HANDLE session, CK_RV answer);

#endif
