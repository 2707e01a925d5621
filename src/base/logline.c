#include "base/logline.h"

#include <stdio.h>
#include <string.h>

/* One value may fill the line; what is longer is cut anyway. */
#define VALUE_MAX LOGLINE_MAX

struct text {
    char *at;
    size_t len, cap; /* one byte of cap is kept for the NUL */
    bool cut;
};

struct args {
    va_list list;
};

static void text_put(struct text *text, const char *bytes, size_t len)
{
    size_t room = text->cap - 1 - text->len;
    if (len > room)
        text->cut = true;
    len = size_min(len, room);
    memcpy(text->at + text->len, bytes, len);
    text->len += len;
    text->at[text->len] = 0;
}

static bool is_plain(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] <= ' ' || strchr("\"\\\x7f", value[i]))
            return false;
    return len > 0;
}

static void put_value(struct text *line, const char *value, size_t len)
{
    if (is_plain(value, len)) {
        text_put(line, value, len);
        return;
    }
    text_put(line, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char c = value[i], code[5];
        if (c == '"' || c == '\\')
            text_put(line, "\\", 1);
        if ((unsigned char)c < ' ' || c == 0x7f) {
            snprintf(code, sizeof(code), "\\x%02x", (unsigned char)c);
            text_put(line, code, 4);
        } else {
            text_put(line, &c, 1);
        }
    }
    text_put(line, "\"", 1);
}

/* Prints what one conversion, its * replaced by numbers, takes from args. */
static int print_one(char *out, size_t room, const char *conversion, struct args *args)
{
    size_t end = strlen(conversion) - 1;
    char kind = conversion[end];
    size_t longs = 0;
    while (end > longs && strchr("lzjt", conversion[end - 1 - longs]))
        longs++;
    switch (kind) {
    case 's':
        return snprintf(out, room, conversion, va_arg(args->list, const char *));
    case 'p':
        return snprintf(out, room, conversion, va_arg(args->list, void *));
    case 'f':
    case 'g':
        return snprintf(out, room, conversion, va_arg(args->list, double));
    case 'c':
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        /* l, ll, z, j and t are all one 64-bit word here; h and hh come as int. */
        if (longs > 0)
            return snprintf(out, room, conversion, va_arg(args->list, long long));
        return snprintf(out, room, conversion, va_arg(args->list, int));
    default:
        return snprintf(out, room, "?");
    }
}
_Static_assert(sizeof(long) == sizeof(long long) && sizeof(size_t) == sizeof(long),
               "one word for all long conversions");

/* A negative precision counts as none. */
static size_t put_star(char conversion[32], size_t len, int number)
{
    if (number < 0 && conversion[len - 1] == '.')
        return len - 1;
    return len + (size_t)snprintf(conversion + len, 32 - len, "%d", number);
}

/* From behind a '%'; where the format goes on. */
static const char *put_conversion(struct text *value, const char *format, struct args *args)
{
    char conversion[32] = "%";
    size_t len = 1;
    const char *at = format;
    while (*at && strchr("#0-+ .*123456789hlzjt", *at) && len < 20) {
        if (*at == '*')
            len = put_star(conversion, len, va_arg(args->list, int));
        else
            conversion[len++] = *at;
        at++;
    }
    if (*at == 0)
        return at;
    conversion[len++] = *at;
    conversion[len] = 0;

    char out[VALUE_MAX];
    int n = print_one(out, sizeof(out), conversion, args);
    if (n >= (int)sizeof(out))
        value->cut = true;
    text_put(value, out, n < 0 ? 0 : size_min((size_t)n, sizeof(out) - 1));
    return at + 1;
}

/* One field, up to a space of the format or its end; where the format goes on. */
static const char *put_field(struct text *line, const char *format, struct args *args)
{
    char bytes[VALUE_MAX] = "";
    struct text value = {.at = bytes, .cap = sizeof(bytes)};
    size_t key = 0;
    const char *at = format;
    while (*at && *at != ' ') {
        if (*at == '%' && at[1] != '%') {
            at = put_conversion(&value, at + 1, args);
            continue;
        }
        if (*at == '%')
            at++;
        text_put(&value, at, 1);
        if (*at == '=' && key == 0)
            key = value.len;
        at++;
    }
    text_put(line, " ", 1);
    text_put(line, bytes, key);
    put_value(line, bytes + key, value.len - key);
    line->cut = line->cut || value.cut;
    return *at == ' ' ? at + 1 : at;
}

void logline_format(char line[LOGLINE_MAX], const char *event, const char *format, va_list list)
{
    struct text text = {.at = line, .cap = LOGLINE_MAX - 3};
    struct args args;
    va_copy(args.list, list);
    text_put(&text, event, strlen(event));
    while (*format)
        format = put_field(&text, format, &args);
    va_end(args.list);
    if (text.cut)
        memcpy(line + text.len, "...", 4);
}

struct date {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static struct date date_of(int64_t seconds)
{
    int64_t days = seconds / 86400;
    int rest = (int)(seconds % 86400);
    struct date date = {
        .year = 1970, .month = 1, .hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60};
    for (; days >= 337 + days_in(date.year, 2); date.year++)
        days -= 337 + days_in(date.year, 2);
    for (; days >= days_in(date.year, date.month); date.month++)
        days -= days_in(date.year, date.month);
    date.day = (int)days + 1;
    return date;
}

void logline_stamp_utc(char stamp[LOGLINE_STAMP], int64_t seconds)
{
    struct date d = date_of(seconds);
    snprintf(stamp, LOGLINE_STAMP, "%04d-%02d-%02dT%02d:%02d:%02dZ", d.year % 10000, d.month, d.day, d.hour,
             d.minute, d.second);
}

void logline_stamp_rfc3164(char stamp[LOGLINE_STAMP], int64_t seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date d = date_of(seconds);
    snprintf(stamp, LOGLINE_STAMP, "%.3s %2d %02d:%02d:%02d", months + 3 * (d.month - 1), d.day, d.hour,
             d.minute, d.second);
}
