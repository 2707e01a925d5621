/* The mechanisms that can be fed in parts, of SoftHSM and of NSS softokn: which key each wants, and which
 * parameter. */
#ifndef TEST_FLOW_PARTS_MECHS_H
#define TEST_FLOW_PARTS_MECHS_H

#include <stdbool.h>

#include "pkcs11-headers/pkcs11.h"

enum key_kind {
    KEY_NONE,
    KEY_AES,
    KEY_DES,
    KEY_DES3,
    KEY_SECRET,
    KEY_CAMELLIA,
    KEY_SEED,
    KEY_RC2,
    KEY_RC4,
    KEY_RSA,
    KEY_EC,
    KEY_DSA,
    KEY_KINDS
};

enum param_kind {
    PARAM_NOTHING,
    PARAM_IV8,
    PARAM_IV16,
    PARAM_COUNTER,
    PARAM_AEAD,
    PARAM_PSS,
    PARAM_LENGTH,
    PARAM_RC2_IV
};

enum { CIPHER = 1, SIGNER = 2, DIGESTER = 4 };

struct parts_mech {
    CK_MECHANISM_TYPE type;
    const char *name;
    unsigned does;
    enum key_kind key;
    enum param_kind param;
    unsigned block;           /* input is a multiple of it; 0 = any */
    CK_MECHANISM_TYPE digest; /* of PARAM_PSS */
    CK_RSA_PKCS_MGF_TYPE mgf;
    bool some; /* of nothing softokn makes it of what lies around */
};

#define CIPHERS(name, key, param, block) \
    {CKM_##name, #name, CIPHER, KEY_##key, PARAM_##param, block, 0, 0, false},
#define SIGNS(name, key, param) {CKM_##name, #name, SIGNER, KEY_##key, PARAM_##param, 0, 0, 0, false},
#define MACS(name, key, param)  {CKM_##name, #name, SIGNER, KEY_##key, PARAM_##param, 0, 0, 0, true},
#define DIGESTS(name)           {CKM_##name, #name, DIGESTER, KEY_NONE, PARAM_NOTHING, 0, 0, 0, false},
#define PSS(hash, sha)          \
    {CKM_##hash##_RSA_PKCS_PSS, \
     #hash "_RSA_PKCS_PSS",     \
     SIGNER,                    \
     KEY_RSA,                   \
     PARAM_PSS,                 \
     0,                         \
     CKM_##sha,                 \
     CKG_MGF1_##hash,           \
     false},

/* clang-format off */
static const struct parts_mech parts_mechs[] = {
    CIPHERS(AES_ECB, AES, NOTHING, 16)
    CIPHERS(AES_CBC, AES, IV16, 16)
    CIPHERS(AES_CBC_PAD, AES, IV16, 0)
    CIPHERS(AES_CTR, AES, COUNTER, 0)
    CIPHERS(AES_GCM, AES, AEAD, 0)
    CIPHERS(DES_ECB, DES, NOTHING, 8)
    CIPHERS(DES_CBC, DES, IV8, 8)
    CIPHERS(DES_CBC_PAD, DES, IV8, 0)
    CIPHERS(DES3_ECB, DES3, NOTHING, 8)
    CIPHERS(DES3_CBC, DES3, IV8, 8)
    CIPHERS(DES3_CBC_PAD, DES3, IV8, 0)
    CIPHERS(CAMELLIA_ECB, CAMELLIA, NOTHING, 16)
    CIPHERS(CAMELLIA_CBC, CAMELLIA, IV16, 16)
    CIPHERS(CAMELLIA_CBC_PAD, CAMELLIA, IV16, 0)
    CIPHERS(SEED_ECB, SEED, NOTHING, 16)
    CIPHERS(SEED_CBC, SEED, IV16, 16)
    CIPHERS(SEED_CBC_PAD, SEED, IV16, 0)
    CIPHERS(RC2_CBC, RC2, RC2_IV, 8)
    CIPHERS(RC2_CBC_PAD, RC2, RC2_IV, 0)
    CIPHERS(RC4, RC4, NOTHING, 0)
    SIGNS(MD5_HMAC, SECRET, NOTHING)
    SIGNS(SHA_1_HMAC, SECRET, NOTHING)
    SIGNS(SHA224_HMAC, SECRET, NOTHING)
    SIGNS(SHA256_HMAC, SECRET, NOTHING)
    SIGNS(SHA384_HMAC, SECRET, NOTHING)
    SIGNS(SHA512_HMAC, SECRET, NOTHING)
    SIGNS(SHA256_HMAC_GENERAL, SECRET, LENGTH)
    SIGNS(SHA512_HMAC_GENERAL, SECRET, LENGTH)
    SIGNS(AES_CMAC, AES, NOTHING)
    SIGNS(AES_CMAC_GENERAL, AES, LENGTH)
    MACS(AES_MAC, AES, NOTHING)
    MACS(AES_MAC_GENERAL, AES, LENGTH)
    SIGNS(AES_XCBC_MAC, AES, NOTHING)
    SIGNS(DES3_CMAC, DES3, NOTHING)
    MACS(DES3_MAC, DES3, NOTHING)
    MACS(CAMELLIA_MAC, CAMELLIA, NOTHING)
    MACS(SEED_MAC, SEED, NOTHING)
    SIGNS(MD5_RSA_PKCS, RSA, NOTHING)
    SIGNS(SHA1_RSA_PKCS, RSA, NOTHING)
    SIGNS(SHA224_RSA_PKCS, RSA, NOTHING)
    SIGNS(SHA256_RSA_PKCS, RSA, NOTHING)
    SIGNS(SHA384_RSA_PKCS, RSA, NOTHING)
    SIGNS(SHA512_RSA_PKCS, RSA, NOTHING)
    {CKM_SHA1_RSA_PKCS_PSS, "SHA1_RSA_PKCS_PSS", SIGNER, KEY_RSA, PARAM_PSS, 0, CKM_SHA_1, CKG_MGF1_SHA1, false},
    PSS(SHA224, SHA224)
    PSS(SHA256, SHA256)
    PSS(SHA384, SHA384)
    PSS(SHA512, SHA512)
    SIGNS(ECDSA_SHA1, EC, NOTHING)
    SIGNS(ECDSA_SHA224, EC, NOTHING)
    SIGNS(ECDSA_SHA256, EC, NOTHING)
    SIGNS(ECDSA_SHA384, EC, NOTHING)
    SIGNS(ECDSA_SHA512, EC, NOTHING)
    SIGNS(DSA_SHA1, DSA, NOTHING)
    SIGNS(DSA_SHA224, DSA, NOTHING)
    SIGNS(DSA_SHA256, DSA, NOTHING)
    SIGNS(DSA_SHA384, DSA, NOTHING)
    SIGNS(DSA_SHA512, DSA, NOTHING)
    DIGESTS(MD5)
    DIGESTS(SHA_1)
    DIGESTS(SHA224)
    DIGESTS(SHA256)
    DIGESTS(SHA384)
    DIGESTS(SHA512)
    DIGESTS(SHA3_256)
};
/* clang-format on */

#undef CIPHERS
#undef SIGNS
#undef MACS
#undef DIGESTS
#undef PSS

#endif
