#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/logline.h"
#include "base/mem.h"
#include "base/thread.h"

static char path[] = "/tmp/p11ha-log-XXXXXX";
static char target[64];
static char text[1 << 20];

static const char *written(void)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = 0;
    return text;
}

static unsigned count_of(const char *all, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(all, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

static int empty_file(void **state)
{
    (void)state;
    unlink(path);
    mem_fail_after(0, false);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    log_close();
    clock_test_set(0);
    unlink(path);
    return 0;
}

PRINTF_LIKE(1, 2) static const char *line_of(const char *format, ...)
{
    static char line[LOGLINE_MAX];
    va_list args;
    va_start(args, format);
    logline_format(line, "event", format, args);
    va_end(args);
    return line;
}

static void values_are_quoted(void **state)
{
    (void)state;
    assert_string_equal(line_of("a=%s b=%d", "plain", 5), "event a=plain b=5");
    assert_string_equal(line_of("a=%s b=%s", "two words", ""), "event a=\"two words\" b=\"\"");
    assert_string_equal(line_of("a=%s", "q\"b\\n\n\x7f"), "event a=\"q\\\"b\\\\n\\x0a\\x7f\"");
    /* What stands in a value cannot pretend to be a field. */
    assert_string_equal(line_of("a=%s", "x b=y"), "event a=\"x b=y\"");
    assert_string_equal(line_of("url=%s://%s:%u", "http", "a b", 80u), "event url=\"http://a b:80\"");
    assert_string_equal(line_of("a=1=%s", "k=v"), "event a=1=k=v");
    assert_string_equal(line_of("%s", "bare"), "event bare");
    assert_string_equal(line_of("p=100%%"), "event p=100%");
    assert_string_equal(line_of("utf=%s", "gr\xc3\xbc\xc3\x9f"), "event utf=gr\xc3\xbc\xc3\x9f");
}

static void conversions(void **state)
{
    (void)state;
    assert_string_equal(
        line_of("a=%d b=%ld c=%lld d=%zu e=%llu", -1, -2L, -3LL, (size_t)4, 18446744073709551615ULL),
        "event a=-1 b=-2 c=-3 d=4 e=18446744073709551615");
    assert_string_equal(
        line_of("a=%08lx b=%#x c=%hhu d=%c e=%o f=%X", 0xbeefUL, 255u, (unsigned char)7, 'z', 8u, 171u),
        "event a=0000beef b=0xff c=7 d=z e=10 f=AB");
    assert_string_equal(line_of("a=%.*s b=%.3s c=%.*s d=%i", 2, "abcdef", "abcdef", -1, "whole", 9),
                        "event a=ab b=abc c=whole d=9");
    assert_string_equal(line_of("a=%.2f b=%g c=%-4dx", 1.239, 0.5, 7), "event a=1.24 b=0.5 c=\"7   x\"");
    assert_string_equal(line_of("a=%jd b=%td c=%p", (intmax_t)5, (ptrdiff_t)6, (void *)16),
                        "event a=5 b=6 c=0x10");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    char big[3000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    const char *line = line_of("a=%s b=%d", big, 1);
    assert_int_equal(strlen(line), LOGLINE_MAX - 1);
    assert_string_equal(line + LOGLINE_MAX - 4, "...");
    memset(big, '\n', sizeof(big) - 1);
    line = line_of("a=%s", big);
    assert_true(strlen(line) < LOGLINE_MAX);
}

static void stamps(void **state)
{
    (void)state;
    static const struct {
        int64_t at;
        const char *utc, *rfc3164;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "Jan  1 00:00:00"},
        {68169599, "1972-02-28T23:59:59Z", "Feb 28 23:59:59"},
        {68256000, "1972-03-01T00:00:00Z", "Mar  1 00:00:00"},
        {951782400, "2000-02-29T00:00:00Z", "Feb 29 00:00:00"},
        {1735689599, "2024-12-31T23:59:59Z", "Dec 31 23:59:59"},
        {4107542400, "2100-03-01T00:00:00Z", "Mar  1 00:00:00"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char stamp[LOGLINE_STAMP];
        logline_stamp_utc(stamp, rows[i].at);
        assert_string_equal(stamp, rows[i].utc);
        logline_stamp_rfc3164(stamp, rows[i].at);
        assert_string_equal(stamp, rows[i].rfc3164);
    }
}

static void file_sink(void **state)
{
    (void)state;
    assert_int_equal(log_open(target, LOG_INFO), 0);
    errno = 77;
    log_event(LOG_WARN, "member-down", "member=%s cause=%s", "hsm-a", "it is gone");
    assert_int_equal(errno, 77);
    log_event(LOG_DEBUG, "invisible", "a=%d", 1);
    assert_true(log_on(LOG_INFO));
    assert_false(log_on(LOG_DEBUG));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    regex_t re;
    assert_int_equal(
        regcomp(&re,
                "^20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z p11ha\\[[0-9]+\\] "
                "warn member-down member=hsm-a cause=\"it is gone\"\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    assert_int_equal(regexec(&re, written(), 0, NULL, 0), 0);
    regfree(&re);
}

static void a_flood_is_counted(void **state)
{
    (void)state;
    clock_test_set(1000 * NS_PER_S);
    assert_int_equal(log_open(target, LOG_TRACE), 0);
    for (int i = 0; i < 50; i++)
        log_event(LOG_WARN, "flood", "n=%d", i);
    log_event(LOG_WARN, "other", "n=%d", 1);
    for (int i = 0; i < 50; i++)
        log_event(LOG_TRACE, "call", "n=%d", i);
    assert_int_equal(count_of(written(), " flood n="), 20);
    assert_int_equal(count_of(written(), " other n="), 1);
    assert_int_equal(count_of(written(), " call n="), 50);
    assert_int_equal(count_of(written(), "left-out"), 0);
    clock_test_advance(61 * NS_PER_S);
    log_event(LOG_WARN, "other", "n=%d", 2);
    assert_int_equal(count_of(written(), "left-out event=flood lines=30\n"), 1);
    log_event(LOG_WARN, "flood", "n=%d", 100);
    assert_int_equal(count_of(written(), " flood n=100\n"), 1);
    for (int i = 0; i < 25; i++)
        log_event(LOG_WARN, "flood", "n=%d", i);
    log_close();
    assert_int_equal(count_of(written(), "left-out event=flood lines=6\n"), 1);
    assert_int_equal(count_of(written(), "left-out"), 2);
}

static void more_event_names_than_room(void **state)
{
    (void)state;
    clock_test_set(1000 * NS_PER_S);
    assert_int_equal(log_open(target, LOG_INFO), 0);
    for (int i = 0; i < 200; i++) {
        char name[24];
        snprintf(name, sizeof(name), "event-%d", i);
        log_event(LOG_INFO, name, "x=%d", i);
    }
    assert_int_equal(count_of(written(), "\n"), 200);
}

static void later_events(void **state)
{
    (void)state;
    assert_int_equal(log_open(target, LOG_INFO), 0);
    log_event_later(LOG_WARN, "locked", "effect=none");
    log_event_later(LOG_TRACE, "unheard", "effect=none");
    for (int i = 0; i < 10; i++)
        log_event_later(LOG_WARN, "more", "effect=none");
    assert_int_equal(count_of(written(), "locked"), 0);
    log_event(LOG_INFO, "next", "a=%d", 1);
    log_event(LOG_INFO, "next", "a=%d", 2);
    assert_int_equal(count_of(written(), "warn locked effect=none\n"), 1);
    assert_int_equal(count_of(written(), "more"), 2);
    assert_int_equal(count_of(written(), "unheard"), 0);
}

static void failures_fall_back_to_stderr(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO), fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    close(fd);
    int missing = log_open("file:/nonexistent/folder/log", LOG_INFO);
    log_event(LOG_ERROR, "one", "a=%d", 1);
    int unknown = log_open("teletype", LOG_INFO);
    log_event(LOG_ERROR, "two", "a=%d", 1);
    mem_fail_after(1, false);
    int no_memory = log_open(target, LOG_INFO);
    mem_fail_after(2, false);
    int no_more_memory = log_open(target, LOG_INFO);
    mem_fail_after(0, false);
    int fine = log_open("stderr", LOG_INFO);
    log_event(LOG_ERROR, "three", "a=%d", 1);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(missing, -ENOENT);
    assert_int_equal(unknown, -EINVAL);
    assert_int_equal(no_memory, -ENOMEM);
    assert_int_equal(no_more_memory, -ENOMEM);
    assert_int_equal(fine, 0);
    assert_int_equal(count_of(written(), "error one a=1\n"), 1);
    assert_int_equal(count_of(written(), "error two a=1\n"), 1);
    assert_int_equal(count_of(written(), "error three a=1\n"), 1);
}

static void a_broken_pipe_kills_nobody(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int ends[2];
        signal(SIGPIPE, SIG_DFL);
        if (pipe(ends) != 0)
            _exit(1);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        log_after_fork();
        int r = log_open("stderr", LOG_INFO);
        log_event(LOG_ERROR, "nobody-reads", "a=%d", 1);
        sigset_t pending;
        sigpending(&pending);
        _exit(r != 0 || sigismember(&pending, SIGPIPE));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A daemon closes all descriptors and opens its database: our lines must not go there. */
static void a_taken_descriptor_is_left_alone(void **state)
{
    (void)state;
    int probe = open("/dev/null", O_RDONLY);
    close(probe);
    assert_int_equal(log_open(target, LOG_INFO), 0);
    log_event(LOG_INFO, "before", "a=%d", 1);
    close(probe);
    char other[] = "/tmp/p11ha-other-XXXXXX";
    assert_int_equal(mkstemp(other), probe);
    log_event(LOG_INFO, "after", "a=%d", 2);
    log_event(LOG_INFO, "after", "a=%d", 3);
    struct stat st;
    assert_int_equal(fstat(probe, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(count_of(written(), "info before a=1\n"), 1);
    assert_int_equal(count_of(written(), "info after a="), 2);
    log_close();
    assert_int_equal(fstat(probe, &st), 0);
    close(probe);
    unlink(other);
}

static void syslog_never_hangs(void **state)
{
    (void)state;
    assert_int_equal(log_open("syslog", LOG_INFO), 0);
    uint64_t start = clock_now();
    for (int i = 0; i < 10; i++)
        log_event(LOG_INFO, "unit-test", "n=%d", i);
    assert_true(clock_now() - start < 5 * NS_PER_S);
}

static void child_logs_too(void **state)
{
    (void)state;
    assert_int_equal(log_open(target, LOG_INFO), 0);
    log_event(LOG_INFO, "parent", "a=%d", 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_after_fork();
        log_event(LOG_INFO, "child", "a=%d", 2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    char expected[64];
    snprintf(expected, sizeof(expected), "p11ha[%d] info child a=2\n", (int)pid);
    assert_int_equal(count_of(written(), expected), 1);
}

static void writer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++)
        log_event(LOG_DEBUG, "busy", "i=%d text=%s", i, "some words");
}

static void reopener(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        int r = log_open(target, LOG_DEBUG);
        (void)r;
    }
}

static void threads_and_reopening(void **state)
{
    (void)state;
    assert_int_equal(log_open(target, LOG_DEBUG), 0);
    struct thread *t[3] = {thread_start("w", -1, writer, NULL), thread_start("w", -1, writer, NULL),
                           thread_start("r", -1, reopener, NULL)};
    for (int i = 0; i < 3; i++)
        thread_join(t[i]);
    assert_int_equal(count_of(written(), "text=\"some words\"\n"), 600);
    assert_int_equal(count_of(written(), "\n"), 600);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, empty_file, close_all)

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    snprintf(target, sizeof(target), "file:%s", path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted),
        cmocka_unit_test(conversions),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(stamps),
        ON_FILE(file_sink),
        ON_FILE(a_flood_is_counted),
        ON_FILE(more_event_names_than_room),
        ON_FILE(later_events),
        ON_FILE(failures_fall_back_to_stderr),
        ON_FILE(a_broken_pipe_kills_nobody),
        ON_FILE(a_taken_descriptor_is_left_alone),
        ON_FILE(syslog_never_hangs),
        ON_FILE(child_logs_too),
        ON_FILE(threads_and_reopening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
