#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many allocations until one fails, times two, plus one if all after it fail too; 0 = off. */
static _Atomic uint64_t fault;

void mem_fail_after(unsigned long n, bool for_ever)
{
    atomic_store(&fault, n == 0 ? 0 : (uint64_t)n * 2 + (for_ever ? 1 : 0));
}

static bool fault_step(uint64_t now)
{
    while (now != 0) {
        bool due = now / 2 == 1;
        bool for_ever = (now & 1) != 0;
        uint64_t next = !due ? now - 2 : for_ever ? now : 0;
        if (atomic_compare_exchange_weak(&fault, &now, next))
            return due;
    }
    return false;
}

bool mem_fails_now(void)
{
    uint64_t now = atomic_load_explicit(&fault, memory_order_relaxed);
    return __builtin_expect(now != 0, 0) && fault_step(now);
}

void *mem_new(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || mem_fails_now())
        return NULL;
    return calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);
}

void *mem_resize(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || mem_fails_now())
        return NULL;
    return realloc(p, bytes == 0 ? 1 : bytes);
}

void *mem_dup(const void *data, size_t len)
{
    if (len >= PTRDIFF_MAX || mem_fails_now())
        return NULL;
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s));
}

char *mem_printf(const char *format, ...)
{
    if (mem_fails_now())
        return NULL;
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len < 0 ? NULL : text;
}

void mem_free(void *p)
{
    free(p);
}
