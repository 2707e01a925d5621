/*
 * Handles: generation and index in 32 bits, never 0. table_ref is wait-free for readers in the common case
 * and takes no lock shared by all; adding and removing take the table's own lock (LOCK_TABLE). A removed
 * handle fails by its generation, also after its slot has been used again.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdatomic.h>

#include "base/def.h"

struct table;

#define TABLE_MAX (1u << 20)

/*
 * The first field of everything that a table holds. Before table_add, refs is the number of references that
 * the maker keeps for itself (0: none, the table's is the only one); from then on only table.c looks at it.
 */
struct table_item {
    _Atomic int64_t refs;
    uint32_t handle; /* stays as it was after table_remove */
    void (*free)(struct table_item *item);
};

MUST_USE struct table *table_new(void);
/* Removes what is still in it; items that others hold references to live on. NULL is fine. */
void table_free(struct table *table);

/* Adds one reference that the table owns, and a handle (item->handle). -ENOMEM when TABLE_MAX are in or no
 * memory. */
MUST_USE int table_add(struct table *table, struct table_item *item);
/* A counted reference, or NULL for a handle that is not (any more) in the table. Give back by table_unref. */
MUST_USE struct table_item *table_ref(struct table *table, unsigned long handle);
/* One more reference to something referenced. */
struct table_item *table_reref(struct table_item *item);
void table_unref(struct table_item *item);
/* Unlinks it and drops the table's reference; false if it was not there (another thread was first). */
bool table_remove(struct table *table, struct table_item *item);
size_t table_count(struct table *table);
/*
 * Calls visit with every item, each referenced for the time of the call; no lock is held meanwhile. Items
 * added or removed meanwhile may or may not be seen. Stops when visit returns false.
 */
void table_each(struct table *table, bool (*visit)(struct table_item *item, void *ctx), void *ctx);

#endif
