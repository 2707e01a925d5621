/*
 * The objects of one group, as sessions use them: whatever `sync` says, whatever members do. All are CK_RV
 * for the application (never an RV_ of call/rv.h). `session` is the virtual session that will own session
 * objects. `logged_in`: the application is CKU_USER. Templates come straight from the application: NULL
 * checks and session rules (read-only, ...) are done by the caller, everything about the objects themselves
 * is done here.
 */
#ifndef REPLICA_STORE_H
#define REPLICA_STORE_H

#include "router/group.h"
#include "router/instances.h"
#include "router/pins.h"

struct managed;
struct store;

/* Makes the group and starts connecting its members. *ret_why (mem_free) explains a failure (vault, no
 * memory). */
MUST_USE CK_RV store_new(const struct config_group *config, struct instances *instances, struct store **ret,
                         char **ret_why);
/* False: a member is stuck; then all of it is left behind (leaked, never freed). */
bool store_stop(struct store *store, uint64_t deadline);
void store_free(struct store *store);
/* Waits until what was made is on all members that are there. */
void store_settle(struct store *store, uint64_t deadline);
struct group *store_group(struct store *store);
/* NULL with sync = external. */
struct managed *store_managed(struct store *store);

MUST_USE CK_RV store_generate(struct store *store, uint32_t session, const CK_MECHANISM *mech,
                              const CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV store_generate_pair(struct store *store, uint32_t session, const CK_MECHANISM *mech,
                                   const CK_ATTRIBUTE *public_templ, CK_ULONG public_count,
                                   const CK_ATTRIBUTE *private_templ, CK_ULONG private_count,
                                   CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private);
MUST_USE CK_RV store_create(struct store *store, uint32_t session, const CK_ATTRIBUTE *templ, CK_ULONG count,
                            CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV store_copy(struct store *store, uint32_t session, struct object *object,
                          const CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV store_set(struct store *store, struct object *object, const CK_ATTRIBUTE *templ,
                         CK_ULONG count);
MUST_USE CK_RV store_destroy(struct store *store, struct object *object);
/* The standard's answer, with lengths and CK_UNAVAILABLE_INFORMATION filled in (C_GetAttributeValue). */
MUST_USE CK_RV store_get(struct store *store, struct object *object, CK_ATTRIBUTE *templ, CK_ULONG count);
MUST_USE CK_RV store_size(struct store *store, struct object *object, CK_ULONG *ret);
/* Handles of what the application may see now (mem_free). */
MUST_USE CK_RV store_find(struct store *store, const CK_ATTRIBUTE *templ, CK_ULONG count, bool logged_in,
                          CK_OBJECT_HANDLE **ret, size_t *ret_count);
/*
 * The object behind a virtual handle, if the application may use it now: exists, visible, its seal checked
 * once. CKR_OBJECT_HANDLE_INVALID otherwise (the caller turns that into CKR_KEY_HANDLE_INVALID where a key is
 * meant). Counted: object_unref. On the hot path: no lock, no vault.
 */
MUST_USE CK_RV store_object(struct store *store, CK_OBJECT_HANDLE handle, bool logged_in,
                            struct object **ret);
/*
 * C_InitToken for all members of an external group. A managed group refuses (CKR_FUNCTION_REJECTED): it would
 * wipe the keys that the vault's records are sealed and wrapped with, on every member at once.
 */
MUST_USE CK_RV store_init_token(struct store *store, struct pin so_pin);
/* A virtual session, or its login (then only what is private), has ended: its session objects go. */
void store_end_session(struct store *store, uint32_t session, bool private_only);
/* After C_Login and C_Logout: private session objects end at logout (standard), seals can be checked after
 * login. */
void store_login_changed(struct store *store, bool logged_in);

/*
 * C_WrapKey, C_UnwrapKey, C_DeriveKey, C_EncapsulateKey and the like. `with` is the handle of the key that
 * does it, `key` of the key to be wrapped. Handles inside the mechanism's parameter become the member's, and
 * what the member writes there is the application's. Codes for handles are those of the call:
 * CKR_WRAPPING_KEY_HANDLE_INVALID, ...
 */
struct store_keying {
    enum verb verb;
    const CK_MECHANISM *mech;
    CK_OBJECT_HANDLE with, key;
    struct span in, aad; /* the wrapped key or its ciphertext; associated data */
    const CK_ATTRIBUTE *templ;
    CK_ULONG count;
    uint8_t *out; /* NULL asks for the length */
    CK_ULONG *out_len;
    uint32_t session;
    bool logged_in;
    CK_RV may; /* the session's own say about what is to be made, told after that of the handles */
};
/* What wraps. CKR_BUFFER_TOO_SMALL. */
MUST_USE CK_RV store_wrap(struct store *store, const struct store_keying *call);
/* What makes a key. *ret is CK_INVALID_HANDLE after a mechanism that only writes handles into its parameter,
 * and when only the length was asked for. */
MUST_USE CK_RV store_make_key(struct store *store, const struct store_keying *call, CK_OBJECT_HANDLE *ret);

/* The mechanisms offered, by the group's `mechanisms` and `unreplicable-keys`; sorted. *count as
 * C_GetMechanismList. */
MUST_USE CK_RV store_mechanisms(struct store *store, CK_MECHANISM_TYPE *list, CK_ULONG *count);
MUST_USE CK_RV store_mechanism_info(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret);
/* A mechanism that the group's policy keeps from generating keys (CKR_MECHANISM_INVALID) or that is fine
 * (CKR_OK). */
MUST_USE CK_RV store_may_generate(struct store *store, CK_MECHANISM_TYPE type);

#endif
