/* A progress bar on stderr; silent when that is not a terminal. One thread at a time. */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include "base/def.h"

struct progress {
    const char *what;
    uint64_t total;
    uint64_t shown_at; /* ns, clock_now */
    bool visible;
};

/* `what` must live until the end. total 0: not known, a count is shown instead of a bar. */
void progress_start(struct progress *progress, const char *what, uint64_t total);
/* Cheap: redraws at most ten times a second. `note` (may be NULL) stands behind the bar. */
void progress_show(struct progress *progress, uint64_t done, const char *note);
/* Wipes the line, so that what is printed next stands alone. */
void progress_end(struct progress *progress);

#endif
