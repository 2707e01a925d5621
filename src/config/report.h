/* What is wrong with a configuration: collected, then shown at once, by line. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "base/def.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITIES };

/* Where: the line (0 = the file as a whole), the section's title ("group a", or NULL), the key (or NULL). */
struct place {
    unsigned line;
    const char *section, *key;
};

struct message {
    char *text;
    unsigned line;
    enum severity severity;
};

struct report {
    const char *path; /* borrowed */
    struct message *message;
    size_t count, cap;
    size_t errors;
    bool no_memory; /* an allocation failed somewhere: nothing of this reading counts */
};

void report_add(struct report *report, enum severity severity, struct place place, const char *format, ...)
    PRINTF_LIKE(4, 5);
/*
 * An error `found "FOUND"NOTE, expected EXPECTED; did you mean "NEAREST"?`. found NULL: "found a value not
 * shown here"; note and nearest may be NULL.
 */
void report_found(struct report *report, struct place place, const char *found, const char *note,
                  const char *expected, const char *nearest);
/* All messages of that severity, by line, one a line, no newline behind the last. NULL if there is none or no
 * memory. */
MUST_USE char *report_text(struct report *report, enum severity severity);
void report_end(struct report *report);
static inline UNUSED void report_end_auto(struct report *report)
{
    report_end(report);
}

#endif
