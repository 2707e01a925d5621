/* Live statistics: what a writer's file says, and what a reader makes of whole, torn, foreign and stale ones.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "router/stats.h"

#define LOOKS 300

struct rig {
    char dir[64], run_dir[80], file[128];
    struct config_group config[2];
    struct config_member named[2];
    struct member *member[2];
    struct group *group[2];
};

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    (void)snprintf(rig.dir, sizeof(rig.dir), "/tmp/p11ha-stats-XXXXXX");
    assert_non_null(mkdtemp(rig.dir));
    (void)snprintf(rig.run_dir, sizeof(rig.run_dir), "%s/run", rig.dir);
    (void)snprintf(rig.file, sizeof(rig.file), "%s/%ld.stats", rig.run_dir, (long)getpid());
    rig.config[0].name = (char *)(uintptr_t) "signing";
    rig.config[1].name = (char *)(uintptr_t) "second";
    for (unsigned i = 0; i < 2; i++) {
        rig.named[i].name = (char *)(uintptr_t)(i ? "hsm-b" : "hsm-a");
        rig.member[i] = mem_new(1, sizeof(*rig.member[i]));
        rig.member[i]->config = &rig.named[i];
        lock_init(&rig.member[i]->lock, LOCK_MEMBER);
        rig.group[i] = mem_new(1, sizeof(*rig.group[i]));
        rig.group[i]->config = &rig.config[i];
    }
    rig.group[0]->count = 2;
    rig.group[0]->member[0] = rig.member[0];
    rig.group[0]->member[1] = rig.member[1];
    atomic_store(&rig.group[0]->lag[1], GROUP_LAG_UNKNOWN);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[160];
    for (unsigned i = 0; i < 2; i++) {
        lock_end(&rig.member[i]->lock);
        mem_free(rig.member[i]);
        mem_free(rig.group[i]);
    }
    (void)snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
    return system(command);
}

/* The last picture of this process, and how many files were visited. */
struct seen {
    unsigned visits;
    struct stats_file *file;
};

static bool see(const struct stats_file *file, void *ctx)
{
    struct seen *seen = ctx;
    seen->visits++;
    mem_free(seen->file);
    seen->file = mem_dup(file, file->size);
    assert_non_null(seen->file);
    return true;
}

static unsigned visits(void)
{
    struct seen seen = {0};
    int err = stats_read_all(rig.run_dir, see, &seen);
    assert_int_equal(err, 0);
    mem_free(seen.file);
    return seen.visits;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void test_says_what_is(void **state)
{
    (void)state;
    atomic_store(&rig.group[0]->calls, 1000);
    atomic_store(&rig.group[0]->errors, 3);
    atomic_store(&rig.group[0]->lag[0], 17);
    rig.group[0]->signon.user = CKU_USER;
    atomic_store(&rig.group[0]->signon.generation, 1);
    rig.member[0]->health = (struct health){
        .state = HEALTH_DOWN, .cause = CKR_DEVICE_ERROR, .since = clock_now() - 60 * NS_PER_S};
    atomic_store(&rig.member[0]->calls, 900);
    atomic_store(&rig.member[0]->failures, 7);
    atomic_store(&rig.member[0]->latency.outstanding, 2);
    atomic_store(&rig.member[0]->latency.work[WORK_EC].ewma, 4711);

    struct stats *stats = stats_start(rig.run_dir, rig.group, 2);
    assert_non_null(stats);
    struct stat st;
    assert_int_equal(stat(rig.run_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(stat(rig.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);

    struct seen seen = {0};
    assert_int_equal(stats_read_all(rig.run_dir, see, &seen), 0);
    assert_int_equal(seen.visits, 1);
    const struct stats_file *file = seen.file;
    assert_int_equal(file->pid, getpid());
    assert_int_equal(file->born, stats_born((uint64_t)getpid()));
    assert_true(file->born > 0);
    assert_string_equal(file->program, "test_stats");
    assert_int_equal(file->groups, 2);
    assert_string_equal(file->group[0].name, "signing");
    assert_string_equal(file->group[1].name, "second");
    assert_int_equal(file->group[1].members, 0);
    assert_int_equal(file->group[1].logged_in, 0);
    assert_int_equal(file->group[0].calls, 1000);
    assert_int_equal(file->group[0].errors, 3);
    assert_int_equal(file->group[0].logged_in, 1);
    const struct stats_member *member = &file->group[0].member[0];
    assert_string_equal(member->name, "hsm-a");
    assert_int_equal(member->state, HEALTH_DOWN);
    assert_int_equal(member->cause, CKR_DEVICE_ERROR);
    assert_in_range((uint64_t)clock_wall() - member->since, 59, 63);
    assert_int_equal(member->calls, 900);
    assert_int_equal(member->failures, 7);
    assert_int_equal(member->outstanding, 2);
    assert_int_equal(member->ewma[WORK_EC], 4711);
    assert_int_equal(member->lag, 17);
    assert_true(file->group[0].member[1].lag == GROUP_LAG_UNKNOWN);
    mem_free(seen.file);

    stats_stop(stats);
    assert_false(exists(rig.file));
    assert_int_equal(visits(), 0);
}

static void test_follows(void **state)
{
    (void)state;
    struct stats *stats = stats_start(rig.run_dir, rig.group, 1);
    assert_non_null(stats);
    atomic_store(&rig.group[0]->calls, 5);
    uint64_t until = clock_after(5 * NS_PER_S), calls = 0;
    while (calls != 5 && clock_now() < until) {
        struct seen seen = {0};
        assert_int_equal(stats_read_all(rig.run_dir, see, &seen), 0);
        calls = seen.file->group[0].calls;
        mem_free(seen.file);
        _Atomic uint32_t never = 0;
        thread_wait(&never, 0, clock_after(20 * NS_PER_MS));
    }
    assert_int_equal(calls, 5);
    stats_stop(stats);
}

/* Publishes without pause; two numbers far apart in the picture are always equal. */
static void hammer(void *arg)
{
    _Atomic uint32_t *stop = arg;
    struct stats *stats = stats_start(rig.run_dir, rig.group, 1);

    for (uint64_t i = 0; stats && atomic_load(stop) == 0; i++) {
        atomic_store(&rig.group[0]->calls, i);
        atomic_store(&rig.member[1]->calls, i);
        stats_publish(stats);
    }
    stats_stop(stats);
}

static void test_stops_with_nothing(void **state)
{
    (void)state;
    stats_stop(NULL);
    assert_int_equal(stats_read_all(rig.run_dir, see, NULL), -ENOENT);
    /* A folder that cannot be made, and one that is a file. */
    assert_null(stats_start("/proc/p11ha-no-such", rig.group, 1));
    write_file(rig.run_dir, "x", 1);
    assert_null(stats_start(rig.run_dir, rig.group, 1));
    assert_int_equal(stats_read_all(rig.run_dir, see, NULL), -ENOTDIR);
}

/* A file as its writer has it, to be bent. */
static struct stats_file *good_file(uint64_t pid)
{
    struct stats_file *file = mem_new(1, sizeof(*file) + sizeof(struct stats_group));
    assert_non_null(file);
    file->magic = STATS_MAGIC;
    file->version = STATS_VERSION;
    file->size = sizeof(*file) + sizeof(struct stats_group);
    file->generation = 2;
    file->pid = pid;
    file->born = stats_born(pid);
    file->groups = 1;
    file->group[0].members = 1;
    return file;
}

static void test_torn_and_foreign_files_are_not_shown(void **state)
{
    (void)state;
    assert_int_equal(mkdir(rig.run_dir, 0755), 0);
    struct stats_file *file = good_file((uint64_t)getpid());
    write_file(rig.file, file, file->size);
    assert_int_equal(visits(), 1);

    const struct {
        uint64_t *field, wrong;
    } bends[] = {
        {&file->generation, 3},
        {&file->generation, 0},
        {&file->magic, 1},
        {&file->version, STATS_VERSION + 1},
        {&file->size, 1 << 20},
        {&file->pid, (uint64_t)getppid()},
        {&file->groups, 2},
        {&file->groups, UINT64_MAX / sizeof(struct stats_group) + 2},
        {&file->group[0].members, CONFIG_MEMBERS_MAX + 1},
        {&file->group[0].member[0].state, HEALTH_STATES},
    };
    const size_t size = file->size;
    for (size_t i = 0; i < ARRAY_LEN(bends); i++) {
        uint64_t right = *bends[i].field;
        *bends[i].field = bends[i].wrong;
        write_file(rig.file, file, size);
        assert_int_equal(visits(), 0);
        assert_true(exists(rig.file));
        *bends[i].field = right;
    }
    memset(file->group[0].member[0].name, 'x', STATS_NAME_MAX);
    write_file(rig.file, file, size);
    assert_int_equal(visits(), 0);
    memset(file->group[0].member[0].name, 0, STATS_NAME_MAX);

    write_file(rig.file, file, size - 1);
    assert_int_equal(visits(), 0);
    write_file(rig.file, file, 8);
    assert_int_equal(visits(), 0);
    write_file(rig.file, file, size);
    assert_int_equal(visits(), 1);

    /* Not by a link, and not another name. */
    char other[160];
    (void)snprintf(other, sizeof(other), "%s/elsewhere", rig.dir);
    assert_int_equal(rename(rig.file, other), 0);
    assert_int_equal(symlink(other, rig.file), 0);
    assert_int_equal(visits(), 0);
    (void)snprintf(other, sizeof(other), "%s/0%ld.stats", rig.run_dir, (long)getpid());
    write_file(other, file, size);
    assert_int_equal(visits(), 0);
    mem_free(file);
}

static pid_t dead_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void test_stale_files_are_removed(void **state)
{
    (void)state;
    assert_int_equal(mkdir(rig.run_dir, 0755), 0);
    pid_t gone = dead_child();
    struct stats_file *file = good_file((uint64_t)gone);
    char stale[160];
    (void)snprintf(stale, sizeof(stale), "%s/%ld.stats", rig.run_dir, (long)gone);
    write_file(stale, file, file->size);
    assert_int_equal(visits(), 0);
    assert_false(exists(stale));

    /* The number lives, but as another process. */
    file->pid = (uint64_t)getpid();
    file->born = stats_born(file->pid) + 1;
    write_file(rig.file, file, file->size);
    assert_int_equal(visits(), 0);
    assert_false(exists(rig.file));

    /* One that is left over from a former process of our own number gives way. */
    write_file(rig.file, file, file->size);
    struct stats *stats = stats_start(rig.run_dir, rig.group, 1);
    assert_non_null(stats);
    assert_int_equal(visits(), 1);
    stats_stop(stats);
    mem_free(file);
}

#ifndef __SANITIZE_THREAD__ /* which lets no child of several threads make one */
static void test_a_child_makes_its_own(void **state)
{
    (void)state;
    struct stats *stats = stats_start(rig.run_dir, rig.group, 1);
    assert_non_null(stats);
    pid_t pid = fork();
    if (pid == 0) {
        struct stats *own = stats_start(rig.run_dir, rig.group, 1);
        struct seen seen = {0};
        bool both = own && stats_read_all(rig.run_dir, see, &seen) == 0 && seen.visits == 2;
        stats_stop(own);
        _exit(both ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(visits(), 1);
    stats_stop(stats);
}
#endif

/* Another process reads while this one writes without pause. */
static void test_no_reader_sees_half_a_picture(void **state)
{
    (void)state;
    _Atomic uint32_t stop = 0;
    struct thread *writer = thread_start("writer", -1, hammer, &stop);
    assert_non_null(writer);
    unsigned whole = 0, unequal = 0;
    uint64_t last = 0, odd_one = 0, began = clock_now(), until = clock_after(20 * NS_PER_S);
    while (whole < LOOKS && clock_now() < until) {
        struct seen seen = {0};
        if (stats_read_all(rig.run_dir, see, &seen) == 0 && seen.file) {
            const struct stats_file *file = seen.file;
            assert_int_equal(file->generation % 2, 0);
            assert_true(file->group[0].calls >= last);
            assert_string_equal(file->group[0].member[1].name, "hsm-b");
            bool equal = file->group[0].calls == file->group[0].member[1].calls;
            unequal += !equal && file->generation != odd_one;
            odd_one = equal ? odd_one : file->generation;
            last = file->group[0].calls;
            whole++;
        }
        mem_free(seen.file);
    }
    atomic_store(&stop, 1);
    thread_join(writer);
    assert_int_equal(whole, LOOKS);
    assert_true(last > 0);
    /* The writer's other thread, four times a second, may have drawn between the two numbers. */
    assert_true(unequal <= 2 + (clock_now() - began) / (250 * NS_PER_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_says_what_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_with_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_and_foreign_files_are_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_files_are_removed, set_up, tear_down),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test_setup_teardown(test_a_child_makes_its_own, set_up, tear_down),
#endif
        cmocka_unit_test_setup_teardown(test_no_reader_sees_half_a_picture, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
