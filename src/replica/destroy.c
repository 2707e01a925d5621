#include "replica/destroy.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/rv.h"
#include "replica/place.h"
#include "replica/replica.h"
#include "replica/seal.h"

#define PURGE_BATCH 64

static void drop_key(struct record *record)
{
    record->state = RECORD_PURGED;
    mem_free(record->wrapped);
    record->wrapped = NULL;
    record->wrapped_len = 0;
    record->purge_at = 0;
}

static void to_tombstone(const struct config_group *config, struct record *record)
{
    record->version++;
    record->state = RECORD_DELETED;
    record->purge_at = clock_wall() + (int64_t)(config->soft_delete / NS_PER_S);
    if (config->soft_delete == 0)
        drop_key(record);
}

/* A pinned key's only copy: its member must be asked itself. */
static CK_RV remove_pinned(struct managed *managed, struct object *object, uint64_t deadline)
{
    struct remote remote = remote_to(managed->group->member[object->pinned], deadline);
    CK_OBJECT_HANDLE handle;
    if (!health_usable(member_state(remote.member)))
        return CKR_DEVICE_ERROR;
    CK_RV rv =
        managed->group->hooks.resolve(managed->group->hooks.ctx, object, remote.member, deadline, &handle);
    if (rv == CKR_OK)
        rv = remote_destroy(remote, handle);
    /* Gone already: by an attempt before this one, or with its token. */
    return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

CK_RV destroy_object(struct managed *managed, struct object *object)
{
    uint64_t deadline = clock_after(managed->group->config->call_timeout);
    for (;;) {
        struct record record = {0};
        CK_RV rv = managed_record(managed, NULL, object, deadline, &record);
        if (rv == CKR_OK && object->pinned >= 0)
            rv = remove_pinned(managed, object, deadline);
        if (rv != CKR_OK) {
            record_end(&record);
            return rv;
        }
        to_tombstone(managed->group->config, &record);
        rv = seal_write(managed, &record, deadline);
        if (rv == CKR_OK) {
            catalog_remove(managed->group->catalog, object);
            return place_record(managed, &record, NULL, 0, deadline);
        }
        record_end(&record);
        /* Changed by somebody meanwhile: look again. */
        if (rv != RV_GONE || clock_now() >= deadline)
            return rv == RV_GONE ? CKR_DEVICE_ERROR : rv;
    }
}

struct expired {
    int64_t now;
    uint8_t uuid[PURGE_BATCH][UUID_LEN];
    size_t count;
};

static bool collect(const struct record *record, void *ctx)
{
    struct expired *expired = ctx;
    if (record->state == RECORD_DELETED && record->purge_at != 0 && record->purge_at <= expired->now)
        memcpy(expired->uuid[expired->count++], record->uuid, UUID_LEN);
    return expired->count < PURGE_BATCH;
}

void destroy_expired(struct managed *managed)
{
    struct expired expired = {.now = clock_wall()};
    if (vault_each(managed->vault, 0, collect, &expired) != 0)
        return;
    for (size_t i = 0; i < expired.count; i++) {
        struct record record = {0};
        char uuid[37];
        uint64_t deadline = clock_after(managed->group->config->call_timeout);
        uuid_text(expired.uuid[i], uuid);
        if (vault_read(managed->vault, expired.uuid[i], &record) == 0 && record.state == RECORD_DELETED &&
            seal_check(managed, NULL, &record, deadline) == CKR_OK) {
            record.version++;
            drop_key(&record);
            if (seal_write(managed, &record, deadline) == CKR_OK) {
                (void)!place_record(managed, &record, NULL, 0, deadline);
                log_event(LOG_INFO, "key-purged", "group=%s record=%s", managed->group->config->name, uuid);
            }
        }
        record_end(&record);
    }
}
