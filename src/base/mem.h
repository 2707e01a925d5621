/*
 * Ordinary memory. All allocation of p11ha passes here, so that a test can make the n-th one fail.
 * Secrets do not live here: base/secret.h.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/def.h"

/* Zeroed memory, or NULL. Owner: the caller, who gives it to mem_free. n * size is checked for overflow. */
MUST_USE void *mem_new(size_t n, size_t size);
/* Grows or shrinks to n * size bytes; new bytes are NOT zeroed; NULL leaves the old block as it was. */
MUST_USE void *mem_resize(void *p, size_t n, size_t size);
/* A copy of len bytes (one more zero byte behind them, so that strings stay strings), or NULL. */
MUST_USE void *mem_dup(const void *data, size_t len);
MUST_USE char *mem_strdup(const char *s);
/* printf into fresh memory, or NULL. */
MUST_USE char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2);
/* mem_free(NULL) is fine. */
void mem_free(void *p);

static inline UNUSED void mem_free_auto(void *pp)
{
    void **p = pp;
    mem_free(*p);
}

/* Tests: the n-th allocation from now fails (1 = the next), once or for ever; 0 = none fails. */
void mem_fail_after(unsigned long n, bool for_ever);
/* For other allocators of base: counts one allocation, true if it has to fail. */
bool mem_fails_now(void);

#endif
