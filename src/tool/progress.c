#include "tool/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define REDRAW_EVERY (100 * NS_PER_MS)
#define BAR_MAX      40

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

void progress_start(struct progress *progress, const char *what, uint64_t total)
{
    *progress = (struct progress){.what = what, .total = total, .visible = isatty(STDERR_FILENO) == 1};
    progress_show(progress, 0, NULL);
}

void progress_show(struct progress *progress, uint64_t done, const char *note)
{
    if (!progress->visible)
        return;
    uint64_t now = clock_now();
    if (progress->shown_at && now - progress->shown_at < REDRAW_EVERY && done != progress->total)
        return;
    progress->shown_at = now;

    char line[256];
    if (progress->total) {
        uint64_t part = done < progress->total ? done : progress->total;
        int filled = (int)((double)part / (double)progress->total * BAR_MAX);
        (void)snprintf(line, sizeof line, "%s [%.*s%*s] %3d%% %s", progress->what, filled,
                       "########################################", BAR_MAX - filled, "",
                       (int)((double)part / (double)progress->total * 100), note ? note : "");
    } else {
        (void)snprintf(line, sizeof line, "%s %llu %s", progress->what, (unsigned long long)done,
                       note ? note : "");
    }
    (void)fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (!progress->visible)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->visible = false;
}
