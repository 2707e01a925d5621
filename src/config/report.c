#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static PRINTF_LIKE(1, 0) char *text_format(const char *format, va_list args)
{
    va_list again;
    char *text = NULL;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0)
        text = mem_new((size_t)len + 1, 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

static char *place_format(const struct report *report, struct place place)
{
    char line[16] = "";

    if (place.line)
        snprintf(line, sizeof(line), ":%u", place.line);
    return mem_printf("%s%s: %s%s%s%s%s%s", report->path, line, place.section ? "[" : "",
                      place.section ? place.section : "", place.section ? "]" : "",
                      place.section && place.key ? " " : "", place.key ? place.key : "",
                      place.section || place.key ? ": " : "");
}

static bool room_make(struct report *report)
{
    size_t cap = report->cap ? 2 * report->cap : 8;

    if (report->count < report->cap)
        return true;
    struct message *more = mem_resize(report->message, cap, sizeof(*more));
    if (!more)
        return false;
    report->message = more;
    report->cap = cap;
    return true;
}

/* Behind all messages of the same and of earlier lines, so that order within a line is that of finding. */
static void message_insert(struct report *report, struct message message)
{
    size_t at = report->count++;

    for (; at > 0 && report->message[at - 1].line > message.line; at--)
        report->message[at] = report->message[at - 1];
    report->message[at] = message;
}

void report_add(struct report *report, enum severity severity, struct place place, const char *format, ...)
{
    AUTO(mem_free) char *where = place_format(report, place);
    AUTO(mem_free) char *what = NULL;
    va_list args;

    va_start(args, format);
    what = text_format(format, args);
    va_end(args);
    report->errors += severity == SEVERITY_ERROR;
    char *text = where && what && room_make(report) ? mem_printf("%s%s", where, what) : NULL;
    if (!text) {
        report->no_memory = true;
        return;
    }
    message_insert(report, (struct message){.text = text, .line = place.line, .severity = severity});
}

void report_found(struct report *report, struct place place, const char *found, const char *note,
                  const char *expected, const char *nearest)
{
    report_add(report, SEVERITY_ERROR, place, "found %s%s%s%s, expected %s%s%s%s", found ? "\"" : "",
               found ? found : "a value not shown here", found ? "\"" : "", note ? note : "", expected,
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

char *report_text(struct report *report, enum severity severity)
{
    size_t len = 0;

    for (size_t i = 0; i < report->count; i++) {
        if (report->message[i].severity == severity)
            len += strlen(report->message[i].text) + 1;
    }
    if (len == 0)
        return NULL;
    char *text = mem_new(len, 1), *end = text;
    if (!text) {
        report->no_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < report->count; i++) {
        if (report->message[i].severity != severity)
            continue;
        end = stpcpy(end, report->message[i].text);
        *end++ = '\n';
    }
    end[-1] = '\0';
    return text;
}

void report_end(struct report *report)
{
    for (size_t i = 0; i < report->count; i++)
        mem_free(report->message[i].text);
    mem_free(report->message);
    *report = (struct report){.path = report->path};
}
