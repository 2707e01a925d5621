/*
 * The wrapped module: loaded once a chaos image, and the gate through which every call to it goes, so that
 * `reinit` can finalise it while nobody is inside.
 */
#ifndef CHAOS_REAL_H
#define CHAOS_REAL_H

#include <stdbool.h>

#include "pkcs11-headers/pkcs11.h"

struct real {
    CK_FUNCTION_LIST_3_0 f; /* functions that it lacks are NULL */
    bool has_3;
};

/*
 * Loads the module in this link namespace. If something else has it loaded there, a private copy of the file
 * is loaded, so that every chaos image wraps an instance of its own. NULL: said on stderr. A second call
 * gives what the first loaded.
 */
const struct real *real_load(const char *path);
/* What is loaded; NULL if nothing is. */
const struct real *real_loaded(void);

/* Into the module. CKR_CRYPTOKI_NOT_INITIALIZED: it is not initialised, or was reinitialised under its user.
 */
CK_RV real_enter(const struct real **ret_real);
void real_leave(void);
/* C_Logout while nobody is inside: modules are not made for one under the hands of another thread. The caller
 * is outside. */
void real_logout(CK_SESSION_HANDLE session);

/* C_Initialize and C_Finalize as the caller gave them. */
CK_RV real_initialize(CK_VOID_PTR args);
CK_RV real_finalize(CK_VOID_PTR reserved);
/* C_Finalize as soon as nobody is inside; from now on nobody gets in until real_initialize. The caller is
 * outside. */
void real_reinit(void);

/* In a forked child, before anything else. */
void real_forked(void);

#endif
