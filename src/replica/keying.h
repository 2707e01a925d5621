/*
 * Calls that make keys of keys: unwrap, derive, encapsulate, copy; and wrap. All are CK_RV for the
 * application, or RV_ values of call/rv.h for the caller to translate.
 */
#ifndef REPLICA_KEYING_H
#define REPLICA_KEYING_H

#include "replica/managed.h"

/* One such call. The caller holds the references; handles inside the mechanism's parameter are resolved too.
 */
struct keying {
    struct group *group;
    struct managed *managed;  /* NULL with sync = external */
    enum verb verb;           /* from VERB_WRAP to VERB_DERIVE, or VERB_COPY */
    const CK_MECHANISM *mech; /* NULL for VERB_COPY */
    struct object *key[FRAME_KEYS];
    struct span in, aad; /* the wrapped key or its ciphertext; associated data */
    const CK_ATTRIBUTE *templ;
    CK_ULONG count;
    uint8_t *out; /* of what wraps and encapsulates; NULL asks for the length */
    CK_ULONG *out_len;
    uint32_t session;
};

/* The handles inside a mechanism's parameter; at most FRAME_INNER. CKR_MECHANISM_PARAM_INVALID. */
MUST_USE CK_RV keying_inner(const CK_MECHANISM *mech, CK_OBJECT_HANDLE ret[FRAME_INNER], unsigned *ret_count);

/* What wraps. CKR_BUFFER_TOO_SMALL. */
MUST_USE CK_RV keying_wrap(struct keying *keying);
/*
 * The others. A token object comes by the protocol of create.h, or in an external group by one member, once;
 * a session object is made as it was asked for. *ret is CK_INVALID_HANDLE if the call makes only what it
 * writes into its parameter, or only the length was asked for.
 */
MUST_USE CK_RV keying_make(struct keying *keying, CK_OBJECT_HANDLE *ret);

#endif
