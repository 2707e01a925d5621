#include "tool/confirm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tool/say.h"

static void close_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

bool confirm_ask(bool yes, const char *format, ...)
{
    if (yes)
        return true;
    __attribute__((cleanup(close_file))) FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty) {
        say_error("Give --yes if that is what you want.",
                  "this must be confirmed, and there is no terminal to ask on");
        return false;
    }
    va_list args;
    va_start(args, format);
    (void)vfprintf(tty, format, args);
    va_end(args);
    (void)fputs(" Type yes to go on: ", tty);
    (void)fflush(tty);

    char answer[16];
    if (!fgets(answer, sizeof answer, tty))
        answer[0] = 0;
    answer[strcspn(answer, "\r\n")] = 0;
    if (strcmp(answer, "yes") == 0)
        return true;
    say_error(NULL, "not confirmed; nothing was done");
    return false;
}
