/* The mechanisms under test: with which keys, on what input, and what OpenSSL calls them. */
#ifndef CONFORM_MECH_H
#define CONFORM_MECH_H

#include "keys.h"

enum family {
    FAMILY_DIGEST, /* algo: the digest */
    FAMILY_CIPHER, /* algo: the cipher */
    FAMILY_RSA,    /* algo: the digest, or NULL; pad: OpenSSL's padding */
    FAMILY_EC,     /* ECDSA and DSA, algo: the digest, or NULL */
    FAMILY_ED,
    FAMILY_HMAC,
    FAMILY_CMAC /* algo: the cipher */
};
enum param { PARAM_NONE, PARAM_IV16, PARAM_IV8, PARAM_CTR, PARAM_GCM, PARAM_OAEP, PARAM_PSS };

struct mech {
    const char *name;
    CK_MECHANISM_TYPE type;
    enum family family;
    const char *algo;
    int pad;
    enum param param;
    enum key secret, public; /* the same for a secret key */
    CK_ULONG len;            /* of a good input */
    CK_ULONG bad_len;        /* of an input that is refused; 0: any is good */
    bool parts;              /* can be done in parts */
};

extern const struct mech mech_digests[], mech_ciphers[], mech_signs[];
extern const size_t mech_digest_count, mech_cipher_count, mech_sign_count;

/* Good until it is called the next time. */
CK_MECHANISM *mech_of(const struct mech *mech);
/* Bytes as input: always the same. */
const CK_BYTE *mech_input(void);
enum { MECH_INPUT = 4096, MECH_OUTPUT = 4608 };

/* Does OpenSSL agree? For a digest, a signature, or what was made by encryption. */
bool mech_check(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *out,
                CK_ULONG out_len);
/* Makes with OpenSSL what is to be verified or decrypted; its length. */
CK_ULONG mech_make(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG room);

#endif
