/* Before base/log.h: both name levels LOG_INFO and LOG_DEBUG. */
#include <syslog.h>
enum {
    FACILITY = LOG_DAEMON,
    PRIO_ERROR = LOG_ERR,
    PRIO_WARN = LOG_WARNING,
    PRIO_INFO = LOG_INFO,
    PRIO_DEBUG = LOG_DEBUG
};
#undef LOG_INFO
#undef LOG_DEBUG

#include "base/logsink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/logline.h"
#include "base/mem.h"

static const struct {
    const char *name;
    int prio;
} levels[] = {
    [LOG_ERROR] = {"error", PRIO_ERROR}, [LOG_WARN] = {"warn", PRIO_WARN},
    [LOG_INFO] = {"info", PRIO_INFO},    [LOG_DEBUG] = {"debug", PRIO_DEBUG},
    [LOG_TRACE] = {"trace", PRIO_DEBUG},
};

enum sink_kind { SINK_STDERR, SINK_FILE, SINK_SYSLOG };

/* Where lines go. Counted, because a line is written while no lock is held. */
struct logsink {
    enum sink_kind kind;
    _Atomic int fd;
    dev_t dev; /* with ino: what fd was; applications that become daemons close what they do not know */
    ino_t ino;
    unsigned users;
    char *target;
};

static struct logsink stderr_sink = {.kind = SINK_STDERR, .fd = STDERR_FILENO, .users = 1};

static struct lock sink_lock = LOCK_INIT(LOCK_LOG);
static struct logsink *sink = &stderr_sink;

static void sink_unref_locked(struct logsink *old, int *ret_close)
{
    if (--old->users != 0 || old == &stderr_sink)
        return;
    *ret_close = old->fd;
    mem_free(old->target);
    mem_free(old);
}

static int syslog_connect(int fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* Not syslog(3): its socket, name and lock belong to the application, and a lock held at fork stays held in
 * the child. */
static int sink_open(const char *target, struct logsink *to)
{
    if (strcmp(target, "syslog") == 0) {
        to->kind = SINK_SYSLOG;
        to->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* A syslog daemon that starts later is found by the first line after that. */
        if (to->fd >= 0 && syslog_connect(to->fd) != 0)
            errno = 0;
    } else if (strncmp(target, "file:", 5) == 0) {
        to->kind = SINK_FILE;
        to->fd = open(target + 5, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    } else {
        return -EINVAL;
    }
    if (to->fd < 0)
        return -errno;
    struct stat st;
    if (fstat(to->fd, &st) == 0) {
        to->dev = st.st_dev;
        to->ino = st.st_ino;
    }
    return 0;
}

static int sink_new(const char *target, struct logsink **ret_sink)
{
    struct logsink *fresh = mem_new(1, sizeof(*fresh));
    char *copy = fresh ? mem_strdup(target) : NULL;
    int r = copy ? sink_open(target, fresh) : -ENOMEM;
    if (r != 0) {
        mem_free(copy);
        mem_free(fresh);
        return r;
    }
    fresh->target = copy;
    fresh->users = 1;
    *ret_sink = fresh;
    return 0;
}

static bool still_ours(const struct logsink *s)
{
    struct stat st;
    return s->kind == SINK_STDERR || (fstat(s->fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino);
}

/* write() that cannot kill the application when nobody reads its stderr. */
static void write_quietly(int fd, const struct iovec *iov, int n)
{
    sigset_t pipe_set, before, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    ssize_t r;
    do
        r = writev(fd, iov, n);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE)) {
        struct timespec none = {0};
        while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void write_syslog(const struct logsink *s, enum log_level level, const char *line)
{
    char head[64];
    char stamp[LOGLINE_STAMP];
    logline_stamp_rfc3164(stamp, clock_wall());
    int len = snprintf(head, sizeof(head), "<%d>%s p11ha[%d]: ", FACILITY | levels[level].prio, stamp,
                       (int)getpid());
    struct iovec iov[] = {{head, (size_t)len}, {(void *)(uintptr_t)line, strlen(line)}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov)};
    if (sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN)
        return;
    if (syslog_connect(s->fd) != 0 || sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

void logsink_write(const struct logsink *s, enum log_level level, const char *line)
{
    lock_assert_none();
    if (s->kind == SINK_SYSLOG) {
        write_syslog(s, level, line);
        return;
    }
    char head[64];
    char stamp[LOGLINE_STAMP];
    logline_stamp_utc(stamp, clock_wall());
    int len = snprintf(head, sizeof(head), "%s p11ha[%d] %s ", stamp, (int)getpid(), levels[level].name);
    struct iovec iov[] = {
        {head, (size_t)len}, {(void *)(uintptr_t)line, strlen(line)}, {(void *)(uintptr_t) "\n", 1}};
    write_quietly(s->fd, iov, ARRAY_LEN(iov));
}

static struct logsink *ref(struct logsink **which)
{
    lock_take(&sink_lock);
    struct logsink *s = *which;
    s->users++;
    lock_drop(&sink_lock);
    return s;
}

static struct logsink *stderr_ref(void)
{
    struct logsink *which = &stderr_sink;
    return ref(&which);
}

void logsink_end(struct logsink *s)
{
    int fd = -1;
    lock_take(&sink_lock);
    sink_unref_locked(s, &fd);
    lock_drop(&sink_lock);
    if (fd >= 0)
        close(fd);
}

/* Takes over the caller's reference to fresh. Only `expected` is replaced, or any if it is NULL. */
static void replace(struct logsink *expected, struct logsink *fresh)
{
    lock_take(&sink_lock);
    struct logsink *old = fresh;
    if (!expected || sink == expected) {
        old = sink;
        sink = fresh;
    }
    lock_drop(&sink_lock);
    logsink_end(old);
}

int logsink_open(const char *target)
{
    struct logsink *fresh = NULL;
    int r = strcmp(target, "stderr") == 0 ? 0 : sink_new(target, &fresh);
    replace(NULL, fresh ? fresh : stderr_ref());
    return r;
}

void logsink_close(void)
{
    replace(NULL, stderr_ref());
}

struct logsink *logsink_begin(void)
{
    struct logsink *s = ref(&sink);
    if (still_ours(s))
        return s;
    /* The application has closed or reused the descriptor: it is not ours to close any more. */
    s->fd = -1;
    struct logsink *fresh = NULL;
    if (sink_new(s->target, &fresh) != 0)
        fresh = stderr_ref();
    replace(s, fresh);
    logsink_end(s);
    return ref(&sink);
}

void logsink_after_fork(void)
{
    lock_init(&sink_lock, LOCK_LOG);
    sink->users = 1;
}
