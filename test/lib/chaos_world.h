/*
 * A world for tests of chaos.so: two SoftHSM tokens, hsm-1 and hsm-2, in a folder of its own, and chaos.so
 * over them. The module is $CHAOS_SO, else chaos.so in $P11HA_BUILD, else beside or above the program.
 * Failures are cmocka's.
 */
#ifndef TEST_LIB_CHAOS_WORLD_H
#define TEST_LIB_CHAOS_WORLD_H

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pkcs11-headers/pkcs11.h"

#define MS UINT64_C(1000000)

extern CK_FUNCTION_LIST *world_p11; /* chaos.so's */
extern CK_SLOT_ID world_slot[2];    /* of hsm-1 and hsm-2; set by world_begin */
extern char world_dir[], world_control[PATH_MAX], world_counts[PATH_MAX];
extern CK_UTF8CHAR world_pin[5];
extern CK_BBOOL yes, no;

/* For cmocka: the group's set-up and tear-down, then a test's: no rules, no counts, initialised; and
 * finalised again. */
int world_make(void **state);
int world_remove(void **state);
int world_begin(void **state);
int world_end(void **state);

uint64_t world_now(void); /* monotonic, ns */
void world_rules(const char *text);
void world_count(const char *token, const char *function, uint64_t calls, uint64_t ok, uint64_t failed);
/* Until that many calls have begun; at most 2 s. */
void world_wait(const char *token, const char *function, uint64_t calls);

CK_SESSION_HANDLE world_session(unsigned token);
CK_SESSION_HANDLE world_login(unsigned token);
/* A private HMAC key labelled "k". */
CK_OBJECT_HANDLE world_key(CK_SESSION_HANDLE session, CK_BBOOL *token);
CK_RV world_find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_key);
/* C_SignInit and C_Sign; 32 bytes. */
CK_RV world_mac(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_BYTE *ret_mac);
CK_RV world_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key);

/* A thread that signs once (arg: struct caller). */
struct caller {
    pthread_t thread;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_RV rv;
    _Atomic uint64_t ended;
};

void *world_signer(void *arg);

#endif
