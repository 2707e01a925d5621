/* Rows for people and for programs from the same calls: a libsmartcols table, or an array of jansson objects.
 */
#ifndef TOOL_LISTING_H
#define TOOL_LISTING_H

#include <jansson.h>
#include <stdio.h>

#include "base/def.h"

enum listing_align { LISTING_LEFT, LISTING_RIGHT };

struct listing_column {
    const char *title; /* NULL: only in JSON */
    const char *key;   /* of the JSON object; NULL: only in the table */
    enum listing_align align;
};

/* Everything after a failed allocation is ignored; listing_print and listing_take say so. */
struct listing;
MUST_USE struct listing *listing_new(const struct listing_column *column, size_t columns);
void listing_free(struct listing *listing);
AUTO_DEFINE(listing_free, struct listing)

/* A new row; the cells below go to it. Cells that are never set are "-" and null. */
void listing_row(struct listing *listing);
void listing_text(struct listing *listing, size_t column, const char *text);
void listing_count(struct listing *listing, size_t column, uint64_t count);
/* Shown with that many decimals, kept whole in JSON. */
void listing_number(struct listing *listing, size_t column, double number, int decimals);
void listing_flag(struct listing *listing, size_t column, bool flag);
/* Text for people and some other value for programs; `value` is taken over. */
void listing_value(struct listing *listing, size_t column, const char *text, json_t *value);

/* False: no memory, or the stream cannot be written. */
MUST_USE bool listing_print(struct listing *listing, FILE *out);
/* A new reference to the array of rows, or NULL without memory. */
MUST_USE json_t *listing_take(struct listing *listing);
/* Any JSON value to stdout, indented, with a final newline; the reference is taken over (NULL: false). */
MUST_USE bool listing_print_json(json_t *value);

#endif
