/* How long the result of an operation is, where that can be told without asking a member. Pure. */
#ifndef SESSION_LENGTH_H
#define SESSION_LENGTH_H

#include "call/mechs.h"

enum length_sort {
    LENGTH_UNKNOWN,
    LENGTH_EXACT,
    LENGTH_LIMIT /* at most that */
};
struct length {
    enum length_sort sort;
    size_t bytes;
};

/* What counts of a key. */
struct length_key {
    CK_KEY_TYPE type;
    unsigned bits;       /* RSA modulus; 0 = not known */
    unsigned order_bits; /* of the group that EC and DSA signatures are made in; 0 = not known */
};

/* Of the whole result, when the whole input has in_len bytes. */
struct length length_of(enum op_kind kind, const CK_MECHANISM *mech, const struct length_key *key,
                        size_t in_len);
/*
 * Of what one more Update (`final` false) or the Final may give at most, when `in` bytes have gone in
 * altogether, that Update's included, and `out` bytes have come out.
 */
size_t length_of_part(enum op_kind kind, const CK_MECHANISM *mech, const struct length_key *key, size_t in,
                      size_t out, bool final);

/* The bits of the order of the curve that EC_PARAMS name; 0 if it is not a known named one. */
unsigned length_curve_order(const uint8_t *params, size_t len);

#endif
