#include "vault/sqlite.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_MS 5000

static const char *const text_of[SQLITE_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_CHECKPOINT] = "PRAGMA wal_checkpoint(TRUNCATE)",
    [SQL_HEAD] = "SELECT ifnull(max(seq), 0) FROM record",
    [SQL_RECORD_VERSION] = "SELECT version FROM record WHERE uuid = ?1",
    [SQL_RECORD_DROP] = "DELETE FROM record WHERE uuid = ?1",
    [SQL_RECORD_ADD] = "INSERT INTO record(seq, uuid, version, state, flags, class, label, id, body, seal)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_RECORD_READ] = "SELECT seq, uuid, body, seal FROM record WHERE uuid = ?1",
    [SQL_RECORD_NEXT] = "SELECT seq, uuid, body, seal FROM record WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [SQL_MEMBER_SET] = "INSERT INTO member(name, serial, synced_seq, admin) VALUES(?1, ?2, 0, 0)"
                       " ON CONFLICT(name) DO UPDATE SET serial = excluded.serial",
    [SQL_MEMBER_RESTART] = "UPDATE member SET synced_seq = 0 WHERE name = ?1",
    [SQL_MEMBER_GET] = "SELECT name, serial, synced_seq, admin FROM member WHERE name = ?1",
    [SQL_MEMBER_NEXT] =
        "SELECT name, serial, synced_seq, admin FROM member WHERE name > ?1 ORDER BY name LIMIT 1",
    [SQL_MEMBER_ADMIN] = "UPDATE member SET admin = ?2 WHERE name = ?1",
    [SQL_MEMBER_SYNCED] = "UPDATE member SET synced_seq = ?2 WHERE name = ?1",
    [SQL_MEMBER_REMOVE] = "DELETE FROM member WHERE name = ?1",
    [SQL_AHEAD_ADD] = "INSERT OR IGNORE INTO ahead(member, seq) VALUES(?1, ?2)",
    [SQL_AHEAD_HAS] = "SELECT 1 FROM ahead WHERE member = ?1 AND seq = ?2",
    [SQL_AHEAD_GAP] =
        "SELECT seq FROM record WHERE seq > ?2 AND NOT EXISTS"
        " (SELECT 1 FROM ahead WHERE member = ?1 AND ahead.seq = record.seq) ORDER BY seq LIMIT 1",
    [SQL_AHEAD_CLEAN] = "DELETE FROM ahead WHERE member = ?1 AND seq <= ?2",
    [SQL_AHEAD_REMOVE] = "DELETE FROM ahead WHERE member = ?1",
    /* An end further off than any lease may last comes of a clock that was set back. */
    [SQL_LEASE_TAKE] = "INSERT INTO lease(what, owner, until) VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(what) DO UPDATE SET owner = excluded.owner, until = excluded.until"
                       " WHERE lease.owner = excluded.owner OR lease.until <= ?4 OR lease.until > ?5",
    [SQL_LEASE_HELD] = "SELECT 1 FROM lease WHERE what = ?1 AND until > ?2 AND until <= ?3 AND owner != ?4",
    [SQL_LEASE_DROP] = "DELETE FROM lease WHERE what = ?1 AND owner = ?2",
    [SQL_REFUSED_NOTE] =
        "INSERT INTO refused(uuid, seq, noted) VALUES(?1, ?2, ?3) ON CONFLICT(uuid)"
        " DO UPDATE SET seq = excluded.seq, noted = excluded.noted WHERE refused.seq != excluded.seq",
    [SQL_REFUSED_NEXT] = "SELECT uuid, seq, noted FROM refused WHERE uuid > ?1 ORDER BY uuid LIMIT 1",
    [SQL_REFUSED_CLEAR] = "DELETE FROM refused WHERE uuid = ?1",
};

static _Thread_local char error_text[256];

const char *vault_error(void)
{
    return error_text;
}

void sqlite_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error_text, sizeof error_text, format, args);
    va_end(args);
}

/* SQLite calls only ENOSPC "full"; a quota or a file size limit is the same to us. It keeps no errno: read it
 * at once. */
static bool write_found_no_room(int rc, int error)
{
    return rc == SQLITE_IOERR_SHMSIZE || error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static int errno_of(int rc, int error)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        return write_found_no_room(rc, error) ? -ENOSPC : -EIO;
    default:
        return -EIO;
    }
}

int sqlite_fail(sqlite3 *db, int rc)
{
    int error = errno;
    int extended = db ? engine.extended_errcode(db) : rc;

    if ((extended & 0xff) != (rc & 0xff))
        extended = rc;
    error = errno_of(extended, error);
    sqlite_say("%s (%d)%s", db ? engine.errmsg(db) : engine.errstr(rc), extended,
               error == -ENOSPC ? ": no room left on the disk" : "");
    return error;
}

int sqlite_exec(sqlite3 *db, const char *sql)
{
    int rc;

    errno = 0;
    rc = engine.exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_fail(db, rc);
}

int sqlite_open(const char *path, sqlite3 **ret_db)
{
    /* The file is not trusted to bring code: no triggers, no views, no functions of the schema. */
    static const char settings[] =
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
        "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL;"
        "PRAGMA secure_delete = ON";
    int rc = engine.open_v2(path, ret_db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);

    if (rc != SQLITE_OK)
        return sqlite_fail(*ret_db, rc);
    (void)engine.busy_timeout(*ret_db, BUSY_MS);
    (void)engine.db_config(*ret_db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)engine.db_config(*ret_db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)engine.db_config(*ret_db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    return sqlite_exec(*ret_db, settings);
}

/* Exactly one row is wanted; the caller finalizes *ret_st in any case. */
static int ask(sqlite3 *db, const char *sql, sqlite3_stmt **ret_st)
{
    int rc = engine.prepare_v3(db, sql, -1, 0, ret_st, NULL);

    if (rc == SQLITE_OK)
        rc = engine.step(*ret_st);
    if (rc == SQLITE_DONE) {
        sqlite_say("no row of: %s", sql);
        return -EIO;
    }
    return rc == SQLITE_ROW ? 0 : sqlite_fail(db, rc);
}

int sqlite_ask_text(sqlite3 *db, const char *sql, char *ret, size_t size)
{
    sqlite3_stmt *st = NULL;
    int rc = ask(db, sql, &st);

    if (rc == 0)
        sqlite_text(st, 0, ret, size);
    (void)engine.finalize(st);
    return rc;
}

int sqlite_ask_number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = ask(db, sql, &st);

    if (rc == 0)
        *ret = engine.column_int64(st, 0);
    (void)engine.finalize(st);
    return rc;
}

int sqlite_prepare(struct vault *vault)
{
    for (size_t i = 0; i < SQLITE_STATEMENTS; i++) {
        int rc = engine.prepare_v3(vault->db, text_of[i], -1, SQLITE_PREPARE_PERSISTENT, &vault->statement[i],
                                   NULL);
        if (rc != SQLITE_OK)
            return sqlite_fail(vault->db, rc);
    }
    return 0;
}

void sqlite_finalize(struct vault *vault)
{
    for (size_t i = 0; i < SQLITE_STATEMENTS; i++) {
        (void)engine.finalize(vault->statement[i]);
        vault->statement[i] = NULL;
    }
}

sqlite3_stmt *sqlite_use(struct vault *vault, enum sqlite_statement which)
{
    sqlite_done(vault->statement[which]);
    return vault->statement[which];
}

void sqlite_done(sqlite3_stmt *st)
{
    (void)engine.reset(st);
    (void)engine.clear_bindings(st);
}

void sqlite_bind_number(sqlite3_stmt *st, int index, uint64_t value)
{
    (void)engine.bind_int64(st, index, (sqlite3_int64)value);
}

void sqlite_bind_text(sqlite3_stmt *st, int index, const char *text)
{
    (void)engine.bind_text(st, index, text, -1, SQLITE_STATIC);
}

void sqlite_bind_bytes(sqlite3_stmt *st, int index, const void *data, size_t len)
{
    (void)engine.bind_blob(st, index, len ? data : "", (int)len, SQLITE_STATIC);
}

uint64_t sqlite_number(sqlite3_stmt *st, int column)
{
    return (uint64_t)engine.column_int64(st, column);
}

bool sqlite_bytes(sqlite3_stmt *st, int column, void *into, size_t len)
{
    const void *data = engine.column_blob(st, column);

    if (!data || (size_t)engine.column_bytes(st, column) != len)
        return false;
    memcpy(into, data, len);
    return true;
}

void sqlite_text(sqlite3_stmt *st, int column, char *into, size_t size)
{
    const char *text = (const char *)engine.column_text(st, column);

    (void)snprintf(into, size, "%s", text ? text : "");
}

int sqlite_step(struct vault *vault, sqlite3_stmt *st)
{
    int rc;

    errno = 0;
    rc = engine.step(st);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : sqlite_fail(vault->db, rc);
}

int sqlite_run(struct vault *vault, sqlite3_stmt *st)
{
    int rc = sqlite_step(vault, st);

    sqlite_done(st);
    return rc < 0 ? rc : 0;
}

int sqlite_begin(struct vault *vault)
{
    return sqlite_run(vault, sqlite_use(vault, SQL_BEGIN));
}

int sqlite_end(struct vault *vault, int rc)
{
    if (rc == 0)
        rc = sqlite_run(vault, sqlite_use(vault, SQL_COMMIT));
    if (rc != 0 && !engine.get_autocommit(vault->db)) {
        /* A failed rollback leaves nothing to do: SQLite rolls back by itself when the file is opened next.
         */
        (void)engine.step(sqlite_use(vault, SQL_ROLLBACK));
        sqlite_done(vault->statement[SQL_ROLLBACK]);
    }
    return rc;
}

int sqlite_head(struct vault *vault, uint64_t *ret)
{
    AUTO(sqlite_done) sqlite3_stmt *st = sqlite_use(vault, SQL_HEAD);
    int rc = sqlite_step(vault, st);

    if (rc < 0)
        return rc;
    *ret = sqlite_number(st, 0);
    return 0;
}
