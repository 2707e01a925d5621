/*
 * What is known of each mechanism: mechs.def, one row each. Pure.
 */
#ifndef CALL_MECHS_H
#define CALL_MECHS_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

/* Kinds of an operation: also the index of a virtual session's running operations. */
enum op_kind {
    OP_ENCRYPT,
    OP_DECRYPT,
    OP_SIGN,
    OP_VERIFY,
    OP_DIGEST,
    OP_SIGN_RECOVER,
    OP_VERIFY_RECOVER,
    OP_FIND,
    OP_MESSAGE_ENCRYPT, /* the message-based ones of 3.0 */
    OP_MESSAGE_DECRYPT,
    OP_MESSAGE_SIGN,
    OP_MESSAGE_VERIFY,
    OP_KINDS
};

static inline bool op_is_message(enum op_kind kind)
{
    return kind >= OP_MESSAGE_ENCRYPT && kind <= OP_MESSAGE_VERIFY;
}

/* Classes of work with latencies of their own. */
enum work_class {
    WORK_RSA_2048,
    WORK_RSA_3072,
    WORK_RSA_4096,
    WORK_EC,
    WORK_SYMMETRIC,
    WORK_PUBLIC,
    WORK_KEYGEN,
    WORK_OBJECT,
    WORK_RANDOM,
    WORK_CLASSES
};

/* A field of a mechanism's parameter structure that is not flat. */
enum param_field_kind {
    PARAM_POINTER,    /* at `offset` a pointer to as many bytes as `length` tells */
    PARAM_FIXED,      /* at `offset` a pointer to `unit` bytes */
    PARAM_OUT,        /* as PARAM_POINTER, read and written by the member */
    PARAM_OUT_FIXED,  /* as PARAM_FIXED, read and written by the member */
    PARAM_HANDLE,     /* at `offset` a handle, virtual here, the member's there */
    PARAM_HANDLE_OUT, /* the same, written by the member */
    PARAM_HANDLE_AT,  /* at `offset` a pointer to a handle; behind the PARAM_POINTER of the same bytes */
    PARAM_MECHANISM,  /* at `offset` a CK_MECHANISM_PTR with parameters of its own */
    PARAM_STRUCT,     /* at `offset` a pointer to one structure of shape `inner` */
    PARAM_ARRAY,      /* the same, as many as the CK_ULONG at `len_offset` tells */
    PARAM_TEMPLATE,   /* at `offset` a pointer to as many attributes */
    PARAM_OPAQUE      /* no table can tell its pointers: cannot be copied, must be refused */
};
/* Where a pointer's length stands. Any pointer may be NULL. */
enum param_length {
    PARAM_COUNT,      /* the CK_ULONG at `len_offset`, times `unit` */
    PARAM_BITS,       /* the CK_ULONG at `len_offset`, in bits */
    PARAM_OUTER_BITS, /* as PARAM_BITS, but in the structure that points to this one */
    PARAM_COUNT_AT,   /* at `len_offset` a pointer to a CK_ULONG of bytes (a PARAM_OUT_FIXED of its own) */
    PARAM_TEXT,       /* up to and with its NUL */
    /* When a handle counts; where it does not, it is CK_INVALID_HANDLE for the member. */
    PARAM_ALWAYS,
    PARAM_IF_TRUE, /* the CK_BBOOL at `len_offset` is not CK_FALSE */
    PARAM_IF_IS    /* the CK_ULONG at `len_offset` is `unit` */
};
struct param_shape;
struct param_field {
    enum param_field_kind kind;
    uint16_t offset, len_offset, unit;
    enum param_length length;
    const struct param_shape *inner;
};
struct param_shape {
    const char *name; /* "CK_GCM_PARAMS"; "" = none or flat bytes */
    size_t size;      /* 0: any */
    size_t fields;
    const struct param_field *field;
    /* Another one that the same mechanism takes, told by its size; or NULL. */
    const struct param_shape *also;
};

enum mech_flags {
    MECH_STATEFUL = 1 << 0,       /* a signature uses up state of its key: never repeated, never replicated */
    MECH_RANDOM_SIGN = 1 << 1,    /* signing the same data again gives another signature */
    MECH_RANDOM_ENCRYPT = 1 << 2, /* encrypting the same data again gives another ciphertext */
    MECH_RANDOM = MECH_RANDOM_SIGN | MECH_RANDOM_ENCRYPT, /* a mask for either; mech_random for a kind */
    MECH_MULTI = 1 << 3,                                  /* may be fed by C_...Update */
};
struct mech_info {
    CK_MECHANISM_TYPE type;
    const char *name;
    const struct param_shape *shape;
    CK_MECHANISM_TYPE digest; /* hash-and-sign: hashed here with this ... */
    CK_MECHANISM_TYPE raw;    /* ... and signed there with that; CK_UNAVAILABLE_INFORMATION: does not split */
    unsigned flags;
};
/* NULL for one that is not known (its parameter is then flat). */
const struct mech_info *mech_lookup(CK_MECHANISM_TYPE type);
/* All hash-and-sign mechanisms that split; static. */
const CK_MECHANISM_TYPE *mech_splits(size_t *ret_count);
/* The shape of a parameter of that length; NULL: flat. */
const struct param_shape *mech_shape(const struct mech_info *info, size_t len);
/* The shape of what a message brings with it in an operation of that mechanism; NULL: flat. */
const struct param_shape *mech_message_shape(CK_MECHANISM_TYPE type, size_t len);
/* Is its nonce the next one of a counter that runs from one message to the next? */
bool mech_message_counts(CK_MECHANISM_TYPE type, const void *param, size_t len);
/*
 * The bytes behind the pointer of `field` in `param` (`outer`: the structure that points to `param`, else
 * NULL); 0 for NULL. False if there cannot be so many: the parameter is invalid.
 */
MUST_USE bool mech_field_len(const struct param_field *field, const void *param, const void *outer,
                             size_t *ret_len);
/* How many structures or attributes the pointer of `field` leads to; 0 for NULL. False: not so many. */
MUST_USE bool mech_field_count(const struct param_field *field, const void *param, size_t *ret);
/* Is there a pointer at its offset, of which the field is the owner? */
bool mech_field_points(const struct param_field *field);
/* Does a member write there? */
bool mech_field_writes(const struct param_field *field);
/* Does the handle of a PARAM_HANDLE count, by the field's condition? */
bool mech_handle_counts(const struct param_field *field, const void *param);
/* Does an operation of this kind give another output each time? A NULL info: it may. */
bool mech_random(const struct mech_info *info, enum op_kind kind);

/* The digests that are computed here. */
enum { MECH_LOCAL_DIGESTS = 12 };
extern const CK_MECHANISM_TYPE mech_local_digests[MECH_LOCAL_DIGESTS];
/* OpenSSL's name of a digest mechanism ("SHA256"), or NULL. */
const char *mech_digest_name(CK_MECHANISM_TYPE digest);
/* The DER of its DigestInfo up to the digest itself; NULL if there is none. */
const uint8_t *mech_digest_info(CK_MECHANISM_TYPE digest, size_t *ret_len);
/* Bytes; 0 if not known. */
size_t mech_digest_size(CK_MECHANISM_TYPE digest);

/* The class of work of an operation on a key of that type and size (bits; 0 = not known). */
enum work_class mech_work(enum op_kind kind, CK_KEY_TYPE key_type, unsigned bits);
const char *work_name(enum work_class work);

#endif
