/*
 * Calls on one given member with real handles, for those who keep replicas. Each makes sure that the member
 * is signed on, renews a lost session once, and reports transport failures to the member's health. All return
 * what the member said (RV_ values included).
 */
#ifndef REPLICA_REMOTE_H
#define REPLICA_REMOTE_H

#include "router/group.h"

struct remote {
    struct member *member;
    uint64_t deadline;
    uint32_t epoch; /* the member's, that the real handles are of: used in no other; 0 = not known */
};
/* With handles that are got from now on. */
static inline struct remote remote_to(struct member *member, uint64_t deadline)
{
    return (struct remote){member, deadline, member_epoch(member)};
}

/* Runs any frame. `kept`: in the keeper session (what it makes must outlive the call). */
MUST_USE CK_RV remote_run(struct remote remote, struct frame *frame, bool kept);

/* At most max handles; CKR_BUFFER_TOO_SMALL if there are more (the first ones are given all the same). */
MUST_USE CK_RV remote_find(struct remote remote, const CK_ATTRIBUTE *templ, size_t count,
                           CK_OBJECT_HANDLE *found, size_t max, size_t *ret_count);
/* Those of the asked types that the member has and tells; others are left out. */
MUST_USE CK_RV remote_get(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *type,
                          size_t count, struct attrs *ret);
MUST_USE CK_RV remote_create(struct remote remote, const CK_ATTRIBUTE *templ, size_t count,
                             CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV remote_copy(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *templ,
                           size_t count, CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV remote_set(struct remote remote, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *templ,
                          size_t count);
MUST_USE CK_RV remote_destroy(struct remote remote, CK_OBJECT_HANDLE object);
/* The blob in ret (buf_free). */
MUST_USE CK_RV remote_wrap(struct remote remote, const CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                           CK_OBJECT_HANDLE key, struct buf *ret);
MUST_USE CK_RV remote_unwrap(struct remote remote, const CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                             const uint8_t *blob, size_t len, const CK_ATTRIBUTE *templ, size_t count,
                             CK_OBJECT_HANDLE *ret);
/* A single-part operation. *len is the room in out, then what came. `login`: a context-specific login after
 * Init, with the PIN that is held. */
MUST_USE CK_RV remote_crypt(struct remote remote, enum op_kind kind, const CK_MECHANISM *mech,
                            CK_OBJECT_HANDLE key, const uint8_t *data, size_t data_len, uint8_t *out,
                            size_t *len, bool login);

#endif
