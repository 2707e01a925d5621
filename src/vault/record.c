#include "vault/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/secret.h"

#define RECORD_FORMAT 1

static const char digest_heading[] = "p11ha vault record 1";

void record_end(struct record *record)
{
    attrs_free(&record->attrs);
    attrs_free(&record->public_part);
    mem_free(record->wrapped);
    secret_wipe(record, sizeof *record);
}

int record_copy(struct record *into, const struct record *from)
{
    struct record copy = *from;

    copy.attrs = copy.public_part = (struct attrs){0};
    copy.wrapped = NULL;
    if (from->wrapped_len) {
        copy.wrapped = mem_dup(from->wrapped, from->wrapped_len);
        if (!copy.wrapped)
            return -ENOMEM;
    }
    if (attrs_copy(&copy.attrs, &from->attrs) != CKR_OK ||
        attrs_copy(&copy.public_part, &from->public_part) != CKR_OK) {
        record_end(&copy);
        return -ENOMEM;
    }
    *into = copy;
    return 0;
}

static void attrs_put(const struct attrs *attrs, struct buf *out)
{
    AUTO(buf_free) struct buf inner = {0};

    attrs_encode(attrs, &inner);
    if (inner.failed)
        out->failed = true;
    else
        buf_blob(out, inner.data, inner.len);
}

void record_encode(const struct record *record, struct buf *out)
{
    buf_u8(out, RECORD_FORMAT);
    buf_bytes(out, record->uuid, UUID_LEN);
    buf_u64(out, record->version);
    buf_u8(out, (uint8_t)record->state);
    buf_u32(out, record->flags);
    attrs_put(&record->attrs, out);
    buf_u8(out, (uint8_t)record->wrap);
    buf_blob(out, record->wrapped, record->wrapped_len);
    buf_blob(out, record->pinned_member, strnlen(record->pinned_member, sizeof record->pinned_member - 1));
    buf_u32(out, record->kek);
    buf_u8(out, (uint8_t)record->proof_kind);
    buf_u64(out, record->proof_mech);
    buf_blob(out, record->proof, size_min(record->proof_len, PROOF_MAX));
    attrs_put(&record->public_part, out);
    buf_u64(out, (uint64_t)record->created);
    buf_u64(out, (uint64_t)record->changed);
    buf_u64(out, (uint64_t)record->purge_at);
}

static bool bytes_get(struct reader *r, void *into, size_t len)
{
    const uint8_t *data = reader_bytes(r, len);

    if (r->failed)
        return false;
    memcpy(into, data, len);
    return true;
}

static bool attrs_get_blob(struct reader *r, struct attrs *ret)
{
    size_t len = 0;
    const uint8_t *data = reader_blob(r, &len);

    return !r->failed && attrs_decode(ret, data, len);
}

/* A blob of at most max bytes into a fixed field. */
static bool field_get(struct reader *r, void *into, size_t max, size_t *ret_len)
{
    size_t len = 0;
    const uint8_t *data = reader_blob(r, &len);

    if (r->failed || len > max)
        return false;
    if (len)
        memcpy(into, data, len);
    *ret_len = len;
    return true;
}

static bool wrapped_get(struct reader *r, struct record *record)
{
    size_t len = 0;
    const uint8_t *data = reader_blob(r, &len);

    if (r->failed)
        return false;
    if (!len)
        return true;
    record->wrapped = mem_dup(data, len);
    record->wrapped_len = record->wrapped ? len : 0;
    return record->wrapped != NULL;
}

static bool fields_get(struct reader *r, struct record *record)
{
    size_t name_len = 0;

    if (reader_u8(r) != RECORD_FORMAT || !bytes_get(r, record->uuid, UUID_LEN))
        return false;
    record->version = reader_u64(r);
    record->state = reader_u8(r);
    record->flags = reader_u32(r);
    if (!attrs_get_blob(r, &record->attrs))
        return false;
    record->wrap = reader_u8(r);
    if (!wrapped_get(r, record) ||
        !field_get(r, record->pinned_member, sizeof record->pinned_member - 1, &name_len))
        return false;
    record->kek = reader_u32(r);
    record->proof_kind = reader_u8(r);
    record->proof_mech = reader_u64(r);
    if (!field_get(r, record->proof, PROOF_MAX, &record->proof_len) ||
        !attrs_get_blob(r, &record->public_part))
        return false;
    record->created = (int64_t)reader_u64(r);
    record->changed = (int64_t)reader_u64(r);
    record->purge_at = (int64_t)reader_u64(r);
    return !r->failed && r->left == 0;
}

static bool values_valid(const struct record *record)
{
    return record->version > 0 && record->state >= RECORD_LIVE && record->state <= RECORD_PURGED &&
           record->wrap <= WRAP_PINNED && record->proof_kind <= PROOF_PUBLIC;
}

/* The seal covers what encoding gives, so two texts for one record would be two bodies under one seal. */
static bool body_canonical(const struct record *record, const uint8_t *data, size_t len)
{
    AUTO(buf_free) struct buf again = {0};

    record_encode(record, &again);
    return !again.failed && again.len == len && memcmp(again.data, data, len) == 0;
}

bool record_decode(struct record *ret, const uint8_t *data, size_t len)
{
    AUTO(record_end) struct record record = {0};
    struct reader r = {.data = data, .left = len};

    if (!fields_get(&r, &record) || !values_valid(&record) || !body_canonical(&record, data, len))
        return false;
    *ret = record;
    record = (struct record){0};
    return true;
}

/*
 * From a library context of our own: the application may have made a PKCS#11 provider (that is, this very
 * module) the default of the common one.
 */
static const EVP_MD *sha256(void)
{
    static _Atomic(EVP_MD *) shared;
    EVP_MD *md = atomic_load(&shared), *none = NULL;
    OSSL_LIB_CTX *ctx;

    if (md)
        return md;
    ctx = OSSL_LIB_CTX_new();
    if (!ctx)
        return NULL;
    md = EVP_MD_fetch(ctx, "SHA256", NULL);
    if (md && atomic_compare_exchange_strong(&shared, &none, md))
        return md;
    EVP_MD_free(md);
    OSSL_LIB_CTX_free(ctx);
    return none;
}

int record_digest(const struct record *record, const uint8_t group[UUID_LEN], uint8_t ret[32])
{
    AUTO(buf_free) struct buf text = {0};
    const EVP_MD *md = sha256();

    buf_bytes(&text, digest_heading, sizeof digest_heading);
    buf_bytes(&text, group, UUID_LEN);
    buf_u64(&text, record->seq);
    record_encode(record, &text);
    if (text.failed || !md)
        return -ENOMEM;
    return EVP_Digest(text.data, text.len, ret, NULL, md, NULL) == 1 ? 0 : -ENOMEM;
}

void uuid_text(const uint8_t uuid[UUID_LEN], char out[37])
{
    static const uint8_t group_len[] = {4, 2, 2, 2, 6};

    for (size_t i = 0; i < ARRAY_LEN(group_len); i++) {
        hex_encode(out, uuid, group_len[i]);
        out += 2 * group_len[i];
        uuid += group_len[i];
        *out++ = i + 1 < ARRAY_LEN(group_len) ? '-' : '\0';
    }
}
