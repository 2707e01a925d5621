/*
 * The counter file, shared by every process that maps it: a header, then for each token a block of counters.
 * A block is added under flock(), written once and then announced by raising `tokens`; counters are atomic.
 * Same machine only.
 */
#ifndef CHAOS_COUNTS_H
#define CHAOS_COUNTS_H

#include <stdint.h>

#define COUNTS_MAGIC      "p11chs1"
#define COUNTS_CALLS_MAX  128
#define COUNTS_TOKENS_MAX 64
#define COUNTS_NAME_MAX   32
#define COUNTS_LABEL_MAX  33
#define COUNTS_NO_TOKEN   "-" /* calls that lead to no token, or to one without a label */

/* calls counts at the call's beginning, ok or failed at its end: calls - ok - failed are on their way. */
struct counts_cell {
    _Atomic uint64_t calls, ok, failed;
};

struct counts_token {
    char label[COUNTS_LABEL_MAX];
    struct counts_cell cell[COUNTS_CALLS_MAX];
};

struct counts_file {
    char magic[8];
    _Atomic uint32_t tokens;
    uint32_t calls;
    char name[COUNTS_CALLS_MAX][COUNTS_NAME_MAX];
    struct counts_token token[COUNTS_TOKENS_MAX];
};

#endif
