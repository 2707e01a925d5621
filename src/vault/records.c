#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/sqlite.h"

#define BATCH 64 /* records read under one hold of the lock */

int vault_head(struct vault *vault, uint64_t *ret)
{
    int rc;

    lock_take(&vault->lock);
    rc = sqlite_head(vault, ret);
    lock_drop(&vault->lock);
    return rc;
}

static bool changed(struct vault *vault)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_DATA_VERSION);
    int64_t before = vault->data_version;

    /* Better a look too many than a change not seen. */
    if (sqlite_step(vault, st) != 1)
        return true;
    vault->data_version = (int64_t)sqlite_number(st, 0);
    return vault->data_version != before;
}

bool vault_changed(struct vault *vault)
{
    bool answer;

    lock_take(&vault->lock);
    answer = changed(vault);
    lock_drop(&vault->lock);
    return answer;
}

/* 0 is the version of what is not there. */
static int version_read(struct vault *vault, const uint8_t uuid[UUID_LEN], uint64_t *ret)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_RECORD_VERSION);
    int rc;

    sqlite_bind_bytes(st, 1, uuid, UUID_LEN);
    rc = sqlite_step(vault, st);
    if (rc < 0)
        return rc;
    *ret = rc ? sqlite_number(st, 0) : 0;
    return 0;
}

int vault_version(struct vault *vault, const uint8_t uuid[UUID_LEN], uint64_t *ret)
{
    int rc;

    lock_take(&vault->lock);
    rc = version_read(vault, uuid, ret);
    lock_drop(&vault->lock);
    return rc;
}

static int record_put(struct vault *vault, const struct record *record, const struct buf *body)
{
    static const char *const state_name[] = {
        [RECORD_LIVE] = "live", [RECORD_DELETED] = "deleted", [RECORD_PURGED] = "purged"};
    const CK_ATTRIBUTE *label = attrs_get(&record->attrs, CKA_LABEL);
    const CK_ATTRIBUTE *id = attrs_get(&record->attrs, CKA_ID);
    sqlite3_stmt *st = sqlite_use(vault, SQL_RECORD_DROP);
    int rc;

    sqlite_bind_bytes(st, 1, record->uuid, UUID_LEN);
    rc = sqlite_run(vault, st);
    if (rc != 0)
        return rc;
    st = sqlite_use(vault, SQL_RECORD_ADD);
    sqlite_bind_number(st, 1, record->seq);
    sqlite_bind_bytes(st, 2, record->uuid, UUID_LEN);
    sqlite_bind_number(st, 3, record->version);
    sqlite_bind_text(st, 4, state_name[record->state]);
    sqlite_bind_number(st, 5, record->flags);
    sqlite_bind_number(st, 6, attrs_ulong(&record->attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION));
    if (label)
        (void)engine.bind_text(st, 7, label->ulValueLen ? label->pValue : "", (int)label->ulValueLen,
                               SQLITE_STATIC);
    if (id)
        sqlite_bind_bytes(st, 8, id->pValue, id->ulValueLen);
    sqlite_bind_bytes(st, 9, body->data, body->len);
    sqlite_bind_bytes(st, 10, record->seal, SEAL_LEN);
    return sqlite_run(vault, st);
}

static int note_placing(struct vault *vault, uint64_t seq, const char *who)
{
    char what[PLACING_NAME];
    bool got = false;

    sqlite_placing_name(what, seq);
    return sqlite_lease(vault, what, who, VAULT_PLACING, &got);
}

static int record_write(struct vault *vault, const struct record *record, const struct buf *body,
                        const char *placing)
{
    uint64_t head = 0, version = 0;
    int rc = sqlite_head(vault, &head);

    if (rc != 0)
        return rc;
    if (head != record->seq - 1) {
        sqlite_say("another writer was first: the head is %llu", (unsigned long long)head);
        return -EAGAIN;
    }
    rc = version_read(vault, record->uuid, &version);
    if (rc != 0)
        return rc;
    if (version != record->version - 1) {
        sqlite_say("the object was changed by another writer: its version is %llu",
                   (unsigned long long)version);
        return -ESTALE;
    }
    rc = record_put(vault, record, body);
    return rc == 0 && placing ? note_placing(vault, record->seq, placing) : rc;
}

/* The wrapped key is all that the vault may hold of a key. */
static bool has_key_values(const struct attrs *attrs)
{
    CK_ULONG class = attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);

    if (class != CKO_PRIVATE_KEY && class != CKO_SECRET_KEY)
        return false;
    for (size_t i = 0; i < attrs->count; i++) {
        const struct attr_info *info = attr_lookup(attrs->item[i].type);
        if (info && (info->flags & ATTR_SENSITIVE))
            return true;
    }
    return false;
}

static bool writable(const struct record *record)
{
    return record->seq > 0 && record->seq < INT64_MAX && record->version > 0 && record->version < INT64_MAX &&
           record->state >= RECORD_LIVE && record->state <= RECORD_PURGED && !has_key_values(&record->attrs);
}

int vault_write(struct vault *vault, const struct record *record, const char *placing)
{
    AUTO(buf_free) struct buf body = {0};
    int rc;

    if (!writable(record)) {
        sqlite_say("a record without number, version or state, or with a key's value, is not written");
        return -EINVAL;
    }
    record_encode(record, &body);
    if (body.failed)
        return -ENOMEM;
    if (body.len > INT32_MAX)
        return -E2BIG;
    lock_take(&vault->lock);
    rc = sqlite_begin(vault);
    if (rc == 0)
        rc = sqlite_end(vault, record_write(vault, record, &body, placing));
    /* The log still holds what the file has overwritten. A busy reader may keep it: it is then reused by and
     * by. */
    if (rc == 0 && record->state == RECORD_PURGED) {
        (void)engine.step(sqlite_use(vault, SQL_CHECKPOINT));
        sqlite_done(vault->statement[SQL_CHECKPOINT]);
    }
    lock_drop(&vault->lock);
    return rc;
}

/* From columns seq, uuid, body, seal. Only the body speaks; the row's uuid must agree with it. */
static void record_take(sqlite3_stmt *st, struct record *ret)
{
    const uint8_t *body = engine.column_blob(st, 2);
    uint64_t seq = sqlite_number(st, 0);
    uint8_t uuid[UUID_LEN] = {0}, seal[SEAL_LEN] = {0};
    AUTO(record_end) struct record record = {0};
    bool good = sqlite_bytes(st, 1, uuid, UUID_LEN) && sqlite_bytes(st, 3, seal, SEAL_LEN) && body &&
                record_decode(&record, body, (size_t)engine.column_bytes(st, 2)) &&
                memcmp(record.uuid, uuid, UUID_LEN) == 0;

    *ret = (struct record){0};
    if (good) {
        *ret = record;
        record = (struct record){0};
    }
    ret->seq = seq;
    memcpy(ret->uuid, uuid, UUID_LEN);
    memcpy(ret->seal, seal, SEAL_LEN);
}

static int record_read(struct vault *vault, const uint8_t uuid[UUID_LEN], struct record *ret)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_RECORD_READ);
    AUTO(record_end) struct record record = {0};
    int rc;

    sqlite_bind_bytes(st, 1, uuid, UUID_LEN);
    rc = sqlite_step(vault, st);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        sqlite_say("no such record");
        return -ENOENT;
    }
    record_take(st, &record);
    if (!record.state) {
        sqlite_say("record %llu is malformed", (unsigned long long)record.seq);
        return -EBADMSG;
    }
    *ret = record;
    record = (struct record){0};
    return 0;
}

int vault_read(struct vault *vault, const uint8_t uuid[UUID_LEN], struct record *ret)
{
    int rc;

    lock_take(&vault->lock);
    rc = record_read(vault, uuid, ret);
    lock_drop(&vault->lock);
    return rc;
}

static int batch_read(struct vault *vault, uint64_t after, struct record *ret, size_t *ret_count)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_RECORD_NEXT);
    size_t count = 0;
    int rc = 0;

    sqlite_bind_number(st, 1, after);
    sqlite_bind_number(st, 2, BATCH);
    while (count < BATCH && (rc = sqlite_step(vault, st)) == 1)
        record_take(st, &ret[count++]);
    *ret_count = count;
    return rc < 0 ? rc : 0;
}

int vault_each(struct vault *vault, uint64_t after, bool (*visit)(const struct record *record, void *ctx),
               void *ctx)
{
    AUTO(mem_free) struct record *batch = mem_new(BATCH, sizeof *batch);
    size_t count = BATCH;
    bool more = true;
    int rc = 0;

    if (!batch)
        return -ENOMEM;
    if (after > INT64_MAX)
        return 0;
    while (rc == 0 && more && count == BATCH) {
        lock_take(&vault->lock);
        rc = batch_read(vault, after, batch, &count);
        lock_drop(&vault->lock);
        for (size_t i = 0; i < count; i++) {
            after = batch[i].seq;
            more = more && rc == 0 && visit(&batch[i], ctx);
            record_end(&batch[i]);
        }
    }
    return rc;
}
