/* Where log lines go: stderr, a file, or the syslog socket. Lines are written while no lock is held. */
#ifndef BASE_LOGSINK_H
#define BASE_LOGSINK_H

#include "base/def.h"
#include "base/log.h"

struct logsink;

/* Sends lines to `target` (as of log_open) from now on. -errno if it cannot be opened: then to stderr. */
MUST_USE int logsink_open(const char *target);
/* Back to stderr. */
void logsink_close(void);
/* The sink of one event, counted so that it stays open meanwhile; give it to logsink_end. */
struct logsink *logsink_begin(void);
void logsink_end(struct logsink *sink);
/* One line without its newline; what cannot be written is lost. */
void logsink_write(const struct logsink *sink, enum log_level level, const char *line);
/* In a forked child, before any thread exists. */
void logsink_after_fork(void);

#endif
