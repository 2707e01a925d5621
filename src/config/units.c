#include "config/units.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit time_units[] = {
    {"us", UINT64_C(1000)},
    {"ms", UINT64_C(1000000)},
    {"s", UINT64_C(1000000000)},
    {"m", UINT64_C(60) * 1000000000},
    {"h", UINT64_C(3600) * 1000000000},
    {"d", UINT64_C(86400) * 1000000000},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1}, {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}, {NULL, 0},
};

/* What follows the digits, or NULL if there are none or they exceed 64 bits. */
static const char *digits_read(const char *text, uint64_t *ret)
{
    uint64_t number = 0;
    const char *s = text;

    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*s - '0'), &number))
            return NULL;
    }
    if (s == text)
        return NULL;
    *ret = number;
    return s;
}

static bool quantity_read(const char *text, const struct unit *units, uint64_t *ret)
{
    uint64_t number, product;
    const char *rest = digits_read(text, &number);

    if (!rest)
        return false;
    if (!*rest && number == 0) {
        *ret = 0;
        return true;
    }
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcmp(rest, unit->name) != 0)
            continue;
        if (__builtin_mul_overflow(number, unit->factor, &product))
            return false;
        *ret = product;
        return true;
    }
    return false;
}

bool units_parse_number(const char *text, uint64_t *ret)
{
    uint64_t number;
    const char *rest = digits_read(text, &number);

    if (!rest || *rest)
        return false;
    *ret = number;
    return true;
}

bool units_parse_duration(const char *text, uint64_t *ret_ns)
{
    return quantity_read(text, time_units, ret_ns);
}

bool units_parse_size(const char *text, uint64_t *ret_bytes)
{
    return quantity_read(text, size_units, ret_bytes);
}
