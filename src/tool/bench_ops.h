/* The operations that bench knows, one row each, and what one of them needs on one module and in one thread.
 */
#ifndef TOOL_BENCH_OPS_H
#define TOOL_BENCH_OPS_H

#include <openssl/evp.h>

#include "tool/bench_load.h"

#define BENCH_SECRET_LEN 32   /* AES-256 and HMAC keys */
#define BENCH_OUT_ROOM   1024 /* beyond the input's size: signatures, tags, padding */

struct bench_op;

/* One operation on one module: its keys and inputs. Read-only while threads run. */
struct bench_target {
    const struct bench_op *op;
    const struct bench_module *module;
    size_t size;           /* of the input, or of what is asked for */
    bool session_keys;     /* make session objects, not token objects */
    unsigned long objects; /* that `find` searches among */
    char label[48];        /* what the labels of all objects made begin with */

    CK_OBJECT_HANDLE key, public;
    EVP_PKEY *peer;      /* the public half, read from the token; owned */
    uint8_t *secret;     /* the key's value, for OpenSSL to compute the same; owned, secret memory */
    bool secret_known;   /* false: the token refused the import and made its own */
    uint8_t *input;      /* size bytes; owned */
    uint8_t sealed[512]; /* what `decrypt` is given */
    size_t sealed_len;
    CK_OBJECT_HANDLE *made; /* all objects to destroy; owned */
    size_t made_count, made_cap;
};

/* One thread's share. */
struct bench_worker {
    const struct bench_target *target;
    CK_SESSION_HANDLE session; /* 0: none now */
    uint64_t n;                /* differs from operation to operation, and between threads and rounds */
    uint8_t *in;               /* target->size bytes, a copy of the input that may change with n */
    uint8_t *out;              /* room for out_cap bytes */
    CK_ULONG out_len, out_cap;
    uint8_t iv[16];
    CK_SESSION_INFO info;
    CK_OBJECT_HANDLE made[2]; /* of the last operation, for `tidy` */
};

struct bench_op {
    const char *name;
    const char *about;
    size_t size;                                   /* of the input by default */
    size_t unit;                                   /* sizes are rounded up to it; 0: --size does not apply */
    const char *group;                             /* EC: OpenSSL's name of the curve */
    uint8_t oid[12];                               /* EC: its DER, */
    CK_ULONG oid_len;                              /* and how long */
    CK_ULONG bits;                                 /* RSA */
    size_t point_len;                              /* EC: of an uncompressed point */
    CK_RV (*prepare)(struct bench_target *target); /* NULL: nothing to do */
    CK_RV (*run)(struct bench_worker *worker);
    bool (*check)(struct bench_worker *worker); /* is what `run` just did right? Not timed */
    void (*tidy)(struct bench_worker *worker);  /* after each good run, not timed; NULL: nothing to do */
};

/* NULL after the last one. */
const struct bench_op *bench_ops_at(size_t i);
const struct bench_op *bench_ops_named(const char *name);

/* Makes the keys and inputs. Otherwise the token's answer; bench_ops_end is due in both cases. */
MUST_USE CK_RV bench_ops_prepare(struct bench_target *target);
/* Destroys the objects (unless `keep`) and frees what the target owns. The number of objects that would not
 * go. */
size_t bench_ops_end(struct bench_target *target, bool keep);

#endif
