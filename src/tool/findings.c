#include "tool/findings.h"

#include <stdarg.h>

void findings_start(struct findings *findings)
{
    *findings = (struct findings){.list = json_array()};
    findings->failed = !findings->list;
}

void findings_end(struct findings *findings)
{
    json_decref(findings->list);
    findings->list = NULL;
}

void findings_add(struct findings *findings, enum findings_grade grade, const char *where, const char *remedy,
                  const char *format, ...)
{
    char what[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    /* Labels of tokens and objects are somebody else's text. */
    for (char *at = what; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    findings->troubles += grade == FINDING_TROUBLE;
    json_t *row =
        json_pack("{s:s, s:s, s:s?, s:s?}", "grade", grade == FINDING_TROUBLE ? "trouble" : "warning",
                  "where", where, "what", what, "remedy", remedy);
    /* Labels of foreign tokens need not be UTF-8: then at least the place is named. */
    if (!row)
        row = json_pack("{s:s, s:s, s:s}", "grade", grade == FINDING_TROUBLE ? "trouble" : "warning", "where",
                        where, "what", "something whose name is not text");
    if (json_array_append_new(findings->list, row) != 0)
        findings->failed = true;
}

void findings_print(const struct findings *findings, FILE *out)
{
    size_t i;
    json_t *row;
    json_array_foreach(findings->list, i, row)
    {
        const char *remedy = json_string_value(json_object_get(row, "remedy"));
        (void)fprintf(out, "%s: %s: %s\n", json_string_value(json_object_get(row, "grade")),
                      json_string_value(json_object_get(row, "where")),
                      json_string_value(json_object_get(row, "what")));
        if (remedy)
            (void)fprintf(out, "  %s\n", remedy);
    }
    if (findings->failed)
        (void)fputs("There is more, but no memory for it.\n", out);
}
