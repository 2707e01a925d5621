/*
 * A running operation of a virtual session: what Init was told, what has been fed, and where it runs. Belongs
 * to its session and is used only by the thread that has taken that. Its block is in secret memory and kept
 * from one operation to the next.
 */
#ifndef SESSION_OPERATION_H
#define SESSION_OPERATION_H

#include "session/length.h"
#include "session/operation_table.h"
#include "session/token.h"

#define OPERATION_PARAM 64 /* flat mechanism parameters up to that size need no block of their own */

enum op_engine {
    ENGINE_MEMBER, /* all of it on a member */
    ENGINE_SPLIT,  /* hashed here, signed there */
    ENGINE_LOCAL   /* a digest, wholly here */
};

/* What a call brings, and where its answer goes. */
struct op_io {
    const uint8_t *in;
    CK_ULONG in_len;
    const uint8_t *signature; /* to be verified */
    CK_ULONG signature_len;
    const uint8_t *aad; /* of a message; and what it brings with it, where nonce and tag are put */
    CK_ULONG aad_len;
    const void *param;
    CK_ULONG param_len;
    CK_FLAGS flags;    /* of C_...MessageNext */
    bool kept;         /* the signature is the one that C_VerifySignatureInit was given */
    uint8_t *out;      /* NULL with out_len: only the length is asked for */
    CK_ULONG *out_len; /* NULL: the call has no output */
};

static inline bool io_is_query(const struct op_io *io)
{
    return io->out_len && !io->out;
}

/* A result that the application has not got yet: its buffer was too small, or it only asked for the length.
 */
struct op_result {
    struct frame *frame; /* NULL = none */
    enum op_event event;
    size_t offset, len; /* in the frame's output */
    size_t in_offset;   /* where the input that it came of begins in the frame's in[0] */
};

/* What was fed, so that another member can be brought to the same point. In secret memory. */
struct op_parts {
    uint8_t *in, *out; /* all the input; all the output that the application has */
    size_t in_len, in_cap, out_len, out_cap;
    size_t fed, given; /* totals, whether kept or not */
    size_t stream;     /* how much output the member has made since its Init */
    bool dropped;      /* past replay-limit: not kept any more */
};

/* A key that went into a digest, behind that many bytes of what was fed. */
struct op_key {
    size_t at;
    struct object *object; /* referenced */
};

/* What is known of a key and does not change; kept for the next operation with the same key. */
struct op_facts {
    CK_OBJECT_HANDLE of; /* 0 = none */
    struct length_key length;
    bool always_authenticate, restricted; /* restricted: it has CKA_ALLOWED_MECHANISMS */
};

struct operation {
    enum op_phase phase;
    enum op_kind kind;
    enum op_engine engine;
    enum work_class work;
    struct token *token;
    struct object *key; /* referenced; NULL for a digest */
    struct op_facts facts;
    uint64_t deadline; /* of the C_ call that runs now */
    uint64_t mark;     /* of this Init, for object_is_proven */
    bool stateful;     /* must not be repeated */
    bool counted;      /* its messages have nonces that a member counts: it cannot be moved */

    CK_MECHANISM mech;  /* as the application gave it */
    CK_MECHANISM there; /* as members get it */
    uint8_t param[OPERATION_PARAM];
    struct frame *mech_block; /* holds what does not fit into param */

    struct member *doubtful; /* has just answered ambiguously in the held session: others are asked first */
    struct member *member;   /* with `real`: where Init has been done */
    struct real_session *real;
    uint8_t *pin; /* secret memory: of the context-specific login that a member accepted; NULL = none */
    size_t pin_len;

    uint8_t *signature; /* that C_VerifySignatureInit was given; NULL = none */
    size_t signature_len;

    struct op_result result;
    struct op_parts parts;
    struct op_key *fed; /* keys in a digest, in their order */
    size_t fed_count;
    struct object *feeding; /* the key in the frame that runs now; NULL = op->key */

    const EVP_MD *md; /* what is hashed here */
    EVP_MD_CTX *hash; /* kept from one operation to the next */
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len;
    bool hashed; /* digest is that of all that was fed */

    CK_OBJECT_HANDLE *found; /* OP_FIND */
    size_t found_count, found_next;
};

/* NULL without memory. Idle. */
MUST_USE struct operation *operation_new(struct token *token, enum op_kind kind);
/* Ends it and frees it. */
void operation_free(struct operation *operation);
/* Idle again. A real session in which an Init is pending is not used again. */
void operation_end(struct operation *operation);
/* A deep copy. CKR_MECHANISM_PARAM_INVALID for a parameter whose pointers cannot be told or are nonsense;
 * CKR_HOST_MEMORY. */
MUST_USE CK_RV operation_set_mech(struct operation *operation, const CK_MECHANISM *mech);
/* Takes over the reference; looks up what counts of the key. */
MUST_USE CK_RV operation_set_key(struct operation *operation, struct object *key);

/* Keeps a copy of the signature that is to be verified. CKR_HOST_MEMORY. */
MUST_USE CK_RV operation_set_signature(struct operation *operation, const uint8_t *signature, size_t len);

/* Puts a result there; the frame's reference is taken over. */
void operation_keep_result(struct operation *operation, struct op_result result);
void operation_drop_result(struct operation *operation);
/* Is there one of this event and of the same input? */
bool operation_has_result(const struct operation *operation, enum op_event event, const struct op_io *io);
/* Hands it out and drops it: CKR_OK; or tells its length: CKR_OK for a size query, else CKR_BUFFER_TOO_SMALL.
 */
MUST_USE CK_RV operation_deliver(struct operation *operation, const struct op_io *io);

#endif
