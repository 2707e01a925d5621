/*
 * What `load` can do with a key, one row an operation, and how each result is checked here with plain
 * OpenSSL.
 */
#ifndef TEST_LIB_LOAD_OP_H
#define TEST_LIB_LOAD_OP_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkcs11-headers/pkcs11.h"

#define LOAD_INPUT_MAX  4096
#define LOAD_OUTPUT_MAX (LOAD_INPUT_MAX + 512)
#define LOAD_VALUE_LEN  32

enum load_check { LOAD_CHECK_SIGNATURE, LOAD_CHECK_MAC, LOAD_CHECK_CIPHER };
enum load_maker { LOAD_MAKE_EC, LOAD_MAKE_RSA, LOAD_MAKE_AES, LOAD_MAKE_HMAC };

struct load_op {
    const char *name;
    CK_MECHANISM_TYPE mech;
    enum load_maker maker;
    enum load_check check;
    bool digest_first; /* the mechanism signs a digest: the application makes it */
    unsigned parts;    /* 1: C_Sign or C_Encrypt; more: that many updates and a final */
};

/* NULL: there is none of that name. */
const struct load_op *load_op_find(const char *name);
/* "ecdsa-p256|rsa2048|..." */
const char *load_op_names(void);

/* What the results are checked against: the public key, or a secret value that everybody may know. */
struct load_key {
    CK_OBJECT_HANDLE handle;
    EVP_PKEY *public;
    uint8_t value[LOAD_VALUE_LEN];
};

/* One thread's input and output. */
struct load_job {
    const struct load_op *op;
    const struct load_key *key;
    EVP_PKEY_CTX *verify; /* made by load_job_begin if a signature is to be checked */
    EVP_CIPHER_CTX *cipher;
    uint64_t n; /* counts, and makes each input another one */
    uint8_t iv[16];
    uint8_t in[LOAD_INPUT_MAX], out[LOAD_OUTPUT_MAX];
    size_t in_len;
    CK_ULONG out_len;
    uint64_t slowest_ns; /* of single C_ calls */
    const char *slowest;
};

bool load_job_begin(struct load_job *job, const struct load_op *op, const struct load_key *key, size_t size,
                    uint64_t seed);
void load_job_end(struct load_job *job);
/* One operation. *ret_call: the function that gave the answer. */
CK_RV load_job_run(struct load_job *job, CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
                   const char **ret_call);
/* Is what came out right? */
bool load_job_check(struct load_job *job);

uint64_t load_now(void); /* monotonic, ns */

#endif
