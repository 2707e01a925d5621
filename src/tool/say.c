#include "tool/say.h"

#include <stdarg.h>
#include <stdio.h>

static void say(const char *grade, const char *remedy, const char *format, va_list args)
{
    /* What was printed so far must stand above the message when both go to one place. */
    (void)fflush(stdout);
    flockfile(stderr);
    (void)fprintf(stderr, "p11ha: %s", grade);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    if (remedy)
        (void)fprintf(stderr, "  %s\n", remedy);
    funlockfile(stderr);
}

void say_error(const char *remedy, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("", remedy, format, args);
    va_end(args);
}

void say_warning(const char *remedy, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("warning: ", remedy, format, args);
    va_end(args);
}

void say_no_memory(void)
{
    say_error("Free some memory and try again.", "out of memory");
}
