/* Words of the language that C lacks. No state, no lock. */
#ifndef BASE_DEF_H
#define BASE_DEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE                     __attribute__((warn_unused_result))
#define UNUSED                       __attribute__((unused))
#define PRINTF_LIKE(f, a)            __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, field) ((type *)(void *)((char *)(p)-offsetof(type, field)))

/* AUTO(thing_free) struct thing *x = NULL; frees x at the end of its scope. Needs AUTO_DEFINE(thing_free,
 * struct thing). */
#define AUTO(fn) __attribute__((cleanup(fn##_auto)))
#define AUTO_DEFINE(fn, type)                     \
    static inline UNUSED void fn##_auto(type **p) \
    {                                             \
        if (*p)                                   \
            fn(*p);                               \
    }
/* Hands over what an AUTO variable owns. */
#define TAKE(p)                    \
    ({                             \
        __auto_type take_p_ = (p); \
        (p) = NULL;                \
        take_p_;                   \
    })

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
