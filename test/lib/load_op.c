#include "test/lib/load_op.h"

#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

/* clang-format off */
static const struct load_op table[] = {
    {"ecdsa-p256",    CKM_ECDSA,             LOAD_MAKE_EC,   LOAD_CHECK_SIGNATURE, true,  1},
    {"ecdsa-multi",   CKM_ECDSA_SHA256,      LOAD_MAKE_EC,   LOAD_CHECK_SIGNATURE, false, 3},
    {"rsa2048",       CKM_SHA256_RSA_PKCS,   LOAD_MAKE_RSA,  LOAD_CHECK_SIGNATURE, false, 1},
    {"hmac",          CKM_SHA256_HMAC,       LOAD_MAKE_HMAC, LOAD_CHECK_MAC,       false, 1},
    {"hmac-multi",    CKM_SHA256_HMAC,       LOAD_MAKE_HMAC, LOAD_CHECK_MAC,       false, 3},
    {"aes-cbc",       CKM_AES_CBC,           LOAD_MAKE_AES,  LOAD_CHECK_CIPHER,    false, 1},
    {"aes-cbc-multi", CKM_AES_CBC,           LOAD_MAKE_AES,  LOAD_CHECK_CIPHER,    false, 3},
};
/* clang-format on */

#define OPS (sizeof(table) / sizeof(table[0]))

const struct load_op *load_op_find(const char *name)
{
    for (size_t i = 0; i < OPS; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

const char *load_op_names(void)
{
    static char names[200];
    names[0] = 0;
    for (size_t i = 0; i < OPS; i++) {
        if (i)
            strcat(names, "|");
        strcat(names, table[i].name);
    }
    return names;
}

uint64_t load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool load_job_begin(struct load_job *job, const struct load_op *op, const struct load_key *key, size_t size,
                    uint64_t seed)
{
    memset(job, 0, sizeof(*job));
    job->op = op;
    job->key = key;
    job->in_len = op->digest_first ? SHA256_DIGEST_LENGTH : size;
    for (size_t i = 0; i < job->in_len; i++)
        job->in[i] = (uint8_t)(i * 7 + seed);
    memcpy(job->iv + 8, &seed, sizeof(seed));
    if (op->check == LOAD_CHECK_CIPHER)
        return (job->cipher = EVP_CIPHER_CTX_new());
    if (op->check != LOAD_CHECK_SIGNATURE)
        return true;
    job->verify = EVP_PKEY_CTX_new(key->public, NULL);
    return job->verify && EVP_PKEY_verify_init(job->verify) == 1 &&
           EVP_PKEY_CTX_set_signature_md(job->verify, EVP_sha256()) == 1;
}

void load_job_end(struct load_job *job)
{
    EVP_PKEY_CTX_free(job->verify);
    EVP_CIPHER_CTX_free(job->cipher);
}

typedef CK_RV (*init_call)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);

static void note_time(struct load_job *job, const char *call, uint64_t took)
{
    if (took <= job->slowest_ns)
        return;
    job->slowest_ns = took;
    job->slowest = call;
}

/* Updates of unequal length, so that blocks are cut. */
static size_t part_of(const struct load_job *job, unsigned i, size_t from)
{
    size_t even = job->in_len / job->op->parts;
    size_t odd = even > 5 ? even - 5 : even;
    return i + 1 == job->op->parts ? job->in_len - from : odd;
}

#define TIMED(name, ...)                            \
    ({                                              \
        uint64_t began_ = load_now();               \
        CK_RV rv_ = p11->name(__VA_ARGS__);         \
        note_time(job, #name, load_now() - began_); \
        *ret_call = #name;                          \
        rv_;                                        \
    })

static CK_RV encrypt(struct load_job *job, CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
                     const char **ret_call)
{
    if (job->op->parts == 1)
        return TIMED(C_Encrypt, session, job->in, job->in_len, job->out, &job->out_len);
    CK_RV rv = CKR_OK;
    CK_ULONG made = 0, len = 0;
    size_t from = 0;
    for (unsigned i = 0; rv == CKR_OK && i < job->op->parts; i++) {
        size_t part = part_of(job, i, from);
        len = sizeof(job->out) - made;
        rv = TIMED(C_EncryptUpdate, session, job->in + from, part, job->out + made, &len);
        from += part;
        made += rv == CKR_OK ? len : 0;
    }
    len = sizeof(job->out) - made;
    if (rv == CKR_OK)
        rv = TIMED(C_EncryptFinal, session, job->out + made, &len);
    job->out_len = made + len;
    return rv;
}

static CK_RV sign(struct load_job *job, CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
                  const char **ret_call)
{
    if (job->op->parts == 1)
        return TIMED(C_Sign, session, job->in, job->in_len, job->out, &job->out_len);
    CK_RV rv = CKR_OK;
    size_t from = 0;
    for (unsigned i = 0; rv == CKR_OK && i < job->op->parts; i++) {
        size_t part = part_of(job, i, from);
        rv = TIMED(C_SignUpdate, session, job->in + from, part);
        from += part;
    }
    return rv == CKR_OK ? TIMED(C_SignFinal, session, job->out, &job->out_len) : rv;
}

CK_RV load_job_run(struct load_job *job, CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
                   const char **ret_call)
{
    bool cipher = job->op->check == LOAD_CHECK_CIPHER;
    CK_MECHANISM mech = {job->op->mech, cipher ? job->iv : NULL, cipher ? sizeof(job->iv) : 0};
    job->n++;
    memcpy(job->in, &job->n, sizeof(job->n));
    memcpy(job->iv, &job->n, sizeof(job->n));
    job->out_len = sizeof(job->out);
    CK_RV rv = cipher ? TIMED(C_EncryptInit, session, &mech, job->key->handle)
                      : TIMED(C_SignInit, session, &mech, job->key->handle);
    if (rv != CKR_OK)
        return rv;
    return cipher ? encrypt(job, p11, session, ret_call) : sign(job, p11, session, ret_call);
}

/* PKCS#11 gives r and s side by side, OpenSSL wants DER. */
static int ecdsa_to_der(const uint8_t *raw, size_t len, uint8_t *der)
{
    BIGNUM *r = BN_bin2bn(raw, (int)len / 2, NULL), *s = BN_bin2bn(raw + len / 2, (int)len / 2, NULL);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    int der_len = -1;
    if (r && s && signature && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL;
        der_len = i2d_ECDSA_SIG(signature, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return der_len;
}

static bool check_signature(struct load_job *job)
{
    uint8_t digest[SHA256_DIGEST_LENGTH], der[160];
    const uint8_t *signed_by = job->out;
    size_t len = job->out_len;
    if (job->op->digest_first)
        memcpy(digest, job->in, sizeof(digest));
    else
        SHA256(job->in, job->in_len, digest);
    if (job->op->maker == LOAD_MAKE_EC) {
        int der_len = len == 64 ? ecdsa_to_der(job->out, len, der) : -1;
        if (der_len <= 0)
            return false;
        signed_by = der;
        len = (size_t)der_len;
    }
    return EVP_PKEY_verify(job->verify, signed_by, len, digest, sizeof(digest)) == 1;
}

static bool check_mac(const struct load_job *job)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return HMAC(EVP_sha256(), job->key->value, LOAD_VALUE_LEN, job->in, job->in_len, mac, &len) &&
           job->out_len == len && !memcmp(mac, job->out, len);
}

static bool check_cipher(struct load_job *job)
{
    uint8_t expected[LOAD_OUTPUT_MAX];
    int len = 0;
    if (EVP_EncryptInit_ex(job->cipher, EVP_aes_256_cbc(), NULL, job->key->value, job->iv) != 1 ||
        EVP_CIPHER_CTX_set_padding(job->cipher, 0) != 1 ||
        EVP_EncryptUpdate(job->cipher, expected, &len, job->in, (int)job->in_len) != 1)
        return false;
    return job->out_len == (CK_ULONG)len && !memcmp(expected, job->out, job->out_len);
}

bool load_job_check(struct load_job *job)
{
    switch (job->op->check) {
    case LOAD_CHECK_MAC:
        return check_mac(job);
    case LOAD_CHECK_CIPHER:
        return check_cipher(job);
    default:
        return check_signature(job);
    }
}
