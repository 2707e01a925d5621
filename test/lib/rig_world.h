/*
 * For stories in C: a rig (test/rig/rig) in a folder of its own and p11ha.so over it, as an application loads
 * it. $P11HA_SOURCE and $P11HA_BUILD say where from. Failures are cmocka's.
 */
#ifndef TEST_LIB_RIG_WORLD_H
#define TEST_LIB_RIG_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pkcs11-headers/pkcs11.h"

#define OK(call) assert_int_equal(call, CKR_OK)

extern CK_FUNCTION_LIST_3_2 *rig_p11;
extern CK_SLOT_ID rig_slot;
extern char rig_dir[];
extern CK_BBOOL rig_yes, rig_no;

/* Makes the rig with these options of `rig up`; nothing is initialised. */
void rig_make(const char *options);
/* The rig is one that was made by hand: a configuration in rig_dir. */
void rig_load(void);
void rig_remove(void);

/* Another fault from now on; the member "*" is all of hsm-1 .. hsm-3. */
void rig_fault(const char *member, const char *fault);
struct rig_count {
    unsigned long calls, ok, failed;
};
struct rig_count rig_count(const char *member, const char *function);
/* What the log says since it was emptied. */
void rig_log_empty(void);
bool rig_log_has(const char *text);
/* Until the log says that, at most that many seconds. */
bool rig_log_wait(const char *text, int seconds);

/* Until every member is up in this process, as `p11ha status` tells; fails after 20 s. */
void rig_wait_up(void);

/* C_Initialize and a R/W session; with the user's PIN 1234. */
CK_SESSION_HANDLE rig_session(void);
CK_SESSION_HANDLE rig_login(void);
CK_OBJECT_HANDLE rig_aes_key(CK_SESSION_HANDLE session, bool extractable);
void rig_rsa_pair(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private);

#endif
