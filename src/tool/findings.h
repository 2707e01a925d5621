/* What a verb found that a person should know: collected, then shown at once, for people or for programs. */
#ifndef TOOL_FINDINGS_H
#define TOOL_FINDINGS_H

#include <jansson.h>
#include <stdio.h>

#include "base/def.h"

enum findings_grade { FINDING_TROUBLE, FINDING_WARNING };

struct findings {
    json_t *list; /* of objects: grade, where, what, remedy */
    size_t troubles;
    bool failed; /* without memory */
};

void findings_start(struct findings *findings);
/* `where`: "group a", "member b"; `remedy`: what to do, whole sentences, or NULL. */
void findings_add(struct findings *findings, enum findings_grade grade, const char *where, const char *remedy,
                  const char *format, ...) PRINTF_LIKE(5, 6);
void findings_print(const struct findings *findings, FILE *out);
void findings_end(struct findings *findings);
static inline UNUSED void findings_end_auto(struct findings *findings)
{
    findings_end(findings);
}

#endif
