/* The text of one log line. Pure: no lock, no clock, no file. */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include <stdarg.h>

#include "base/def.h"

#define LOGLINE_MAX   1024
#define LOGLINE_STAMP 32

/*
 * `event` and the fields of `format` (divided by single spaces, each key=value). A value that holds a space,
 * a quote or a control byte, or nothing, is quoted, with \" \\ and \xNN inside. A line too long ends in
 * "...".
 */
void logline_format(char line[LOGLINE_MAX], const char *event, const char *format, va_list args);

/* 2024-05-01T12:00:00Z, and May  1 12:00:00, both UTC. gmtime_r would take a lock of libc that fork may leave
 * held. */
void logline_stamp_utc(char stamp[LOGLINE_STAMP], int64_t seconds);
void logline_stamp_rfc3164(char stamp[LOGLINE_STAMP], int64_t seconds);

#endif
