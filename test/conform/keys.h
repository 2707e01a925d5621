/* Known keys, so that every run has the same results and OpenSSL can check them. */
#ifndef CONFORM_KEYS_H
#define CONFORM_KEYS_H

#include <openssl/evp.h>

#include "templ.h"
#include "world.h"

enum key {
    KEY_NONE,
    KEY_RSA, /* private ones; the public half follows each */
    KEY_RSA_PUBLIC,
    KEY_EC256,
    KEY_EC256_PUBLIC,
    KEY_EC384,
    KEY_EC384_PUBLIC,
    KEY_EC521,
    KEY_EC521_PUBLIC,
    KEY_ED,
    KEY_ED_PUBLIC,
    KEY_DSA,
    KEY_DSA_PUBLIC,
    KEY_DH,
    KEY_DH_PUBLIC,
    KEY_AES128,
    KEY_AES192,
    KEY_AES256,
    KEY_DES,
    KEY_DES2,
    KEY_DES3,
    KEY_GENERIC, /* 64 bytes */
    KEY_SHORT,   /* 8 bytes, generic */
    KEY_DATA,    /* no key */
    KEY_CERTIFICATE,
    KEYS
};

const char *keys_name(enum key key);
/* The template that makes it, as a session object with every usage that its class has. */
void keys_templ(enum key key, struct templ *ret);
/* Makes it; into the record only if it fails. CK_INVALID_HANDLE then. `with` may be NULL. */
CK_OBJECT_HANDLE keys_make(enum key key, const struct templ *with);
/* Likewise with one flag other than it would be. */
CK_OBJECT_HANDLE keys_make_with(enum key key, CK_ATTRIBUTE_TYPE type, CK_BBOOL value);
/* Of an asymmetric key, both halves the same; owned by keys.c. NULL for others. */
EVP_PKEY *keys_pkey(enum key key);
const CK_BYTE *keys_value(enum key key, CK_ULONG *ret_len);
/* The point as CKA_EC_POINT holds it, or without its wrapping. */
CK_ULONG keys_point(enum key key, bool wrapped, CK_BYTE *ret, CK_ULONG room);
/* The prime of the DH keys, which is 1536 bits long, the base 2, and a secret's public value. */
CK_ULONG keys_dh_prime(CK_BYTE *ret);
CK_ULONG keys_dh_public(CK_BYTE *ret);

extern const CK_BYTE keys_p256[10];
extern const CK_BYTE keys_p384[7];
extern const CK_BYTE keys_p521[7];
extern const CK_BYTE keys_ed25519[14];

#endif
