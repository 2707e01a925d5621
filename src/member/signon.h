/*
 * Who the application is logged in as, for all members of a group: the PIN in secret memory, and a generation
 * that counts logins. A PIN that a member refused is remembered by a salted mark, never by itself. Lock: its
 * own (LOCK_SIGNON).
 */
#ifndef MEMBER_SIGNON_H
#define MEMBER_SIGNON_H

#include "base/lock.h"
#include "pkcs11-headers/pkcs11.h"

struct signon {
    struct lock lock;
    uint8_t salt[32];
    _Atomic uint64_t generation; /* 0 = logged out; every login has a new one */
    uint64_t last;
    _Atomic CK_USER_TYPE user;
    uint8_t *pin; /* secret memory; NULL for a protected authentication path */
    size_t pin_len;
};

MUST_USE CK_RV signon_init(struct signon *signon);
void signon_end(struct signon *signon);
/* The PIN was accepted by a member: from now on all sign on with it. *ret_generation is the new one. */
MUST_USE CK_RV signon_set(struct signon *signon, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                          uint64_t *ret_generation);
void signon_clear(struct signon *signon);
/* 0 = logged out. */
uint64_t signon_generation(struct signon *signon);
/* A copy of the PIN in secret memory (secret_free), with whom and which generation; CKR_USER_NOT_LOGGED_IN.
 */
MUST_USE CK_RV signon_get(struct signon *signon, CK_USER_TYPE *ret_user, uint8_t **ret_pin, size_t *ret_len,
                          uint64_t *ret_generation);
/* A salted mark by which a refused PIN is known again. */
void signon_mark(struct signon *signon, const uint8_t *pin, size_t len, uint8_t ret[32]);

#endif
