/*
 * The SQLite library, reached by a table of its functions. Why a table: SQLite keeps, per process, which
 * files it has open and locked. A forked child inherits that memory but not the kernel's locks, and would
 * then write to a vault without any lock (a write of it can be lost when another process closes the vault),
 * or wait for ever for a mutex that a thread of the parent held. So a child whose parent had a vault open
 * loads a copy of the library, and with it fresh bookkeeping.
 */
#ifndef VAULT_ENGINE_H
#define VAULT_ENGINE_H

#include <sqlite3.h>

#include "base/def.h"

#define ENGINE_FUNCTIONS(X) \
    X(open_v2)              \
    X(close)                \
    X(exec)                 \
    X(prepare_v3)           \
    X(step)                 \
    X(reset)                \
    X(finalize)             \
    X(clear_bindings)       \
    X(bind_int64)           \
    X(bind_text)            \
    X(bind_blob)            \
    X(column_int64)         \
    X(column_blob)          \
    X(column_bytes)         \
    X(column_text)          \
    X(changes)              \
    X(get_autocommit)       \
    X(busy_timeout)         \
    X(db_config)            \
    X(errmsg)               \
    X(errstr)               \
    X(extended_errcode)

struct engine {
#define X(name) __typeof__(&sqlite3_##name) name;
    ENGINE_FUNCTIONS(X)
#undef X
};
extern struct engine engine;

/*
 * Before a connection is opened; after it is closed. Enter fails with -ENOSYS and a static *ret_why when a
 * child needs its copy and cannot have one. In a freshly forked child the first enter must not race with
 * another (C_Initialize opens vaults one by one).
 */
MUST_USE int engine_enter(const char **ret_why);
void engine_leave(void);

#endif
