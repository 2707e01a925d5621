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
    uint8_t *name; /* secret memory: of C_LoginUser; NULL = none */
    size_t name_len;
};

MUST_USE CK_RV signon_init(struct signon *signon);
void signon_end(struct signon *signon);
/* The PIN was accepted by a member: from now on all sign on with it. *ret_generation is the new one. */
MUST_USE CK_RV signon_set(struct signon *signon, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                          uint64_t *ret_generation);
void signon_clear(struct signon *signon);
/* Whom the next signon_set is for, until signon_clear; len 0: nobody by name. While logged out. */
MUST_USE CK_RV signon_set_name(struct signon *signon, const uint8_t *name, size_t len);
/* A copy of that name in secret memory (secret_free), NULL if there is none. */
MUST_USE CK_RV signon_get_name(struct signon *signon, uint8_t **ret_name, size_t *ret_len);
/* Who is logged in has another PIN now, on all members: nobody needs to sign on again. */
MUST_USE CK_RV signon_change_pin(struct signon *signon, const uint8_t *pin, size_t len);
/* 0 = logged out. */
uint64_t signon_generation(struct signon *signon);
/* A copy of the PIN in secret memory (secret_free), with whom and which generation; CKR_USER_NOT_LOGGED_IN.
 */
MUST_USE CK_RV signon_get(struct signon *signon, CK_USER_TYPE *ret_user, uint8_t **ret_pin, size_t *ret_len,
                          uint64_t *ret_generation);
/* A salted mark by which a refused PIN is known again. */
void signon_mark(struct signon *signon, const uint8_t *pin, size_t len, uint8_t ret[32]);

#endif
