/*
 * Which keys a member can bear: for each key type it is really tried, with session objects that are gone
 * afterwards, whether a key can be made there, wrapped, and restored from its wrapped form.
 */
#ifndef REPLICA_MATRIX_H
#define REPLICA_MATRIX_H

#include "replica/managed.h"

#define MATRIX_TYPES 12

enum matrix_answer {
    MATRIX_YES,
    MATRIX_IMPORTED, /* it takes such a key in clear; made there, it could not be on every member */
    MATRIX_NO,
    MATRIX_ASIDE /* could not be tried: the member failed */
};

struct matrix_cell {
    enum matrix_answer answer;
    const char *step; /* what did not go: "make", "wrap", "prove" or "restore"; NULL with MATRIX_YES */
    CK_RV rv;         /* what the member said to that */
};

/* "RSA-2048"; type < MATRIX_TYPES. */
const char *matrix_name(unsigned type);
const char *matrix_answer_name(enum matrix_answer answer);
/* `managed` NULL: of an external group, where only making counts. Takes as long as the member needs to make a
 * key. */
struct matrix_cell matrix_try(struct managed *managed, struct member *member, unsigned type);

#endif
