/*
 * The vault: one small interface, SQLite behind it (WAL, synchronous=FULL; several processes of one host
 * share it). All functions may be called from any thread; each takes LOCK_VAULT, none may be called with a
 * lock inner to it. Errors: 0 or -errno (-EIO with vault_error() telling what SQLite said; -ENOSPC; -EBUSY
 * after 5 s of waiting for another process). After a fork the child opens its own (with a copy of SQLite of
 * its own, see engine.h: SQLite's bookkeeping of locks does not survive a fork); vault_abandon forgets the
 * parent's without touching it, and vault_close of a parent's vault does nothing.
 */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "vault/record.h"

#define VAULT_PLACING 15 /* seconds after which a writer that died no longer counts */

struct vault;

struct vault_meta {
    uint8_t group[UUID_LEN];
    char label[33];
    uint32_t kek;               /* number of the current group key, 1, 2, ... */
    uint8_t kek_id[16];         /* CKA_ID of the group key on the members */
    uint8_t seal_id[16];        /* CKA_ID of the seal key */
    uint8_t kek_check[32];      /* AES-ECB of a fixed block pair with the group key: proves a member's copy,
                                   reveals nothing */
    uint8_t seal_check[32];     /* HMAC of a fixed text with the seal key */
    unsigned threshold, shares; /* M of N */
    int64_t created;
};

struct vault_member {
    char name[64];
    char serial[17];
    uint64_t synced_seq; /* every record up to this one is applied there */
    unsigned admin;      /* 0 = in service; 1 = drained */
};

/* Makes a new vault file (mode 0600), whole or not at all; -EEXIST if there is one. */
MUST_USE int vault_create(const char *path, const struct vault_meta *meta);
/* Opens an existing one and checks its integrity and version. *ret_why (mem_free) explains a failure. */
MUST_USE int vault_open(const char *path, struct vault **ret, char **ret_why);
void vault_close(struct vault *vault);
AUTO_DEFINE(vault_close, struct vault)
void vault_abandon(struct vault *vault);
const struct vault_meta *vault_meta(const struct vault *vault);
const char *vault_path(const struct vault *vault);
/* What the last failed call of this thread was told, for the log. */
const char *vault_error(void);

/* The highest seq. */
MUST_USE int vault_head(struct vault *vault, uint64_t *ret);
/* Cheap: true if another connection has written since the last call (PRAGMA data_version). */
bool vault_changed(struct vault *vault);
/*
 * Writes `record` (whose seq must be head + 1 and whose seal covers it) durably, replacing the one with its
 * uuid. -EAGAIN if another writer was first (head moved): seal anew with the new head, try again. -ESTALE if
 * the stored version of that uuid is not record->version - 1. The record's previous key material is
 * overwritten in the file (secure_delete); its copy in the log goes with the next checkpoint, which a record
 * of RECORD_PURGED brings about at once. -EINVAL for a private or secret key with a value among its
 * attributes. With it, it is noted that `placing` (the process and thread; NULL = nobody) puts it on the
 * members, which holds until vault_placed or for VAULT_PLACING seconds.
 */
MUST_USE int vault_write(struct vault *vault, const struct record *record, const char *placing);
MUST_USE int vault_read(struct vault *vault, const uint8_t uuid[UUID_LEN],
                        struct record *ret); /* -ENOENT; -EBADMSG: malformed */
/* 0: there is no such record. */
MUST_USE int vault_version(struct vault *vault, const uint8_t uuid[UUID_LEN], uint64_t *ret);
/*
 * Every record with seq > after, in order. `visit` owns nothing, returns false to stop, and is called with no
 * lock held. A record that cannot even be decoded is given with record->state 0, its uuid and seq.
 */
MUST_USE int vault_each(struct vault *vault, uint64_t after,
                        bool (*visit)(const struct record *record, void *ctx), void *ctx);

/*
 * Members. vault_member_set makes or updates name and serial, and keeps synced_seq; a new one, and one whose
 * serial is another than before (another token), starts at 0. -ENOENT for a name that is not known, here and
 * below.
 */
MUST_USE int vault_member_set(struct vault *vault, const char *name, const char *serial);
MUST_USE int vault_member_get(struct vault *vault, const char *name, struct vault_member *ret);
MUST_USE int vault_member_each(struct vault *vault, bool (*visit)(const struct vault_member *m, void *ctx),
                               void *ctx);
MUST_USE int vault_member_admin(struct vault *vault, const char *name, unsigned admin);
MUST_USE int vault_member_remove(struct vault *vault, const char *name);
/* Record seq is applied on these members; synced_seq moves on over all that is applied (those ahead of a gap
 * are noted). -EINVAL beyond the head. */
MUST_USE int vault_applied(struct vault *vault, uint64_t seq, const char *const *member, size_t members);
/* As vault_applied for all up to seq at once, by the one that caught the member up in order. */
MUST_USE int vault_caught_up(struct vault *vault, const char *member, uint64_t seq);
/* Is this very seq applied on the member (synced or noted ahead)? */
MUST_USE int vault_is_applied(struct vault *vault, const char *member, uint64_t seq, bool *ret);

/* A lease, so that one worker at a time catches a member up: true if got or renewed until now + seconds (an
 * hour at most). `owner` names process and thread. */
MUST_USE int vault_lease(struct vault *vault, const char *what, const char *owner, unsigned seconds,
                         bool *ret_got);
MUST_USE int vault_lease_drop(struct vault *vault, const char *what, const char *owner);

/* Has anybody it, other than `but` ("" = nobody excepted)? */
MUST_USE int vault_lease_held(struct vault *vault, const char *what, const char *but, bool *ret);

/* Is the record's writer, other than `but`, at putting it on members? Then it is left to it. */
MUST_USE int vault_is_placing(struct vault *vault, uint64_t seq, const char *but, bool *ret);
MUST_USE int vault_placed(struct vault *vault, uint64_t seq, const char *who);

/* Records that a seal check refused, noted so that every process and `p11ha status` can name them.
 * Idempotent. */
MUST_USE int vault_note_refused(struct vault *vault, const uint8_t uuid[UUID_LEN], uint64_t seq);
MUST_USE int vault_refused_each(struct vault *vault,
                                bool (*visit)(const uint8_t uuid[UUID_LEN], uint64_t seq, int64_t when,
                                              void *ctx),
                                void *ctx);
MUST_USE int vault_refused_clear(struct vault *vault, const uint8_t uuid[UUID_LEN]);

#endif
