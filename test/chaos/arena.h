/*
 * Memory that lives as long as the process: rule sets and tokens, which a call may still be reading when they
 * have been replaced. A few bytes an edit of the control file; mapped, so that leak checkers have nothing to
 * say after dlclose.
 */
#ifndef CHAOS_ARENA_H
#define CHAOS_ARENA_H

#include <stddef.h>

/* Zeroed, aligned for anything. NULL without memory. */
void *arena_take(size_t size);
/* In a forked child, before anything else. */
void arena_forked(void);

#endif
