/*
 * Events for operators: one line, `event key=value ...`, rate limited per event name (20 a minute, then one
 * line that counts what was left out; LOG_DEBUG and LOG_TRACE are not limited). Only those who decide write
 * them: router, health, replica, runtime, config. Values with spaces are quoted, control bytes escaped. Never
 * a PIN, key, share or input.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/def.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* target: "syslog", "stderr" or "file:/path". 0, or -errno when the file cannot be opened (then stderr is
 * used). */
MUST_USE int log_open(const char *target, enum log_level level);
void log_close(void);
/* In a forked child, before any thread exists. */
void log_after_fork(void);

extern _Atomic int log_threshold;
static inline bool log_on(enum log_level level)
{
    return (int)level <= log_threshold;
}
/*
 * log_event(LOG_WARN, "member-down", "member=%s cause=%s", name, cause). The format is fields divided by
 * single spaces; conversions are d i u x X o c s p f g with any length, width and precision. Holds no lock
 * while it writes, and the caller must hold none either.
 */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same from under a lock: it is written with the next event, open or close. Both texts are literals. */
void log_event_later(enum log_level level, const char *event, const char *fields);

#endif
