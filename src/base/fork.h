/*
 * How often this process has been forked from another one since fork_generation was first called. What was
 * made under another number belongs to an ancestor.
 */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include "base/def.h"

/* The first call arms the counting; never blocks. */
uint32_t fork_generation(void);

#endif
