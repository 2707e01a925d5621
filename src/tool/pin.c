#include "tool/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "tool/say.h"

#define FILE_SCHEME "file:"

bool pin_source_valid(const char *source)
{
    return strncmp(source, FILE_SCHEME, strlen(FILE_SCHEME)) == 0 && source[strlen(FILE_SCHEME)];
}

static int from_file(const char *path, char **ret, size_t *ret_len)
{
    AUTO(secret_free) char *data = NULL;
    size_t len = 0;
    int err = file_read_secret(path, PIN_MAX, &data, &len);
    if (err) {
        say_error("Give a readable file whose first line is the PIN.", "cannot read the PIN from %s: %s",
                  path, strerror(-err));
        return err;
    }
    size_t line = strcspn(data, "\r\n");
    if (!line) {
        say_error("Write the PIN into its first line.", "the PIN file %s is empty", path);
        return -ENODATA;
    }
    secret_wipe(data + line, len - line);
    *ret = TAKE(data);
    *ret_len = line;
    return 0;
}

/* One line, byte by byte so that no buffer of a library keeps a copy. */
static int read_line(int tty, char *into, size_t *ret_len)
{
    size_t len = 0;
    for (;;) {
        char c;
        ssize_t got = read(tty, &c, 1);
        if (got < 0)
            return errno == EINTR ? -ECANCELED : -errno;
        if (got == 0)
            return -ECANCELED;
        if (c == '\n')
            break;
        if (len + 1 >= PIN_MAX)
            return -E2BIG;
        into[len++] = c;
    }
    into[len] = 0;
    *ret_len = len;
    return len ? 0 : -ENODATA;
}

static void ask(int tty, const char *what)
{
    if (write(tty, what, strlen(what)) < 0 || write(tty, ": ", 2) < 0)
        return;
}

static int from_terminal(int tty, const char *what, char *into, size_t *ret_len)
{
    struct termios shown;
    if (tcgetattr(tty, &shown) != 0)
        return -errno;
    /* An interrupt while the echo is off would leave the user's terminal blind. */
    sigset_t held;
    sigset_t before;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGTSTP);
    (void)sigprocmask(SIG_BLOCK, &held, &before);

    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_cc[VEOF] = 4;
    int err = 0;
    if (tcsetattr(tty, TCSAFLUSH, &hidden) != 0) {
        err = -errno;
    } else {
        ask(tty, what);
        err = read_line(tty, into, ret_len);
        (void)tcsetattr(tty, TCSAFLUSH, &shown);
        if (write(tty, "\n", 1) < 0 && !err)
            err = -errno;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    /* ^C came as a byte, because signals from the keyboard were off. */
    if (!err && memchr(into, 3, *ret_len))
        err = -ECANCELED;
    return err;
}

int pin_read(const char *source, const char *what, char **ret, size_t *ret_len)
{
    if (source && !pin_source_valid(source)) {
        say_error("Give file:PATH, a file whose first line is the PIN.",
                  "--pin-source: not a source that is known (a PIN itself is never given here)");
        return -EINVAL;
    }
    if (source)
        return from_file(source + strlen(FILE_SCHEME), ret, ret_len);

    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0) {
        say_error("Give --pin-source file:PATH.", "%s: there is no terminal to ask for it", what);
        return -ENXIO;
    }
    AUTO(secret_free) char *line = secret_alloc(PIN_MAX);
    size_t len = 0;
    int err = line ? from_terminal(tty, what, line, &len) : -ENOMEM;
    (void)close(tty);
    if (err) {
        say_error("Try again, or give --pin-source file:PATH.", "%s: %s", what,
                  err == -ENODATA     ? "nothing was entered"
                  : err == -ECANCELED ? "the entry was broken off"
                                      : strerror(-err));
        return err;
    }
    *ret = TAKE(line);
    *ret_len = len;
    return 0;
}
