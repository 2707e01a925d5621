#include "vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "vault/disk.h"
#include "vault/sqlite.h"

#define VAULT_APPLICATION 0x70313168 /* "p11h" */
#define VAULT_FORMAT      1

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "BEGIN EXCLUSIVE;"
    "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), group_uuid BLOB NOT NULL, label TEXT NOT NULL,"
    " kek INTEGER NOT NULL, kek_id BLOB NOT NULL, seal_id BLOB NOT NULL, kek_check BLOB NOT NULL,"
    " seal_check BLOB NOT NULL, threshold INTEGER NOT NULL, shares INTEGER NOT NULL, created INTEGER NOT "
    "NULL);"
    /* state, flags, class, label and id repeat what the sealed body says, for people who look with sqlite3.
     */
    "CREATE TABLE record(seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, version INTEGER NOT NULL, state "
    "TEXT NOT NULL,"
    " flags INTEGER NOT NULL, class INTEGER, label TEXT, id BLOB, body BLOB NOT NULL, seal BLOB NOT NULL);"
    "CREATE TABLE member(name TEXT PRIMARY KEY, serial TEXT NOT NULL, synced_seq INTEGER NOT NULL,"
    " admin INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE ahead(member TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(member, seq)) WITHOUT ROWID;"
    "CREATE TABLE lease(what TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE refused(uuid BLOB PRIMARY KEY, seq INTEGER NOT NULL, noted INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA application_id = " TEXT(VAULT_APPLICATION) ";"
                                                       "PRAGMA user_version = " TEXT(VAULT_FORMAT) ";";

#define META_COLUMNS \
    "group_uuid, label, kek, kek_id, seal_id, kek_check, seal_check, threshold, shares, created"

static int meta_write(sqlite3 *db, const struct vault_meta *meta)
{
    sqlite3_stmt *st = NULL;
    int rc = engine.prepare_v3(
        db, "INSERT INTO meta(one, " META_COLUMNS ") VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", -1,
        0, &st, NULL);

    if (rc != SQLITE_OK)
        return sqlite_fail(db, rc);
    sqlite_bind_bytes(st, 1, meta->group, sizeof meta->group);
    sqlite_bind_text(st, 2, meta->label);
    sqlite_bind_number(st, 3, meta->kek);
    sqlite_bind_bytes(st, 4, meta->kek_id, sizeof meta->kek_id);
    sqlite_bind_bytes(st, 5, meta->seal_id, sizeof meta->seal_id);
    sqlite_bind_bytes(st, 6, meta->kek_check, sizeof meta->kek_check);
    sqlite_bind_bytes(st, 7, meta->seal_check, sizeof meta->seal_check);
    sqlite_bind_number(st, 8, meta->threshold);
    sqlite_bind_number(st, 9, meta->shares);
    sqlite_bind_number(st, 10, (uint64_t)meta->created);
    rc = engine.step(st);
    (void)engine.finalize(st);
    return rc == SQLITE_DONE ? 0 : sqlite_fail(db, rc);
}

static int meta_read(sqlite3 *db, struct vault_meta *ret)
{
    sqlite3_stmt *st = NULL;
    struct vault_meta meta = {0};
    bool good = false;
    int rc = engine.prepare_v3(db, "SELECT " META_COLUMNS " FROM meta WHERE one = 1", -1, 0, &st, NULL);

    if (rc == SQLITE_OK)
        rc = engine.step(st);
    if (rc == SQLITE_ROW) {
        good = sqlite_bytes(st, 0, meta.group, sizeof meta.group) &&
               sqlite_bytes(st, 3, meta.kek_id, sizeof meta.kek_id) &&
               sqlite_bytes(st, 4, meta.seal_id, sizeof meta.seal_id) &&
               sqlite_bytes(st, 5, meta.kek_check, sizeof meta.kek_check) &&
               sqlite_bytes(st, 6, meta.seal_check, sizeof meta.seal_check);
        sqlite_text(st, 1, meta.label, sizeof meta.label);
        meta.kek = (uint32_t)sqlite_number(st, 2);
        meta.threshold = (unsigned)sqlite_number(st, 7);
        meta.shares = (unsigned)sqlite_number(st, 8);
        meta.created = (int64_t)sqlite_number(st, 9);
    }
    (void)engine.finalize(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_fail(db, rc);
    if (!good) {
        sqlite_say("its description of the group is missing or damaged");
        return -EIO;
    }
    *ret = meta;
    return 0;
}

static int database_make(const char *path, const struct vault_meta *meta)
{
    sqlite3 *db = NULL;
    const char *why;
    int rc = engine_enter(&why);

    if (rc != 0) {
        sqlite_say("%s", why);
        return rc;
    }
    rc = sqlite_open(path, &db);
    if (rc == 0)
        rc = sqlite_exec(db, schema);
    if (rc == 0)
        rc = meta_write(db, meta);
    if (rc == 0)
        rc = sqlite_exec(db, "COMMIT");
    /* Closing brings all into the one file, so that it can be given its name. */
    if (engine.close(db) != SQLITE_OK && rc == 0)
        rc = -EIO;
    engine_leave();
    return rc;
}

static void leftovers_remove(const char *path)
{
    static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        AUTO(mem_free) char *name = mem_printf("%s%s", path, suffix[i]);
        if (name)
            (void)unlink(name);
    }
}

int vault_create(const char *path, const struct vault_meta *meta)
{
    AUTO(mem_free) char *draft = mem_printf("%s.new-XXXXXX", path);
    int rc, fd;

    if (!draft)
        return -ENOMEM;
    if (access(path, F_OK) == 0) {
        sqlite_say("%s exists", path);
        return -EEXIST;
    }
    /* Under a name of its own until it is whole; mkstemp makes it 0600, fchmod undoes an umask that takes
     * even that. */
    fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0) {
        rc = -errno;
        sqlite_say("%s: %s", draft, strerror(-rc));
        return rc;
    }
    rc = fchmod(fd, 0600) == 0 ? 0 : -errno;
    (void)close(fd);
    if (rc == 0)
        rc = database_make(draft, meta);
    if (rc == 0 && link(draft, path) != 0) {
        rc = -errno;
        sqlite_say("%s: %s", path, strerror(-rc));
    }
    leftovers_remove(draft);
    return rc == 0 ? disk_sync_folder(path) : rc;
}

/* Not a vault, not this version: said so that a person knows what to do next. */
static int format_check(sqlite3 *db, char **ret_why)
{
    int64_t application = 0, format = 0;
    int rc = sqlite_ask_number(db, "PRAGMA application_id", &application);

    if (rc == 0)
        rc = sqlite_ask_number(db, "PRAGMA user_version", &format);
    if (rc != 0)
        return rc;
    if (application != VAULT_APPLICATION || format < 1) {
        *ret_why = mem_strdup("it is not a vault of p11ha");
        return -EINVAL;
    }
    if (format > VAULT_FORMAT) {
        *ret_why = mem_printf(
            "it was made by a newer p11ha (format %lld, this one knows up to %d): install that one",
            (long long)format, VAULT_FORMAT);
        return -EINVAL;
    }
    return 0;
}

static int damage_check(sqlite3 *db)
{
    char verdict[128] = "";
    int rc = sqlite_ask_text(db, "PRAGMA quick_check(1)", verdict, sizeof verdict);

    if (rc != 0 || strcmp(verdict, "ok") == 0)
        return rc;
    sqlite_say("%s", verdict);
    return -EIO;
}

static int journal_check(sqlite3 *db)
{
    char journal[16] = "";
    int rc = sqlite_ask_text(db, "PRAGMA journal_mode = WAL", journal, sizeof journal);

    if (rc != 0 || strcmp(journal, "wal") == 0)
        return rc;
    sqlite_say("its file system does not allow a write-ahead log");
    return -EIO;
}

static int database_use(struct vault *vault, char **ret_why)
{
    int rc = sqlite_open(vault->path, &vault->db);

    if (rc == 0)
        rc = format_check(vault->db, ret_why);
    if (rc == 0)
        rc = damage_check(vault->db);
    if (rc == 0)
        rc = meta_read(vault->db, &vault->meta);
    if (rc == 0)
        rc = journal_check(vault->db);
    if (rc == 0)
        rc = sqlite_prepare(vault);
    if (rc == 0)
        rc = sqlite_ask_number(vault->db, "PRAGMA data_version", &vault->data_version);
    if (rc == -EIO && !*ret_why) {
        bool database = !vault->db || engine.extended_errcode(vault->db) != SQLITE_NOTADB;
        *ret_why = database
                       ? mem_printf("it is damaged or cannot be read (%s): a backup helps", vault_error())
                       : mem_strdup("it is not a vault of p11ha");
    }
    return rc;
}

static void vault_release(struct vault *vault)
{
    lock_end(&vault->lock);
    mem_free(vault->path);
    mem_free(vault);
}

static void why_set(char **ret_why, const char *path, const char *why)
{
    *ret_why = mem_printf("vault %s: %s", path, why);
    sqlite_say("vault %s: %s", path, why);
}

int vault_open(const char *path, struct vault **ret, char **ret_why)
{
    AUTO(mem_free) char *reason = NULL;
    const char *cause = NULL;
    struct vault *vault;
    int rc;

    *ret_why = NULL;
    if (access(path, F_OK) != 0) {
        rc = -errno;
        why_set(ret_why, path, rc == -ENOENT ? "there is none: p11ha init makes it" : strerror(-rc));
        return rc;
    }
    rc = file_trusted(path, ret_why);
    if (rc != 0)
        return rc;
    vault = mem_new(1, sizeof *vault);
    if (!vault)
        return -ENOMEM;
    lock_init(&vault->lock, LOCK_VAULT);
    vault->owner = getpid();
    vault->path = mem_strdup(path);
    rc = vault->path ? engine_enter(&cause) : -ENOMEM;
    if (rc != 0) {
        why_set(ret_why, path, cause ? cause : strerror(-rc));
        vault_release(vault);
        return rc;
    }
    rc = database_use(vault, &reason);
    if (rc != 0) {
        AUTO(mem_free) char *said = mem_strdup(vault_error());
        why_set(ret_why, path, reason ? reason : said ? said : strerror(-rc));
        vault_close(vault);
        return rc;
    }
    *ret = vault;
    return 0;
}

void vault_close(struct vault *vault)
{
    if (!vault || vault->owner != getpid())
        return;
    sqlite_finalize(vault);
    (void)engine.close(vault->db);
    engine_leave();
    vault_release(vault);
}

void vault_abandon(struct vault *vault)
{
    /* Even its memory stays: what of it was being changed at the fork, and which fds have been closed since,
     * nobody knows. */
    (void)vault;
}

const struct vault_meta *vault_meta(const struct vault *vault)
{
    return &vault->meta;
}

const char *vault_path(const struct vault *vault)
{
    return vault->path;
}
