#include "mech.h"

#include <openssl/rsa.h>

#define DIGEST(name, algo)                                                                      \
    {                                                                                           \
#name, CKM_##name, FAMILY_DIGEST, algo, 0, PARAM_NONE, KEY_NONE, KEY_NONE, 100, 0, true \
    }
#define CIPHER(name, algo, param, key, len, bad)                                                       \
    {                                                                                                  \
#name, CKM_##name, FAMILY_CIPHER, algo, 0, PARAM_##param, KEY_##key, KEY_##key, len, bad, true \
    }
#define RSA(name, algo, pad, param, len, bad, parts)                                                      \
    {                                                                                                     \
#name, CKM_##name, FAMILY_RSA, algo, pad, PARAM_##param, KEY_RSA, KEY_RSA_PUBLIC, len, bad, parts \
    }
#define EC(title, type, algo, key, len, bad, parts)                                                       \
    {                                                                                                     \
        title, CKM_##type, FAMILY_EC, algo, 0, PARAM_NONE, KEY_##key, KEY_##key##_PUBLIC, len, bad, parts \
    }
#define HMAC(name, algo)                                                                            \
    {                                                                                               \
#name, CKM_##name, FAMILY_HMAC, algo, 0, PARAM_NONE, KEY_GENERIC, KEY_GENERIC, 100, 0, true \
    }
#define CMAC(name, algo, key)                                                                   \
    {                                                                                           \
#name, CKM_##name, FAMILY_CMAC, algo, 0, PARAM_NONE, KEY_##key, KEY_##key, 100, 0, true \
    }

const struct mech mech_digests[] = {
    DIGEST(SHA256, "SHA256"), DIGEST(SHA_1, "SHA1"),    DIGEST(SHA224, "SHA224"),
    DIGEST(SHA384, "SHA384"), DIGEST(SHA512, "SHA512"), DIGEST(MD5, "MD5"),
};
const size_t mech_digest_count = ARRAY_LEN(mech_digests);

const struct mech mech_ciphers[] = {
    CIPHER(AES_CBC, "AES-128-CBC", IV16, AES128, 96, 33),
    CIPHER(AES_ECB, "AES-256-ECB", NONE, AES256, 96, 33),
    CIPHER(AES_CBC_PAD, "AES-192-CBC", IV16, AES192, 90, 0),
    CIPHER(AES_CTR, "AES-128-CTR", CTR, AES128, 90, 0),
    CIPHER(AES_GCM, "AES-256-GCM", GCM, AES256, 90, 0),
    CIPHER(DES3_CBC, "DES-EDE3-CBC", IV8, DES3, 96, 33),
    CIPHER(DES3_ECB, "DES-EDE3-ECB", NONE, DES3, 96, 33),
    CIPHER(DES3_CBC_PAD, "DES-EDE3-CBC", IV8, DES3, 90, 0),
    RSA(RSA_PKCS, NULL, RSA_PKCS1_PADDING, NONE, 100, 246, false),
    RSA(RSA_X_509, NULL, RSA_NO_PADDING, NONE, 256, 0, false),
    RSA(RSA_PKCS_OAEP, NULL, RSA_PKCS1_OAEP_PADDING, OAEP, 100, 215, false),
};
const size_t mech_cipher_count = ARRAY_LEN(mech_ciphers);

const struct mech mech_signs[] = {
    RSA(SHA256_RSA_PKCS, "SHA256", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(RSA_PKCS, NULL, RSA_PKCS1_PADDING, NONE, 32, 246, false),
    RSA(RSA_X_509, NULL, RSA_NO_PADDING, NONE, 256, 0, false),
    RSA(MD5_RSA_PKCS, "MD5", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(SHA1_RSA_PKCS, "SHA1", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(SHA224_RSA_PKCS, "SHA224", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(SHA384_RSA_PKCS, "SHA384", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(SHA512_RSA_PKCS, "SHA512", RSA_PKCS1_PADDING, NONE, 100, 0, true),
    RSA(RSA_PKCS_PSS, NULL, RSA_PKCS1_PSS_PADDING, PSS, 32, 33, false),
    RSA(SHA256_RSA_PKCS_PSS, "SHA256", RSA_PKCS1_PSS_PADDING, PSS, 100, 0, true),
    EC("ECDSA-P256", ECDSA, NULL, EC256, 32, 0, false),
    EC("ECDSA-P384", ECDSA, NULL, EC384, 48, 0, false),
    EC("ECDSA-P521", ECDSA, NULL, EC521, 64, 0, false),
    EC("DSA", DSA, NULL, DSA, 20, 0, false),
    EC("DSA_SHA1", DSA_SHA1, "SHA1", DSA, 100, 0, true),
    EC("DSA_SHA256", DSA_SHA256, "SHA256", DSA, 100, 0, true),
    {"EDDSA", CKM_EDDSA, FAMILY_ED, NULL, 0, PARAM_NONE, KEY_ED, KEY_ED_PUBLIC, 100, 0, false},
    HMAC(SHA256_HMAC, "SHA256"),
    HMAC(SHA_1_HMAC, "SHA1"),
    HMAC(SHA224_HMAC, "SHA224"),
    HMAC(SHA384_HMAC, "SHA384"),
    HMAC(SHA512_HMAC, "SHA512"),
    HMAC(MD5_HMAC, "MD5"),
    CMAC(AES_CMAC, "AES-128-CBC", AES128),
    CMAC(DES3_CMAC, "DES-EDE3-CBC", DES3),
};
const size_t mech_sign_count = ARRAY_LEN(mech_signs);

CK_MECHANISM *mech_of(const struct mech *mech)
{
    static CK_BYTE iv[16] = "sixteen bytes iv";
    static CK_BYTE aad[] = "more data";
    static CK_AES_CTR_PARAMS ctr;
    static CK_GCM_PARAMS gcm;
    static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
    static CK_MECHANISM made;
    ctr = (CK_AES_CTR_PARAMS){.ulCounterBits = 128};
    for (unsigned i = 0; i < 16; i++)
        ctr.cb[i] = iv[i];
    gcm = (CK_GCM_PARAMS){iv, 12, 96, aad, sizeof(aad), 128};
    made = (CK_MECHANISM){mech->type, NULL, 0};
    switch (mech->param) {
    case PARAM_NONE:
        break;
    case PARAM_IV16:
    case PARAM_IV8:
        made.pParameter = iv;
        made.ulParameterLen = mech->param == PARAM_IV8 ? 8 : 16;
        break;
    case PARAM_CTR:
        made.pParameter = &ctr;
        made.ulParameterLen = sizeof(ctr);
        break;
    case PARAM_GCM:
        made.pParameter = &gcm;
        made.ulParameterLen = sizeof(gcm);
        break;
    case PARAM_OAEP:
        made.pParameter = &oaep;
        made.ulParameterLen = sizeof(oaep);
        break;
    case PARAM_PSS:
        made.pParameter = &pss;
        made.ulParameterLen = sizeof(pss);
        break;
    }
    return &made;
}

const CK_BYTE *mech_input(void)
{
    static CK_BYTE input[MECH_INPUT];
    /* The first byte is 0, so that 256 of them are less than any modulus of 2048 bits. */
    for (unsigned i = 0; i < MECH_INPUT; i++)
        input[i] = (CK_BYTE)(i * 7 + i / 256);
    return input;
}
