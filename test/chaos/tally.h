/* Counting calls into the shared counter file (counts.h). */
#ifndef CHAOS_TALLY_H
#define CHAOS_TALLY_H

#include <stdbool.h>

#include "pkcs11-headers/pkcs11.h"
#include "test/chaos/calls.h"
#include "test/chaos/counts.h"

/* Maps the file, making it if it is missing. False: errno says why; nothing is counted then. Not while
 * another thread opens. */
bool tally_open(const char *path);
/* The row of that token (NULL or "": none), made if it is missing; NULL if nothing is counted. */
struct counts_token *tally_row(const char *label);
/* row may be NULL. */
void tally_begin(struct counts_token *row, enum call_id call);
void tally_end(struct counts_token *row, enum call_id call, CK_RV rv);
/* In a forked child, before anything else. */
void tally_forked(void);

#endif
