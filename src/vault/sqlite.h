/* What the files of this folder share about the connection: its statements, transactions and errors.
 * LOCK_VAULT is held by the caller. */
#ifndef VAULT_SQLITE_H
#define VAULT_SQLITE_H

#include <sys/types.h>

#include "base/lock.h"
#include "vault/engine.h"
#include "vault/vault.h"

enum sqlite_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_DATA_VERSION,
    SQL_CHECKPOINT,
    SQL_HEAD,
    SQL_RECORD_VERSION,
    SQL_RECORD_DROP,
    SQL_RECORD_ADD,
    SQL_RECORD_READ,
    SQL_RECORD_NEXT,
    SQL_MEMBER_SET,
    SQL_MEMBER_RESTART,
    SQL_MEMBER_GET,
    SQL_MEMBER_NEXT,
    SQL_MEMBER_ADMIN,
    SQL_MEMBER_SYNCED,
    SQL_MEMBER_REMOVE,
    SQL_AHEAD_ADD,
    SQL_AHEAD_HAS,
    SQL_AHEAD_GAP,
    SQL_AHEAD_CLEAN,
    SQL_AHEAD_REMOVE,
    SQL_LEASE_TAKE,
    SQL_LEASE_HELD,
    SQL_LEASE_DROP,
    SQL_REFUSED_NOTE,
    SQL_REFUSED_NEXT,
    SQL_REFUSED_CLEAR,
    SQLITE_STATEMENTS
};

struct vault {
    struct lock lock; /* LOCK_VAULT: guards all below */
    sqlite3 *db;
    sqlite3_stmt *statement[SQLITE_STATEMENTS];
    struct vault_meta meta;
    char *path;
    pid_t owner;
    int64_t data_version;
};

/* Opens an existing file and sets how it is used. *ret_db is given (to close) also when it fails. */
MUST_USE int sqlite_open(const char *path, sqlite3 **ret_db);
MUST_USE int sqlite_exec(sqlite3 *db, const char *sql);
/* The first column of the first row, as text of at most `size` bytes with its NUL, or as a number. */
MUST_USE int sqlite_ask_text(sqlite3 *db, const char *sql, char *ret, size_t size);
MUST_USE int sqlite_ask_number(sqlite3 *db, const char *sql, int64_t *ret);

MUST_USE int sqlite_prepare(struct vault *vault);
void sqlite_finalize(struct vault *vault);
/* A kept statement, bare of old bindings. AUTO(sqlite_done) resets it, which ends its hold on the file. */
sqlite3_stmt *sqlite_use(struct vault *vault, enum sqlite_statement which);
void sqlite_done(sqlite3_stmt *st);
AUTO_DEFINE(sqlite_done, sqlite3_stmt)

/* Bound values must live until the statement is done. */
void sqlite_bind_number(sqlite3_stmt *st, int index, uint64_t value);
void sqlite_bind_text(sqlite3_stmt *st, int index, const char *text);
void sqlite_bind_bytes(sqlite3_stmt *st, int index, const void *data, size_t len);
uint64_t sqlite_number(sqlite3_stmt *st, int column);
/* False (and nothing copied) unless the column holds exactly len bytes. */
bool sqlite_bytes(sqlite3_stmt *st, int column, void *into, size_t len);
void sqlite_text(sqlite3_stmt *st, int column, char *into, size_t size);

/* 1: a row; 0: the end; -errno. */
MUST_USE int sqlite_step(struct vault *vault, sqlite3_stmt *st);
/* Runs a statement without rows to its end; resets it. */
MUST_USE int sqlite_run(struct vault *vault, sqlite3_stmt *st);
/* BEGIN IMMEDIATE; then COMMIT if rc is 0, else ROLLBACK: returns rc, or what the commit said. */
MUST_USE int sqlite_begin(struct vault *vault);
MUST_USE int sqlite_end(struct vault *vault, int rc);

/* The highest seq; 0 in an empty vault. */
MUST_USE int sqlite_head(struct vault *vault, uint64_t *ret);

/* As vault_lease, under the lock. */
MUST_USE int sqlite_lease(struct vault *vault, const char *what, const char *owner, unsigned seconds,
                          bool *ret_got);
/* The lease that tells that a record is being placed. */
#define PLACING_NAME 48
void sqlite_placing_name(char ret[PLACING_NAME], uint64_t seq);

/* Notes what vault_error tells this thread. Fail: what SQLite said of rc; returns -errno. */
int sqlite_fail(sqlite3 *db, int rc);
void sqlite_say(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
