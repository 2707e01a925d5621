#include "tool/bench_ops.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "tool/bench_check.h"
#include "tool/bench_keys.h"

#define GCM_IV_LEN   12
#define GCM_TAG_BITS 128
#define DIGEST_LEN   32

/* What stands before a SHA-256 in a PKCS#1 signature. */
static const uint8_t SHA256_INFO[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static const CK_FUNCTION_LIST *calls_of(const struct bench_worker *worker)
{
    return worker->target->module->calls;
}

/* Another input each time, so that nobody answers from memory. */
static void vary(struct bench_worker *worker)
{
    size_t size = worker->target->size;
    size_t len = size_min(size, sizeof worker->n);
    memcpy(worker->in + size - len, &worker->n, len);
    memcpy(worker->iv + 4, &worker->n, sizeof worker->n);
    worker->out_len = worker->out_cap;
}

static CK_RV sign(struct bench_worker *worker, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    vary(worker);
    CK_RV rv = calls_of(worker)->C_SignInit(worker->session, &mechanism, worker->target->key);
    if (rv != CKR_OK)
        return rv;
    return calls_of(worker)->C_Sign(worker->session, worker->in, worker->target->size, worker->out,
                                    &worker->out_len);
}

static CK_RV ecdsa_run(struct bench_worker *worker)
{
    return sign(worker, CKM_ECDSA);
}

static bool ecdsa_check(struct bench_worker *worker)
{
    return bench_check_ecdsa(worker->target->peer, worker->in, worker->target->size, worker->out,
                             worker->out_len);
}

static CK_RV rsa_sign_prepare(struct bench_target *target)
{
    memcpy(target->input, SHA256_INFO, sizeof SHA256_INFO);
    return bench_keys_rsa(target, true);
}

static CK_RV rsa_sign_run(struct bench_worker *worker)
{
    return sign(worker, CKM_RSA_PKCS);
}

static bool rsa_sign_check(struct bench_worker *worker)
{
    return bench_check_rsa(worker->target->peer, worker->in, worker->target->size, worker->out,
                           worker->out_len);
}

static CK_RV rsa_decrypt_prepare(struct bench_target *target)
{
    CK_RV rv = bench_keys_rsa(target, false);
    if (rv != CKR_OK)
        return rv;
    target->sealed_len = sizeof target->sealed;
    bool good =
        bench_check_seal(target->peer, target->input, target->size, target->sealed, &target->sealed_len);
    return good ? CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV rsa_decrypt_run(struct bench_worker *worker)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = {.hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    const struct bench_target *target = worker->target;
    worker->out_len = worker->out_cap;
    CK_RV rv = calls_of(worker)->C_DecryptInit(worker->session, &mechanism, target->key);
    if (rv != CKR_OK)
        return rv;
    return calls_of(worker)->C_Decrypt(worker->session, (CK_BYTE *)(uintptr_t)target->sealed,
                                       target->sealed_len, worker->out, &worker->out_len);
}

static bool rsa_decrypt_check(struct bench_worker *worker)
{
    return worker->out_len == worker->target->size &&
           memcmp(worker->out, worker->target->input, worker->out_len) == 0;
}

static CK_RV encrypt(struct bench_worker *worker, CK_MECHANISM *mechanism)
{
    CK_RV rv = calls_of(worker)->C_EncryptInit(worker->session, mechanism, worker->target->key);
    if (rv != CKR_OK)
        return rv;
    return calls_of(worker)->C_Encrypt(worker->session, worker->in, worker->target->size, worker->out,
                                       &worker->out_len);
}

/* For a key whose value is not known: the token itself must give the plaintext back. */
static bool decrypts_to_input(struct bench_worker *worker, CK_MECHANISM *mechanism)
{
    CK_ULONG len = worker->out_cap;
    AUTO(mem_free) uint8_t *plain = mem_new(len, 1);
    return plain &&
           calls_of(worker)->C_DecryptInit(worker->session, mechanism, worker->target->key) == CKR_OK &&
           calls_of(worker)->C_Decrypt(worker->session, worker->out, worker->out_len, plain, &len) ==
               CKR_OK &&
           len == worker->target->size && memcmp(plain, worker->in, len) == 0;
}

static CK_GCM_PARAMS gcm_params(struct bench_worker *worker)
{
    return (CK_GCM_PARAMS){
        .pIv = worker->iv, .ulIvLen = GCM_IV_LEN, .ulIvBits = 8 * GCM_IV_LEN, .ulTagBits = GCM_TAG_BITS};
}

static CK_RV gcm_run(struct bench_worker *worker)
{
    vary(worker);
    CK_GCM_PARAMS gcm = gcm_params(worker);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
    return encrypt(worker, &mechanism);
}

static bool gcm_check(struct bench_worker *worker)
{
    CK_GCM_PARAMS gcm = gcm_params(worker);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
    if (!worker->target->secret_known)
        return decrypts_to_input(worker, &mechanism);
    return bench_check_cipher("AES-256-GCM", worker->target->secret, worker->iv, worker->in,
                              worker->target->size, worker->out, worker->out_len);
}

static CK_RV cbc_run(struct bench_worker *worker)
{
    vary(worker);
    CK_MECHANISM mechanism = {CKM_AES_CBC, worker->iv, sizeof worker->iv};
    return encrypt(worker, &mechanism);
}

static bool cbc_check(struct bench_worker *worker)
{
    CK_MECHANISM mechanism = {CKM_AES_CBC, worker->iv, sizeof worker->iv};
    if (!worker->target->secret_known)
        return decrypts_to_input(worker, &mechanism);
    return bench_check_cipher("AES-256-CBC", worker->target->secret, worker->iv, worker->in,
                              worker->target->size, worker->out, worker->out_len);
}

static CK_RV hmac_run(struct bench_worker *worker)
{
    return sign(worker, CKM_SHA256_HMAC);
}

static bool hmac_check(struct bench_worker *worker)
{
    const struct bench_target *target = worker->target;
    CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
    if (target->secret_known)
        return bench_check_hmac(target->secret, BENCH_SECRET_LEN, worker->in, target->size, worker->out,
                                worker->out_len);
    return calls_of(worker)->C_VerifyInit(worker->session, &mechanism, target->key) == CKR_OK &&
           calls_of(worker)->C_Verify(worker->session, worker->in, target->size, worker->out,
                                      worker->out_len) == CKR_OK;
}

static CK_RV random_run(struct bench_worker *worker)
{
    return calls_of(worker)->C_GenerateRandom(worker->session, worker->out, worker->target->size);
}

/* Against the sample before, which `in` keeps: at least not always the same. */
static bool random_check(struct bench_worker *worker)
{
    size_t size = worker->target->size;
    bool differs = size < 16 || memcmp(worker->out, worker->in, size) != 0;
    memcpy(worker->in, worker->out, size);
    return differs;
}

static CK_RV digest_run(struct bench_worker *worker)
{
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    vary(worker);
    CK_RV rv = calls_of(worker)->C_DigestInit(worker->session, &mechanism);
    if (rv != CKR_OK)
        return rv;
    return calls_of(worker)->C_Digest(worker->session, worker->in, worker->target->size, worker->out,
                                      &worker->out_len);
}

static bool digest_check(struct bench_worker *worker)
{
    return bench_check_digest(worker->in, worker->target->size, worker->out, worker->out_len);
}

static CK_RV session_run(struct bench_worker *worker)
{
    CK_SESSION_HANDLE session = 0;
    CK_RV rv = calls_of(worker)->C_OpenSession(worker->target->module->slot, CKF_SERIAL_SESSION, NULL, NULL,
                                               &session);
    worker->made[0] = session;
    return rv == CKR_OK ? calls_of(worker)->C_CloseSession(session) : rv;
}

/* A closed session is closed, and a session has a handle. */
static bool session_check(struct bench_worker *worker)
{
    CK_SESSION_INFO info;
    return worker->made[0] && worker->made[0] != worker->session &&
           calls_of(worker)->C_GetSessionInfo(worker->session, &info) == CKR_OK;
}

static CK_RV session_info_run(struct bench_worker *worker)
{
    return calls_of(worker)->C_GetSessionInfo(worker->session, &worker->info);
}

static bool session_info_check(struct bench_worker *worker)
{
    return worker->info.slotID == worker->target->module->slot && (worker->info.flags & CKF_SERIAL_SESSION);
}

static CK_RV find_run(struct bench_worker *worker)
{
    char label[BENCH_LABEL_MAX];
    bench_keys_label(worker->target, worker->n % worker->target->objects, label);
    CK_ATTRIBUTE template = {CKA_LABEL, label, strlen(label)};
    CK_RV rv = calls_of(worker)->C_FindObjectsInit(worker->session, &template, 1);
    if (rv != CKR_OK)
        return rv;
    rv = calls_of(worker)->C_FindObjects(worker->session, worker->made, ARRAY_LEN(worker->made),
                                         &worker->out_len);
    CK_RV end = calls_of(worker)->C_FindObjectsFinal(worker->session);
    return rv != CKR_OK ? rv : end;
}

static bool find_check(struct bench_worker *worker)
{
    char label[BENCH_LABEL_MAX];
    char found[BENCH_LABEL_MAX];
    bench_keys_label(worker->target, worker->n % worker->target->objects, label);
    CK_ATTRIBUTE attribute = {CKA_LABEL, found, sizeof found};
    return worker->out_len == 1 &&
           calls_of(worker)->C_GetAttributeValue(worker->session, worker->made[0], &attribute, 1) == CKR_OK &&
           attribute.ulValueLen == strlen(label) && memcmp(found, label, strlen(label)) == 0;
}

static CK_RV keygen_aes_run(struct bench_worker *worker)
{
    return bench_keys_session_aes(worker->target, worker->session, &worker->made[0]);
}

static bool keygen_aes_check(struct bench_worker *worker)
{
    CK_ULONG len = 0;
    CK_ATTRIBUTE attribute = {CKA_VALUE_LEN, &len, sizeof len};
    return calls_of(worker)->C_GetAttributeValue(worker->session, worker->made[0], &attribute, 1) == CKR_OK &&
           len == BENCH_SECRET_LEN;
}

static void keygen_tidy(struct bench_worker *worker)
{
    for (size_t i = 0; i < ARRAY_LEN(worker->made); i++) {
        if (worker->made[i])
            (void)calls_of(worker)->C_DestroyObject(worker->session, worker->made[i]);
        worker->made[i] = 0;
    }
}

static CK_RV keygen_ec_run(struct bench_worker *worker)
{
    return bench_keys_session_ec(worker->target, worker->session, &worker->made[0], &worker->made[1]);
}

/* The halves belong together: what one signs the other verifies. */
static bool keygen_ec_check(struct bench_worker *worker)
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    EVP_PKEY *peer = NULL;
    if (bench_keys_ec_peer(worker->target, worker->session, worker->made[1], &peer) != CKR_OK)
        return false;
    worker->out_len = worker->out_cap;
    bool good = calls_of(worker)->C_SignInit(worker->session, &mechanism, worker->made[0]) == CKR_OK &&
                calls_of(worker)->C_Sign(worker->session, worker->in, worker->target->size, worker->out,
                                         &worker->out_len) == CKR_OK &&
                bench_check_ecdsa(peer, worker->in, worker->target->size, worker->out, worker->out_len);
    EVP_PKEY_free(peer);
    return good;
}

#define P256 \
    .group = "P-256", .oid = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, .oid_len = 10, .point_len = 65
#define P384         .group = "P-384", .oid = {6, 5, 0x2b, 0x81, 4, 0, 0x22}, .oid_len = 7, .point_len = 97
#define RSA_INFO_LEN (sizeof SHA256_INFO + DIGEST_LEN)

/* clang-format off */
static const struct bench_op OPS[] = {
    {.name = "ecdsa-p256", .about = "CKM_ECDSA, a signature over 32 bytes", .size = DIGEST_LEN, P256,
     .prepare = bench_keys_ec, .run = ecdsa_run, .check = ecdsa_check},
    {.name = "ecdsa-p384", .about = "CKM_ECDSA, a signature over 48 bytes", .size = 48, P384,
     .prepare = bench_keys_ec, .run = ecdsa_run, .check = ecdsa_check},
    {.name = "rsa2048-sign", .about = "CKM_RSA_PKCS, a signature over a SHA-256", .size = RSA_INFO_LEN, .bits = 2048,
     .prepare = rsa_sign_prepare, .run = rsa_sign_run, .check = rsa_sign_check},
    {.name = "rsa4096-sign", .about = "the same with 4096 bits", .size = RSA_INFO_LEN, .bits = 4096,
     .prepare = rsa_sign_prepare, .run = rsa_sign_run, .check = rsa_sign_check},
    {.name = "rsa2048-decrypt", .about = "CKM_RSA_PKCS_OAEP (SHA-1) of 32 bytes", .size = 32, .bits = 2048,
     .prepare = rsa_decrypt_prepare, .run = rsa_decrypt_run, .check = rsa_decrypt_check},
    {.name = "aes-gcm", .about = "CKM_AES_GCM, encryption of --size bytes", .size = 1024, .unit = 1,
     .prepare = bench_keys_aes, .run = gcm_run, .check = gcm_check},
    {.name = "aes-cbc", .about = "CKM_AES_CBC, encryption of --size bytes", .size = 1024, .unit = 16,
     .prepare = bench_keys_aes, .run = cbc_run, .check = cbc_check},
    {.name = "hmac-sha256", .about = "CKM_SHA256_HMAC over --size bytes", .size = 1024, .unit = 1,
     .prepare = bench_keys_hmac, .run = hmac_run, .check = hmac_check},
    {.name = "random", .about = "C_GenerateRandom of --size bytes (32)", .size = 32, .unit = 1,
     .run = random_run, .check = random_check},
    {.name = "digest-sha256", .about = "C_Digest of --size bytes", .size = 1024, .unit = 1,
     .run = digest_run, .check = digest_check},
    {.name = "session", .about = "C_OpenSession and C_CloseSession", .size = 16,
     .run = session_run, .check = session_check},
    {.name = "session-info", .about = "C_GetSessionInfo", .size = 16,
     .run = session_info_run, .check = session_info_check},
    {.name = "find", .about = "one of --objects objects by its label", .size = 16,
     .prepare = bench_keys_crowd, .run = find_run, .check = find_check},
    {.name = "keygen-aes", .about = "an AES-256 session key (destroyed outside the time)", .size = 16,
     .run = keygen_aes_run, .check = keygen_aes_check, .tidy = keygen_tidy},
    {.name = "keygen-ec", .about = "a P-256 session key pair (destroyed outside the time)", .size = DIGEST_LEN, P256,
     .run = keygen_ec_run, .check = keygen_ec_check, .tidy = keygen_tidy},
};
/* clang-format on */

const struct bench_op *bench_ops_at(size_t i)
{
    return i < ARRAY_LEN(OPS) ? &OPS[i] : NULL;
}

const struct bench_op *bench_ops_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(OPS); i++)
        if (strcmp(OPS[i].name, name) == 0)
            return &OPS[i];
    return NULL;
}

CK_RV bench_ops_prepare(struct bench_target *target)
{
    target->input = mem_new(target->size, 1);
    if (!target->input || RAND_bytes(target->input, (int)target->size) != 1)
        return CKR_HOST_MEMORY;
    return target->op->prepare ? target->op->prepare(target) : CKR_OK;
}

size_t bench_ops_end(struct bench_target *target, bool keep)
{
    size_t left = 0;
    for (size_t i = 0; i < target->made_count && !keep; i++)
        if (target->module->calls->C_DestroyObject(target->module->keeper, target->made[i]) != CKR_OK)
            left++;
    EVP_PKEY_free(target->peer);
    secret_free(target->secret);
    mem_free(target->input);
    mem_free(target->made);
    target->peer = NULL;
    target->secret = NULL;
    target->input = NULL;
    target->made = NULL;
    target->made_count = target->made_cap = 0;
    return left;
}
