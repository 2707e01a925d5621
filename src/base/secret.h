/*
 * Memory for PINs, key material, shares, and inputs and outputs of operations: locked (best effort, one
 * warning when refused), left out of core files, wiped in a forked child, wiped when released. Blocks up to
 * 64 KiB come from per-CPU free lists (no lock is shared between CPUs in the common case); larger ones are
 * mapped on their own. Counts as an allocation for mem_fail_after.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/def.h"

/* A zeroed block of at least size bytes, 64-byte aligned, or NULL. */
MUST_USE void *secret_alloc(size_t size);
/* A block with these bytes, or NULL without memory. `data` may be NULL if there are none. */
MUST_USE void *secret_copy(const void *data, size_t len);
/* How many bytes the block really holds (>= the size asked for). */
size_t secret_size(const void *block);
/* Wipes the first `used` bytes (all of it if larger) and releases. NULL is fine. */
void secret_release(void *block, size_t used);
/* Wipes everything and releases. */
void secret_free(void *block);
static inline UNUSED void secret_free_auto(void *pp)
{
    void **p = pp;
    secret_free(*p);
}

/* Wipes memory that the optimizer might think dead. */
void secret_wipe(void *data, size_t len);
/* Equal in constant time. */
MUST_USE bool secret_equal(const void *a, const void *b, size_t len);

/* In a forked child, before any thread exists: forgets all blocks (they are the parent's, and wiped here). */
void secret_after_fork(void);
/* Tests: bytes in use now. */
size_t secret_in_use(void);

#endif
