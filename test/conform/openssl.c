/* What OpenSSL makes of the same keys and inputs. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "mech.h"

enum { GCM_TAG = 16, DER_ROOM = 256 };

static void need(int ok)
{
    if (ok <= 0)
        abort();
}

static CK_ULONG digest(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out)
{
    unsigned out_len;
    need(EVP_Digest(in, len, out, &out_len, EVP_get_digestbyname(mech->algo), NULL));
    return out_len;
}

static CK_ULONG mac(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out)
{
    bool hmac = mech->family == FAMILY_HMAC;
    CK_ULONG key_len;
    const CK_BYTE *key = keys_value(mech->secret, &key_len);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(hmac ? "digest" : "cipher", (char *)mech->algo, 0), OSSL_PARAM_END};
    EVP_MAC *algo = EVP_MAC_fetch(NULL, hmac ? "HMAC" : "CMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(algo);
    size_t out_len = 0;
    need(EVP_MAC_init(ctx, key, key_len, params));
    need(EVP_MAC_update(ctx, in, len));
    need(EVP_MAC_final(ctx, out, &out_len, EVP_MAX_MD_SIZE));
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(algo);
    return out_len;
}

static CK_ULONG cipher(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out)
{
    CK_ULONG key_len;
    const CK_BYTE *key = keys_value(mech->secret, &key_len), *iv = NULL;
    const CK_MECHANISM *used = mech_of(mech);
    EVP_CIPHER *algo = EVP_CIPHER_fetch(NULL, mech->algo, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done, last, aad;
    if (mech->param == PARAM_GCM)
        iv = ((CK_GCM_PARAMS *)used->pParameter)->pIv;
    else if (mech->param == PARAM_CTR)
        iv = ((CK_AES_CTR_PARAMS *)used->pParameter)->cb;
    else if (mech->param != PARAM_NONE)
        iv = used->pParameter;
    need(EVP_EncryptInit_ex2(ctx, algo, key, iv, NULL));
    need(EVP_CIPHER_CTX_set_padding(ctx, mech->bad_len == 0));
    if (mech->param == PARAM_GCM) {
        const CK_GCM_PARAMS *gcm = used->pParameter;
        need(EVP_EncryptUpdate(ctx, NULL, &aad, gcm->pAAD, (int)gcm->ulAADLen));
    }
    need(EVP_EncryptUpdate(ctx, out, &done, in, (int)len));
    need(EVP_EncryptFinal_ex(ctx, out + done, &last));
    done += last;
    if (mech->param == PARAM_GCM) {
        need(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, out + done));
        done += GCM_TAG;
    }
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(algo);
    return (CK_ULONG)done;
}

static void set_padding(const struct mech *mech, EVP_PKEY_CTX *ctx)
{
    if (mech->family != FAMILY_RSA)
        return;
    need(EVP_PKEY_CTX_set_rsa_padding(ctx, mech->pad));
    if (mech->pad != RSA_PKCS1_PSS_PADDING)
        return;
    need(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()));
    need(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()));
    need(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 32));
}

/* PKCS#11 wants both numbers at full length, OpenSSL wants DER. */
static int half(EVP_PKEY *pkey)
{
    BIGNUM *q = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_DSA) {
        need(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_FFC_Q, &q));
        bits = BN_num_bits(q);
        BN_free(q);
    }
    return (bits + 7) / 8;
}

static CK_ULONG to_der(EVP_PKEY *pkey, const CK_BYTE *raw, CK_BYTE *der)
{
    int n = half(pkey);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    need(ECDSA_SIG_set0(sig, BN_bin2bn(raw, n, NULL), BN_bin2bn(raw + n, n, NULL)));
    int len = i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    return (CK_ULONG)len;
}

static CK_ULONG from_der(EVP_PKEY *pkey, const CK_BYTE *der, CK_ULONG len, CK_BYTE *raw)
{
    int n = half(pkey);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    need(sig != NULL);
    need(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, n));
    need(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + n, n));
    ECDSA_SIG_free(sig);
    return 2 * (CK_ULONG)n;
}

/* With a digest: the signature over the digest of the input. */
static CK_ULONG prepare(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *ret)
{
    if (mech->algo)
        return digest(mech, in, len, ret);
    memcpy(ret, in, len);
    return len;
}

static EVP_PKEY_CTX *pkey_context(const struct mech *mech, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(keys_pkey(mech->secret), NULL);
    need(init(ctx));
    set_padding(mech, ctx);
    if (mech->algo)
        need(EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(mech->algo)));
    return ctx;
}

static bool is_verified(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *sig,
                        CK_ULONG sig_len)
{
    CK_BYTE der[DER_ROOM], data[MECH_INPUT];
    EVP_PKEY *pkey = keys_pkey(mech->secret);
    if (mech->family == FAMILY_ED) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        need(EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey));
        bool good = EVP_DigestVerify(md, sig, sig_len, in, len) == 1;
        EVP_MD_CTX_free(md);
        return good;
    }
    if (mech->family == FAMILY_EC) {
        if (sig_len != 2 * (CK_ULONG)half(pkey))
            return false;
        sig_len = to_der(pkey, sig, der);
        sig = der;
    }
    len = prepare(mech, in, len, data);
    EVP_PKEY_CTX *ctx = pkey_context(mech, EVP_PKEY_verify_init);
    bool good = EVP_PKEY_verify(ctx, sig, sig_len, data, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static CK_ULONG sign(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG room)
{
    CK_BYTE data[MECH_INPUT];
    EVP_PKEY *pkey = keys_pkey(mech->secret);
    size_t out_len = room;
    if (mech->family == FAMILY_ED) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        need(EVP_DigestSignInit(md, NULL, NULL, NULL, pkey));
        need(EVP_DigestSign(md, out, &out_len, in, len));
        EVP_MD_CTX_free(md);
        return out_len;
    }
    len = prepare(mech, in, len, data);
    EVP_PKEY_CTX *ctx = pkey_context(mech, EVP_PKEY_sign_init);
    need(EVP_PKEY_sign(ctx, out, &out_len, data, len));
    EVP_PKEY_CTX_free(ctx);
    if (mech->family != FAMILY_EC)
        return out_len;
    memcpy(data, out, out_len);
    return from_der(pkey, data, out_len, out);
}

static bool is_cipher(const struct mech *mech)
{
    for (size_t i = 0; i < mech_cipher_count; i++)
        if (mech == &mech_ciphers[i])
            return true;
    return false;
}

static CK_ULONG rsa_encrypt(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out,
                            CK_ULONG room)
{
    size_t out_len = room;
    EVP_PKEY_CTX *ctx = pkey_context(mech, EVP_PKEY_encrypt_init);
    need(EVP_PKEY_encrypt(ctx, out, &out_len, in, len));
    EVP_PKEY_CTX_free(ctx);
    return out_len;
}

static bool rsa_decrypts(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *out,
                         CK_ULONG out_len)
{
    CK_BYTE plain[MECH_INPUT];
    size_t plain_len = sizeof(plain);
    EVP_PKEY_CTX *ctx = pkey_context(mech, EVP_PKEY_decrypt_init);
    int done = EVP_PKEY_decrypt(ctx, plain, &plain_len, out, out_len);
    EVP_PKEY_CTX_free(ctx);
    return done == 1 && plain_len == len && memcmp(plain, in, len) == 0;
}

CK_ULONG mech_make(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG room)
{
    switch (mech->family) {
    case FAMILY_DIGEST:
        return digest(mech, in, len, out);
    case FAMILY_CIPHER:
        return cipher(mech, in, len, out);
    case FAMILY_HMAC:
    case FAMILY_CMAC:
        return mac(mech, in, len, out);
    default:
        return is_cipher(mech) ? rsa_encrypt(mech, in, len, out, room) : sign(mech, in, len, out, room);
    }
}

bool mech_check(const struct mech *mech, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *out,
                CK_ULONG out_len)
{
    CK_BYTE own[MECH_OUTPUT];
    switch (mech->family) {
    case FAMILY_RSA:
    case FAMILY_EC:
    case FAMILY_ED:
        return is_cipher(mech) ? rsa_decrypts(mech, in, len, out, out_len)
                               : is_verified(mech, in, len, out, out_len);
    default:
        return mech_make(mech, in, len, own, sizeof(own)) == out_len && memcmp(own, out, out_len) == 0;
    }
}
