#include "tool/listing.h"

#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

struct listing {
    const struct listing_column *column;
    size_t columns;
    struct libscols_table *table;
    struct libscols_line *line;
    json_t *rows;
    json_t *row; /* borrowed from rows */
    bool failed;
};

void listing_free(struct listing *listing)
{
    if (!listing)
        return;
    scols_unref_table(listing->table);
    json_decref(listing->rows);
    mem_free(listing);
}

static bool columns_made(struct listing *listing)
{
    for (size_t i = 0; i < listing->columns; i++) {
        const struct listing_column *column = &listing->column[i];
        int flags = column->align == LISTING_RIGHT ? SCOLS_FL_RIGHT : 0;
        if (!column->title)
            flags |= SCOLS_FL_HIDDEN;
        if (!scols_table_new_column(listing->table, column->title ? column->title : column->key, 0, flags))
            return false;
    }
    return true;
}

struct listing *listing_new(const struct listing_column *column, size_t columns)
{
    AUTO(listing_free) struct listing *listing = mem_new(1, sizeof *listing);
    if (!listing)
        return NULL;
    scols_init_debug(0);
    listing->column = column;
    listing->columns = columns;
    listing->table = scols_new_table();
    listing->rows = json_array();
    if (!listing->table || !listing->rows || !columns_made(listing))
        return NULL;
    return TAKE(listing);
}

void listing_row(struct listing *listing)
{
    if (listing->failed)
        return;
    listing->line = scols_table_new_line(listing->table, NULL);
    listing->row = json_object();
    if (!listing->line || json_array_append_new(listing->rows, listing->row) != 0) {
        listing->failed = true;
        return;
    }
    for (size_t i = 0; i < listing->columns; i++)
        listing_value(listing, i, "-", json_null());
}

void listing_value(struct listing *listing, size_t column, const char *text, json_t *value)
{
    if (listing->failed || !value || scols_line_set_data(listing->line, column, text) != 0) {
        listing->failed = true;
        json_decref(value);
        return;
    }
    const char *key = listing->column[column].key;
    if (!key)
        json_decref(value);
    else if (json_object_set_new(listing->row, key, value) != 0)
        listing->failed = true;
}

void listing_text(struct listing *listing, size_t column, const char *text)
{
    json_t *value = json_string(text);
    /* Labels of foreign tokens need not be UTF-8. */
    listing_value(listing, column, text, value ? value : json_null());
}

void listing_count(struct listing *listing, size_t column, uint64_t count)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    listing_value(listing, column, text, json_integer((json_int_t)count));
}

void listing_number(struct listing *listing, size_t column, double number, int decimals)
{
    char text[64];
    if (!isfinite(number)) {
        listing_value(listing, column, "-", json_null());
        return;
    }
    (void)snprintf(text, sizeof text, "%.*f", decimals, number);
    listing_value(listing, column, text, json_real(number));
}

void listing_flag(struct listing *listing, size_t column, bool flag)
{
    listing_value(listing, column, flag ? "yes" : "no", json_boolean(flag));
}

bool listing_print(struct listing *listing, FILE *out)
{
    if (listing->failed)
        return false;
    if (scols_table_set_stream(listing->table, out) != 0 || scols_print_table(listing->table) != 0)
        return false;
    return fflush(out) == 0 && !ferror(out);
}

json_t *listing_take(struct listing *listing)
{
    return listing->failed ? NULL : json_incref(listing->rows);
}

bool listing_print_json(json_t *value)
{
    if (!value)
        return false;
    int err = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(value);
    return err == 0 && fputc('\n', stdout) != EOF && fflush(stdout) == 0;
}
