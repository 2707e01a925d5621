/*
 * A vault record: one token object of a managed group, durable. Pure: encoding, sealing text, no database, no
 * member.
 */
#ifndef VAULT_RECORD_H
#define VAULT_RECORD_H

#include "base/buf.h"
#include "call/attrs.h"

#define UUID_LEN  16
#define SEAL_LEN  32
#define PROOF_MAX 32

enum record_state { RECORD_LIVE = 1, RECORD_DELETED = 2, RECORD_PURGED = 3 };

/* How the key travels. */
enum record_wrap {
    WRAP_NONE = 0,      /* no key: created from its attributes (public key, certificate, data) */
    WRAP_KWP = 1,       /* RFC 5649 under the group key */
    WRAP_TRANSPORT = 2, /* RSA-OAEP (SHA-1) under the group transport key: keeps any length */
    WRAP_PINNED = 3     /* cannot be wrapped: it lives on one member only (`pinned_member`) */
};

/* How a replica is shown to be the right key. */
enum record_proof {
    PROOF_NONE = 0,  /* no key in it: its attributes are compared */
    PROOF_KCV = 1,   /* AES or DES3 ECB of a fixed block */
    PROOF_HMAC = 2,  /* HMAC of a fixed text; which hash: proof_mech */
    PROOF_PUBLIC = 3 /* an operation with the private key checked against the public part in `public_part` */
};

enum record_flags {
    RECORD_INTERNAL = 1, /* the group's own (transport key): invisible to applications */
    RECORD_OWN_ID = 2    /* another key of its class had its CKA_ID: not every token keeps the two apart */
};

struct record {
    uint64_t seq;
    uint8_t uuid[UUID_LEN];
    uint64_t version; /* 1, 2, ... of this object */
    enum record_state state;
    unsigned flags;
    struct attrs attrs; /* all, as the application sees them; no sensitive value ever */
    enum record_wrap wrap;
    uint8_t *wrapped; /* owned */
    size_t wrapped_len;
    char pinned_member[64]; /* "" if none */
    uint32_t kek;           /* the group key's number */
    enum record_proof proof_kind;
    CK_MECHANISM_TYPE proof_mech;
    uint8_t proof[PROOF_MAX];
    size_t proof_len;
    struct attrs
        public_part; /* MODULUS + PUBLIC_EXPONENT, or EC_PARAMS + EC_POINT, or the domain and VALUE */
    int64_t created, changed, purge_at; /* seconds since 1970; 0 = never */
    uint8_t seal[SEAL_LEN];
};

void record_end(struct record *record); /* frees what it owns and zeroes it */
static inline UNUSED void record_end_auto(struct record *record)
{
    record_end(record);
}
MUST_USE int record_copy(struct record *into, const struct record *from);
/* Everything but seq and seal, as one blob (a version byte first), and back (false: malformed). */
void record_encode(const struct record *record, struct buf *out);
MUST_USE bool record_decode(struct record *ret, const uint8_t *data, size_t len);
/*
 * SHA-256 of what the seal covers: a fixed heading, the group's uuid, seq, the encoding. The seal is
 * HMAC-SHA-256 of these 32 bytes with the seal key, made and checked on a member.
 */
MUST_USE int record_digest(const struct record *record, const uint8_t group[UUID_LEN], uint8_t ret[32]);
void uuid_text(const uint8_t uuid[UUID_LEN], char out[37]);

#endif
