#include "test/unit/vault_rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static int child_wait(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void writers_in_several_processes_lose_nothing(void **state)
{
    enum { WRITERS = 3, EACH = 60 };
    pid_t pid[WRITERS];
    struct vault *vault;
    struct walk walk = {0};

    (void)state;
    for (uint32_t w = 0; w < WRITERS; w++) {
        pid[w] = fork();
        if (pid[w] == 0) {
            int bad = 0;
            vault = opened();
            for (uint32_t n = 0; n < EACH; n++)
                bad |= put(vault, w * 1000 + n, 1, NULL);
            /* All on one object too: exactly as many versions as writes went well. */
            for (uint64_t version = 1, done = 0; done < 20; version++) {
                int rc = put(vault, 77777, version, NULL);
                done += rc == 0;
                bad |= rc != -ESTALE && rc;
            }
            vault_close(vault);
            _exit(bad != 0);
        }
    }
    for (int w = 0; w < WRITERS; w++)
        assert_int_equal(child_wait(pid[w]), 0);
    vault = opened();
    assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
    assert_int_equal(walk.count, WRITERS * EACH + 1);
    assert_int_equal(walk.undecodable, 0);
    assert_int_equal(walk.last, WRITERS * (EACH + 20));
    vault_close(vault);
}

static struct {
    struct vault *vault;
    _Atomic uint32_t failures;
} shared;

static void thread_work(void *arg)
{
    uint32_t base = *(uint32_t *)arg;
    struct walk walk = {0};

    for (uint32_t n = 0; n < 40; n++) {
        if (put(shared.vault, base + n, 1, NULL) != 0 || vault_each(shared.vault, 0, walk_on, &walk) != 0)
            shared.failures++;
        walk = (struct walk){0};
        (void)vault_changed(shared.vault);
    }
}

static void threads_share_a_connection(void **state)
{
    uint32_t base[3] = {1000, 2000, 3000};
    struct thread *thread[3];

    (void)state;
    shared.vault = opened();
    for (int i = 0; i < 3; i++)
        thread[i] = thread_start("writer", -1, thread_work, &base[i]);
    for (int i = 0; i < 3; i++)
        thread_join(thread[i]);
    assert_int_equal(shared.failures, 0);
    assert_int_equal(head_of(shared.vault), 120);
    vault_close(shared.vault);
}

static int die_at_commit(void *ctx)
{
    (void)ctx;
    return kill(getpid(), SIGKILL);
}

static int die_after_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)ctx, (void)db, (void)name, (void)pages;
    return kill(getpid(), SIGKILL);
}

static void a_killed_writer_leaves_all_or_nothing(void **state)
{
    struct vault *vault;
    struct walk walk = {0};

    (void)state;
    for (int after = 0; after < 2; after++) {
        pid_t pid = fork();
        if (pid == 0) {
            vault = opened();
            if (put(vault, 1 + (uint32_t)after * 10, 1, NULL) != 0)
                _exit(1);
            if (after)
                sqlite3_wal_hook(vault->db, die_after_commit, NULL);
            else
                sqlite3_commit_hook(vault->db, die_at_commit, NULL);
            (void)put(vault, 2 + (uint32_t)after * 10, 1, NULL);
            _exit(1);
        }
        assert_int_equal(child_wait(pid), 128 + SIGKILL);
    }
    /* 1 and not 2; 11 and 12. The lock that the dead one held is gone too. */
    vault = opened();
    assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
    assert_int_equal(walk.count, 3);
    assert_int_equal(walk.last, 3);
    assert_int_equal(put(vault, 2, 1, NULL), 0);
    vault_close(vault);
}

static void a_write_that_was_reported_survives_any_kill(void **state)
{
    (void)state;
    for (useconds_t delay = 3000; delay < 60000; delay += 9000) {
        struct walk walk = {0};
        struct vault *vault;
        uint64_t reported = 0, seq;
        int pipe_fd[2];
        pid_t pid;
        assert_int_equal(pipe(pipe_fd), 0);
        pid = fork();
        if (pid == 0) {
            vault = opened();
            for (uint32_t n = 1;; n++)
                if (put(vault, delay * 1000 + n, 1, &seq) != 0 ||
                    write(pipe_fd[1], &seq, sizeof seq) != sizeof seq)
                    _exit(1);
        }
        close(pipe_fd[1]);
        assert_int_equal(read(pipe_fd[0], &reported, sizeof reported), sizeof reported);
        usleep(delay);
        kill(pid, SIGKILL);
        assert_int_equal(child_wait(pid), 128 + SIGKILL);
        while (read(pipe_fd[0], &seq, sizeof seq) == sizeof seq)
            reported = seq;
        close(pipe_fd[0]);
        vault = opened();
        assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
        assert_true(walk.last >= reported && walk.last <= reported + 1);
        assert_int_equal(walk.count, walk.last);
        assert_int_equal(walk.undecodable, 0);
        vault_close(vault);
    }
}

static void a_full_disk_is_told_and_harms_nothing(void **state)
{
    struct vault *vault;
    struct walk walk = {0};
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct rlimit limit = {100 * 1024, RLIM_INFINITY};
        int rc = 0;
        uint32_t n = 0;
        vault = opened();
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        while (rc == 0 && n < 1000)
            rc = put(vault, n++, 1, NULL);
        if (rc != -ENOSPC || !strstr(vault_error(), "no room left"))
            _exit(1);
        /* The failed one left no transaction behind: reading works, and writing when there is room again. */
        if (vault_each(vault, 0, walk_on, &walk) != 0 || walk.count != n - 1)
            _exit(2);
        limit.rlim_cur = RLIM_INFINITY;
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(put(vault, 5000, 1, NULL) == 0 && head_of(vault) == n ? 0 : 3);
    }
    assert_int_equal(child_wait(pid), 0);
    vault = opened();
    assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
    assert_true(walk.count > 5);
    assert_int_equal(walk.undecodable, 0);
    assert_int_equal(put(vault, 5001, 1, NULL), 0);
    vault_close(vault);
}

static void a_long_writer_elsewhere_is_busy_not_an_error(void **state)
{
    AUTO(vault_close) struct vault *vault = opened();
    sqlite3 *other = NULL;
    uint64_t head = 0;

    (void)state;
    engine.busy_timeout(vault->db, 50);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(put(vault, 1, 1, NULL), -EBUSY);
    assert_int_equal(vault_head(vault, &head), 0);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_int_equal(put(vault, 1, 1, NULL), 0);
}

#ifndef SANITIZED /* which allow no second copy of a library in a child */
/*
 * The parent had the vault open at the fork and dies; a third process opens, writes and closes. Had the child
 * used the parent's SQLite, it would hold no lock in the kernel: the third would take itself for the last,
 * delete the log, and the child write into nowhere.
 */
static void a_forked_child_has_locks_of_its_own(void **state)
{
    int ready[2], go[2], done[2];
    char byte = 0;
    pid_t parent;
    struct vault *vault;
    struct walk walk = {0};

    (void)state;
    assert_int_equal(pipe(ready) | pipe(go) | pipe(done), 0);
    parent = fork();
    if (parent == 0) {
        struct vault *inherited = opened();
        if (put(inherited, 1, 1, NULL) != 0 || fork() != 0)
            _exit(0);
        vault_abandon(inherited);
        vault = opened();
        byte = put(vault, 2, 1, NULL) == 0 ? 'y' : 'n';
        vault_close(inherited);
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(1);
        byte = put(vault, 4, 1, NULL) == 0 && put(vault, 5, 1, NULL) == 0 ? 'y' : 'n';
        if (write(done[1], &byte, 1) != 1)
            _exit(1);
        /* Dies without closing, as daemons do. */
        _exit(0);
    }
    assert_int_equal(child_wait(parent), 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    vault = opened();
    assert_int_equal(put(vault, 3, 1, NULL), 0);
    vault_close(vault);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(read(done[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    vault = opened();
    assert_int_equal(vault_each(vault, 0, walk_on, &walk), 0);
    assert_int_equal(walk.count, 5);
    vault_close(vault);
}
#endif

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(writers_in_several_processes_lose_nothing), T(threads_share_a_connection),
        T(a_killed_writer_leaves_all_or_nothing),     T(a_write_that_was_reported_survives_any_kill),
        T(a_full_disk_is_told_and_harms_nothing),     T(a_long_writer_elsewhere_is_busy_not_an_error),
#ifndef SANITIZED
        T(a_forked_child_has_locks_of_its_own),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
