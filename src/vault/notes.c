#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "vault/sqlite.h"

#define LEASE_MAX 3600 /* seconds */

void sqlite_placing_name(char ret[PLACING_NAME], uint64_t seq)
{
    (void)snprintf(ret, PLACING_NAME, "placing:%llu", (unsigned long long)seq);
}

int sqlite_lease(struct vault *vault, const char *what, const char *owner, unsigned seconds, bool *ret_got)
{
    sqlite3_stmt *st = sqlite_use(vault, SQL_LEASE_TAKE);
    int64_t now = clock_wall();
    int rc;

    seconds = seconds < LEASE_MAX ? seconds : LEASE_MAX;
    sqlite_bind_text(st, 1, what);
    sqlite_bind_text(st, 2, owner);
    sqlite_bind_number(st, 3, (uint64_t)(now + seconds));
    sqlite_bind_number(st, 4, (uint64_t)now);
    sqlite_bind_number(st, 5, (uint64_t)(now + LEASE_MAX));
    rc = sqlite_run(vault, st);
    if (rc == 0)
        *ret_got = engine.changes(vault->db) == 1;
    return rc;
}

int vault_lease(struct vault *vault, const char *what, const char *owner, unsigned seconds, bool *ret_got)
{
    int rc;

    lock_take(&vault->lock);
    rc = sqlite_lease(vault, what, owner, seconds, ret_got);
    lock_drop(&vault->lock);
    return rc;
}

int vault_lease_drop(struct vault *vault, const char *what, const char *owner)
{
    sqlite3_stmt *st;
    int rc;

    lock_take(&vault->lock);
    st = sqlite_use(vault, SQL_LEASE_DROP);
    sqlite_bind_text(st, 1, what);
    sqlite_bind_text(st, 2, owner);
    rc = sqlite_run(vault, st);
    lock_drop(&vault->lock);
    return rc;
}

int vault_lease_held(struct vault *vault, const char *what, const char *but, bool *ret)
{
    uint64_t now = (uint64_t)clock_wall();
    sqlite3_stmt *st;
    int rc;

    lock_take(&vault->lock);
    st = sqlite_use(vault, SQL_LEASE_HELD);
    sqlite_bind_text(st, 1, what);
    sqlite_bind_number(st, 2, now);
    sqlite_bind_number(st, 3, now + LEASE_MAX);
    sqlite_bind_text(st, 4, but);
    rc = sqlite_step(vault, st);
    sqlite_done(st);
    lock_drop(&vault->lock);
    if (rc < 0)
        return rc;
    *ret = rc == 1;
    return 0;
}

int vault_is_placing(struct vault *vault, uint64_t seq, const char *but, bool *ret)
{
    char what[PLACING_NAME];

    sqlite_placing_name(what, seq);
    return vault_lease_held(vault, what, but, ret);
}

int vault_placed(struct vault *vault, uint64_t seq, const char *who)
{
    char what[PLACING_NAME];

    sqlite_placing_name(what, seq);
    return vault_lease_drop(vault, what, who);
}

int vault_note_refused(struct vault *vault, const uint8_t uuid[UUID_LEN], uint64_t seq)
{
    sqlite3_stmt *st;
    int rc;

    lock_take(&vault->lock);
    st = sqlite_use(vault, SQL_REFUSED_NOTE);
    sqlite_bind_bytes(st, 1, uuid, UUID_LEN);
    sqlite_bind_number(st, 2, seq);
    sqlite_bind_number(st, 3, (uint64_t)clock_wall());
    rc = sqlite_run(vault, st);
    lock_drop(&vault->lock);
    return rc;
}

struct refused {
    uint8_t uuid[UUID_LEN];
    size_t uuid_len; /* 0 before the first */
    uint64_t seq;
    int64_t noted;
};

static int refused_next(struct vault *vault, struct refused *at)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_REFUSED_NEXT);
    int rc;

    sqlite_bind_bytes(st, 1, at->uuid, at->uuid_len);
    rc = sqlite_step(vault, st);
    if (rc != 1)
        return rc == 0 ? -ENOENT : rc;
    if (!sqlite_bytes(st, 0, at->uuid, UUID_LEN)) {
        sqlite_say("the list of refused records is damaged");
        return -EIO;
    }
    at->uuid_len = UUID_LEN;
    at->seq = sqlite_number(st, 1);
    at->noted = (int64_t)sqlite_number(st, 2);
    return 0;
}

int vault_refused_each(struct vault *vault,
                       bool (*visit)(const uint8_t uuid[UUID_LEN], uint64_t seq, int64_t when, void *ctx),
                       void *ctx)
{
    struct refused at = {0};
    int rc;

    do {
        lock_take(&vault->lock);
        rc = refused_next(vault, &at);
        lock_drop(&vault->lock);
    } while (rc == 0 && visit(at.uuid, at.seq, at.noted, ctx));
    return rc == -ENOENT ? 0 : rc;
}

int vault_refused_clear(struct vault *vault, const uint8_t uuid[UUID_LEN])
{
    sqlite3_stmt *st;
    int rc;

    lock_take(&vault->lock);
    st = sqlite_use(vault, SQL_REFUSED_CLEAR);
    sqlite_bind_bytes(st, 1, uuid, UUID_LEN);
    rc = sqlite_run(vault, st);
    lock_drop(&vault->lock);
    return rc;
}
