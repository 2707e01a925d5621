/*
 * A world for stories about keys: a rig, p11ha over it in this process, and hsm-1's bare token beside it, for
 * comparing. Failures are cmocka's.
 */
#ifndef TEST_LIB_KEYS_WORLD_H
#define TEST_LIB_KEYS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pkcs11-headers/pkcs11.h"

#define TRUTH(type, value)                         \
    {                                              \
        type, &(CK_BBOOL){value}, sizeof(CK_BBOOL) \
    }
#define NUMBER(type, value)                        \
    {                                              \
        type, &(CK_ULONG){value}, sizeof(CK_ULONG) \
    }
#define BYTES(type, data, len)    \
    {                             \
        type, (void *)(data), len \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEED(call)   assert_int_equal(call, CKR_OK)

struct side {
    const char *name;
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session; /* read-write, logged in */
};
extern struct side ha, bare;

/* `options` for `rig up`; `more`: what is added to the group's section of the configuration, or NULL. With
 * "--vendor nss" there is no bare token. */
void keys_world_up(const char *options, const char *more);
/* Two NSS softokn tokens instead, and no bare one. `crypto`: those without a store, in an external group,
 * where nobody logs in. */
void keys_world_up_softokn(bool crypto);
void keys_world_down(void);
/* `what` as `rig fault` takes it (softokn: "gone" and "ok"). "ok" waits until the member is up again. */
void keys_world_fault(unsigned member, const char *what);
/* All but this one are gone. 0: none is. */
void keys_world_only(unsigned member);
unsigned long keys_world_count(unsigned member, const char *function);
bool keys_world_logged(const char *text);
CK_SESSION_HANDLE keys_world_session(const struct side *side);
/* p11ha's functions of 3.2. */
CK_FUNCTION_LIST_3_2 *keys_world_32(void);

/* An AES-256 key that may do all. `label` is at least four bytes long. */
CK_OBJECT_HANDLE keys_world_aes(const struct side *side, const char *label, bool token, bool extractable);
/* One block of zeros encrypted; the same for the same key. */
void keys_world_ecb(const struct side *side, CK_OBJECT_HANDLE key, CK_BYTE ret[16]);
CK_OBJECT_HANDLE keys_world_find(const struct side *side, const char *label);
bool keys_world_bool(const struct side *side, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

#endif
