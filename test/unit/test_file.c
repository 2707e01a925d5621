#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"

static char dir[] = "/tmp/p11ha-file-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][200];
    static unsigned turn;
    char *at = path[turn++ % 4];
    snprintf(at, sizeof(path[0]), "%s/%s", dir, name);
    return at;
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_dir(name), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* The error, and what the sentence must speak of. */
static void refused(const char *path, int error, const char *word)
{
    AUTO(mem_free) char *why = NULL;
    assert_int_equal(file_trusted(path, &why), error);
    assert_non_null(why);
    if (!strstr(why, word))
        fail_msg("%s: \"%s\" does not say %s", path, why, word);
    assert_int_equal(file_trusted(path, NULL), error);
}

static void trusted(const char *path)
{
    char *why = NULL;
    int r = file_trusted(path, &why);
    if (r != 0)
        fail_msg("%s: %d %s", path, r, why);
    assert_null(why);
}

static void own_files_are_trusted(void **state)
{
    (void)state;
    put("good", "x", 0600);
    put("readable", "x", 0644);
    trusted(in_dir("good"));
    trusted(in_dir("readable"));
    trusted(in_dir(".//./good"));
    assert_int_equal(chdir(dir), 0);
    trusted("good");
    trusted("./good");
    assert_int_equal(mkdir("sub", 0755), 0);
    trusted("sub/../good");
}

static void writable_is_refused(void **state)
{
    (void)state;
    put("group", "x", 0620);
    put("world", "x", 0602);
    refused(in_dir("group"), -EPERM, "chmod");
    refused(in_dir("world"), -EPERM, "0602");
    assert_int_equal(mkdir(in_dir("open"), 0700), 0);
    put("open/inside", "x", 0600);
    trusted(in_dir("open/inside"));
    assert_int_equal(chmod(in_dir("open"), 0777), 0);
    refused(in_dir("open/inside"), -EPERM, "open can be written");
    assert_int_equal(chmod(in_dir("open"), 01777), 0);
    trusted(in_dir("open/inside"));
}

static void links_are_followed_with_care(void **state)
{
    (void)state;
    put("target", "x", 0600);
    assert_int_equal(symlink("target", in_dir("near")), 0);
    assert_int_equal(symlink(in_dir("near"), in_dir("far")), 0);
    trusted(in_dir("near"));
    trusted(in_dir("far"));
    /* A trusted file through a link in a folder that others may write. */
    assert_int_equal(mkdir(in_dir("loose"), 0700), 0);
    assert_int_equal(symlink("../target", in_dir("loose/link")), 0);
    trusted(in_dir("loose/link"));
    assert_int_equal(symlink("loose/link", in_dir("twice")), 0);
    assert_int_equal(chmod(in_dir("loose"), 0777), 0);
    refused(in_dir("loose/link"), -EPERM, "loose can be written");
    refused(in_dir("twice"), -EPERM, "loose can be written");
    assert_int_equal(symlink("ring", in_dir("ring")), 0);
    refused(in_dir("ring"), -ELOOP, "ring");
}

static void others_files_are_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("# only root can give a file away\n");
        skip();
    }
    put("theirs", "x", 0600);
    assert_int_equal(chown(in_dir("theirs"), 12345, 0), 0);
    refused(in_dir("theirs"), -EPERM, "12345");
    assert_int_equal(mkdir(in_dir("home"), 0755), 0);
    put("home/file", "x", 0600);
    assert_int_equal(chown(in_dir("home"), 12345, 0), 0);
    refused(in_dir("home/file"), -EPERM, "home belongs to user 12345");
    put("mine", "x", 0600);
    assert_int_equal(symlink("mine", in_dir("their-link")), 0);
    assert_int_equal(lchown(in_dir("their-link"), 12345, 0), 0);
    refused(in_dir("their-link"), -EPERM, "their-link belongs");
}

static void what_is_no_file(void **state)
{
    (void)state;
    put("plain", "x", 0600);
    refused(in_dir("missing"), -ENOENT, "missing");
    refused(in_dir("plain/below"), -ENOTDIR, "plain/below");
    refused(dir, -EINVAL, "regular");
    refused("/", -EINVAL, "regular");
    refused("", -ENOENT, "path");
    static char longest[5000];
    memset(longest, 'a', sizeof(longest) - 1);
    refused(longest, -ENAMETOOLONG, "aaa");
}

static void reads_whole_files(void **state)
{
    (void)state;
    char *data = NULL;
    size_t len = 99;
    put("pin", "123456", 0600);
    assert_int_equal(file_read_secret(in_dir("pin"), 100, &data, &len), 0);
    assert_int_equal(len, 6);
    assert_string_equal(data, "123456");
    secret_free(data);
    data = NULL;
    assert_int_equal(file_read_secret(in_dir("pin"), 6, &data, &len), 0);
    assert_string_equal(data, "123456");
    secret_free(data);
    data = NULL;
    assert_int_equal(file_read_secret(in_dir("pin"), 5, &data, &len), -EFBIG);
    assert_int_equal(file_read_secret(in_dir("nothing"), 5, &data, &len), -ENOENT);
    assert_int_equal(file_read_secret(dir, 5, &data, &len), -EISDIR);
    mem_fail_after(1, false);
    assert_int_equal(file_read_secret(in_dir("pin"), 6, &data, &len), -ENOMEM);
    assert_null(data);
    assert_int_equal(len, 6);
    put("empty", "", 0600);
    assert_int_equal(file_read_secret(in_dir("empty"), 0, &data, &len), 0);
    assert_int_equal(len, 0);
    assert_string_equal(data, "");
    secret_free(data);
    assert_int_equal(secret_in_use(), 0);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return chdir("/") != 0 || system(command) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_files_are_trusted),
        cmocka_unit_test(writable_is_refused),
        cmocka_unit_test(links_are_followed_with_care),
        cmocka_unit_test(others_files_are_refused),
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(reads_whole_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
