#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

#define LINKS_MAX 40

static int refuse(int r, char *why, char **ret_why)
{
    if (ret_why)
        *ret_why = why;
    else
        mem_free(why);
    return r;
}

static int check_owner(const char *path, const struct stat *st, char **ret_why)
{
    if (st->st_uid == 0 || st->st_uid == geteuid())
        return 0;
    return refuse(
        -EPERM,
        mem_printf("%s belongs to user %u, who could change it; make root or user %u its owner (chown)", path,
                   (unsigned)st->st_uid, (unsigned)geteuid()),
        ret_why);
}

static int check_mode(const char *path, const struct stat *st, char **ret_why)
{
    bool sticky_dir = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) || sticky_dir)
        return 0;
    return refuse(-EPERM,
                  mem_printf("%s can be written by others (mode %04o); chmod go-w %s", path,
                             (unsigned)st->st_mode & 07777u, path),
                  ret_why);
}

/* Puts the link's target in front of `rest`, in place. */
static int link_follow(const char *link, char rest[PATH_MAX], bool *ret_absolute)
{
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = 0;
    size_t rest_len = strlen(rest);
    if (n == 0 || (size_t)n + 1 + rest_len >= PATH_MAX)
        return n == 0 ? -ENOENT : -ENAMETOOLONG;
    memmove(rest + n + 1, rest, rest_len + 1);
    memcpy(rest, target, (size_t)n);
    rest[n] = '/';
    *ret_absolute = target[0] == '/';
    return 0;
}

/* Moves the first component of rest behind done. False at the end. */
static bool component_next(char done[PATH_MAX], char rest[PATH_MAX], size_t *ret_parent, int *ret_error)
{
    char *at = rest + strspn(rest, "/");
    size_t len = strcspn(at, "/");
    size_t have = strlen(done);
    if (len == 0)
        return false;
    *ret_error = have + 1 + len >= PATH_MAX ? -ENAMETOOLONG : 0;
    if (*ret_error != 0)
        return true;
    *ret_parent = have;
    if (len == 2 && memcmp(at, "..", 2) == 0) {
        char *slash = strrchr(done, '/');
        if (slash)
            *slash = 0;
    } else if (!(len == 1 && *at == '.')) {
        done[have] = '/';
        memcpy(done + have + 1, at, len);
        done[have + 1 + len] = 0;
    }
    memmove(rest, at + len, strlen(at + len) + 1);
    return true;
}

/*
 * Walks as the kernel does, so that also a folder that only a symbolic link passes through is looked at:
 * whoever may change that folder could point the link elsewhere.
 */
static int walk(const char *path, char done[PATH_MAX], char rest[PATH_MAX], struct stat *ret_st,
                char **ret_why)
{
    struct stat st;
    int links = 0, r = 0;
    size_t parent = 0;
    if (lstat("/", &st) != 0)
        return -errno;
    for (;;) {
        if (!S_ISLNK(st.st_mode)) {
            r = check_owner(done[0] ? done : "/", &st, ret_why);
            if (r == 0)
                r = check_mode(done[0] ? done : "/", &st, ret_why);
            if (r != 0)
                return r;
        }
        if (!component_next(done, rest, &parent, &r))
            break;
        if (r == 0 && lstat(done[0] ? done : "/", &st) != 0)
            r = -errno;
        if (r == 0 && S_ISLNK(st.st_mode)) {
            bool absolute = false;
            r = check_owner(done, &st, ret_why);
            if (r != 0)
                return r;
            r = ++links > LINKS_MAX ? -ELOOP : link_follow(done, rest, &absolute);
            done[absolute ? 0 : parent] = 0;
        }
        if (r != 0)
            return refuse(r, mem_printf("%s: %s (at %s)", path, strerror(-r), done[0] ? done : "/"), ret_why);
    }
    *ret_st = st;
    return 0;
}

int file_trusted(const char *path, char **ret_why)
{
    char done[PATH_MAX] = "", rest[PATH_MAX];
    size_t len = strlen(path);
    if (path[0] != '/' && !getcwd(done, sizeof(done)))
        return refuse(-errno, mem_printf("%s: the working folder is unknown: %s", path, strerror(errno)),
                      ret_why);
    size_t cwd = strlen(done);
    if (len == 0 || cwd + 1 + len >= PATH_MAX)
        return refuse(len == 0 ? -ENOENT : -ENAMETOOLONG, mem_printf("%s: not a path", path), ret_why);
    memcpy(rest, done, cwd);
    rest[cwd] = '/';
    memcpy(rest + cwd + 1, path, len + 1);
    done[0] = 0;

    struct stat st;
    int r = walk(path, done, rest, &st, ret_why);
    if (r != 0)
        return r;
    if (!S_ISREG(st.st_mode))
        return refuse(-EINVAL, mem_printf("%s is not a regular file", path), ret_why);
    return 0;
}

int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_len)
{
    if (max >= PTRDIFF_MAX)
        return -EINVAL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    /* One byte more than allowed shows that the file is too long; otherwise the NUL stands there. */
    AUTO(secret_free) char *data = secret_alloc(max + 1);
    int r = data ? 0 : -ENOMEM;
    size_t len = 0;
    while (r == 0 && len <= max) {
        ssize_t n = read(fd, data + len, max + 1 - len);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        else if (errno != EINTR)
            r = -errno;
    }
    close(fd);
    if (r == 0 && len > max)
        r = -EFBIG;
    if (r != 0)
        return r;
    data[len] = 0;
    *ret_len = len;
    *ret_data = TAKE(data);
    return 0;
}
