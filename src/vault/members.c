#include <errno.h>
#include <string.h>

#include "vault/sqlite.h"

/* From columns name, serial, synced_seq, admin. */
static void member_take(sqlite3_stmt *st, struct vault_member *ret)
{
    *ret = (struct vault_member){.synced_seq = sqlite_number(st, 2), .admin = (unsigned)sqlite_number(st, 3)};
    sqlite_text(st, 0, ret->name, sizeof ret->name);
    sqlite_text(st, 1, ret->serial, sizeof ret->serial);
}

static int member_read(struct vault *vault, enum sqlite_statement which, const char *name,
                       struct vault_member *ret)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, which);
    int rc;

    sqlite_bind_text(st, 1, name);
    rc = sqlite_step(vault, st);
    if (rc == 1)
        member_take(st, ret);
    return rc == 1 ? 0 : rc == 0 ? -ENOENT : rc;
}

static int member_known(struct vault *vault, const char *name, struct vault_member *ret)
{
    int rc = member_read(vault, SQL_MEMBER_GET, name, ret);

    if (rc == -ENOENT)
        sqlite_say("the vault knows no member %s", name);
    return rc;
}

/* A statement about one member, ?1 its name and ?2 a number where it has one. */
static int member_run(struct vault *vault, enum sqlite_statement which, const char *name, uint64_t number)
{
    sqlite3_stmt *st = sqlite_use(vault, which);

    sqlite_bind_text(st, 1, name);
    sqlite_bind_number(st, 2, number);
    return sqlite_run(vault, st);
}

static int member_restart(struct vault *vault, const char *name)
{
    int rc = member_run(vault, SQL_MEMBER_RESTART, name, 0);

    return rc == 0 ? member_run(vault, SQL_AHEAD_REMOVE, name, 0) : rc;
}

static int member_set(struct vault *vault, const char *name, const char *serial)
{
    struct vault_member old;
    sqlite3_stmt *st;
    int found = member_read(vault, SQL_MEMBER_GET, name, &old), rc;

    if (found != 0 && found != -ENOENT)
        return found;
    st = sqlite_use(vault, SQL_MEMBER_SET);
    sqlite_bind_text(st, 1, name);
    sqlite_bind_text(st, 2, serial);
    rc = sqlite_run(vault, st);
    /* Another serial is another token: nothing is known to be on it. */
    if (rc == 0 && found == 0 && strcmp(old.serial, serial) != 0)
        rc = member_restart(vault, name);
    return rc;
}

int vault_member_set(struct vault *vault, const char *name, const char *serial)
{
    const size_t name_max = sizeof((struct vault_member *)0)->name,
                 serial_max = sizeof((struct vault_member *)0)->serial;
    int rc;

    if (!name[0] || strlen(name) >= name_max || strlen(serial) >= serial_max) {
        sqlite_say("a member's name has 1 to %zu bytes, its serial number up to %zu", name_max - 1,
                   serial_max - 1);
        return -EINVAL;
    }
    lock_take(&vault->lock);
    rc = sqlite_begin(vault);
    if (rc == 0)
        rc = sqlite_end(vault, member_set(vault, name, serial));
    lock_drop(&vault->lock);
    return rc;
}

int vault_member_get(struct vault *vault, const char *name, struct vault_member *ret)
{
    int rc;

    lock_take(&vault->lock);
    rc = member_known(vault, name, ret);
    lock_drop(&vault->lock);
    return rc;
}

int vault_member_each(struct vault *vault, bool (*visit)(const struct vault_member *m, void *ctx), void *ctx)
{
    struct vault_member member = {0};
    int rc;

    do {
        struct vault_member next;
        lock_take(&vault->lock);
        rc = member_read(vault, SQL_MEMBER_NEXT, member.name, &next);
        lock_drop(&vault->lock);
        if (rc == 0)
            member = next;
    } while (rc == 0 && visit(&member, ctx));
    return rc == -ENOENT ? 0 : rc;
}

/* One transaction with one change of a member that must be there. */
static int member_change(struct vault *vault, const char *name,
                         int (*change)(struct vault *, const char *, uint64_t), uint64_t number)
{
    struct vault_member member;
    int rc;

    lock_take(&vault->lock);
    rc = sqlite_begin(vault);
    if (rc == 0) {
        rc = member_known(vault, name, &member);
        rc = sqlite_end(vault, rc == 0 ? change(vault, name, number) : rc);
    }
    lock_drop(&vault->lock);
    return rc;
}

static int admin_change(struct vault *vault, const char *name, uint64_t admin)
{
    return member_run(vault, SQL_MEMBER_ADMIN, name, admin);
}

int vault_member_admin(struct vault *vault, const char *name, unsigned admin)
{
    return member_change(vault, name, admin_change, admin);
}

static int member_drop(struct vault *vault, const char *name, uint64_t unused)
{
    int rc = member_run(vault, SQL_AHEAD_REMOVE, name, unused);

    return rc == 0 ? member_run(vault, SQL_MEMBER_REMOVE, name, unused) : rc;
}

int vault_member_remove(struct vault *vault, const char *name)
{
    return member_change(vault, name, member_drop, 0);
}

/* A note about a seq that is yet to come would later pass for the record that gets it. */
static int seq_known(struct vault *vault, uint64_t seq)
{
    uint64_t head = 0;
    int rc = sqlite_head(vault, &head);

    if (rc == 0 && seq > head) {
        sqlite_say("there is no record %llu yet: the head is %llu", (unsigned long long)seq,
                   (unsigned long long)head);
        return -EINVAL;
    }
    return rc;
}

/* The last seq before the first record that this member lacks. Records move to new seqs when they change, so
 * seqs have holes. */
static int synced_find(struct vault *vault, const char *name, uint64_t synced, uint64_t *ret)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_AHEAD_GAP);
    int rc;

    sqlite_bind_text(st, 1, name);
    sqlite_bind_number(st, 2, synced);
    rc = sqlite_step(vault, st);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return sqlite_head(vault, ret);
    *ret = sqlite_number(st, 0) - 1;
    return 0;
}

static int synced_advance(struct vault *vault, const char *name, uint64_t synced)
{
    uint64_t now = synced;
    int rc = synced_find(vault, name, synced, &now);

    if (rc != 0)
        return rc;
    now = now > synced ? now : synced;
    rc = member_run(vault, SQL_MEMBER_SYNCED, name, now);
    return rc == 0 ? member_run(vault, SQL_AHEAD_CLEAN, name, now) : rc;
}

static int applied_one(struct vault *vault, uint64_t seq, const char *name)
{
    struct vault_member member;
    int rc = member_known(vault, name, &member);

    if (rc == 0 && seq > member.synced_seq)
        rc = member_run(vault, SQL_AHEAD_ADD, name, seq);
    return rc == 0 ? synced_advance(vault, name, member.synced_seq) : rc;
}

int vault_applied(struct vault *vault, uint64_t seq, const char *const *member, size_t members)
{
    int rc;

    lock_take(&vault->lock);
    rc = sqlite_begin(vault);
    if (rc == 0) {
        rc = seq_known(vault, seq);
        for (size_t i = 0; rc == 0 && i < members; i++)
            rc = applied_one(vault, seq, member[i]);
        rc = sqlite_end(vault, rc);
    }
    lock_drop(&vault->lock);
    return rc;
}

static int caught_up(struct vault *vault, const char *name, uint64_t seq)
{
    struct vault_member member;
    int rc = seq_known(vault, seq);

    if (rc == 0)
        rc = member_known(vault, name, &member);
    return rc == 0 ? synced_advance(vault, name, seq > member.synced_seq ? seq : member.synced_seq) : rc;
}

int vault_caught_up(struct vault *vault, const char *member, uint64_t seq)
{
    return member_change(vault, member, caught_up, seq);
}

static int ahead_has(struct vault *vault, const char *name, uint64_t seq)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_AHEAD_HAS);

    sqlite_bind_text(st, 1, name);
    sqlite_bind_number(st, 2, seq);
    return sqlite_step(vault, st);
}

int vault_is_applied(struct vault *vault, const char *member, uint64_t seq, bool *ret)
{
    struct vault_member known;
    int rc;

    if (seq > INT64_MAX)
        return -EINVAL;
    lock_take(&vault->lock);
    rc = member_known(vault, member, &known);
    if (rc == 0)
        rc = seq <= known.synced_seq ? 1 : ahead_has(vault, member, seq);
    lock_drop(&vault->lock);
    if (rc < 0)
        return rc;
    *ret = rc == 1;
    return 0;
}
