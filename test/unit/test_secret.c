#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"

static bool is_zero(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void every_size_is_zeroed_and_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 128, 129, 4096, 65535, 65536, 65537, 1 << 20, 5000001};
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            unsigned char *p = secret_alloc(sizes[i]);
            assert_non_null(p);
            assert_true((uintptr_t)p % 64 == 0);
            size_t size = secret_size(p);
            assert_true(size >= sizes[i]);
            assert_true(size >= 64);
            assert_true(is_zero(p, size));
            memset(p, 0xa5, size);
            secret_free(p);
        }
    assert_int_equal(secret_in_use(), 0);
}

static void blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 3000 };
    static unsigned char *block[N];
    static const size_t sizes[] = {64, 256, 2048, 100, 70000};
    for (int i = 0; i < N; i++) {
        size_t size = sizes[i % 4 + (i % 500 == 0)];
        block[i] = secret_alloc(size);
        assert_non_null(block[i]);
        assert_true(is_zero(block[i], secret_size(block[i])));
        memset(block[i], i & 0xff, secret_size(block[i]));
    }
    assert_true(secret_in_use() > 0);
    for (int i = 0; i < N; i++) {
        size_t size = secret_size(block[i]);
        for (size_t at = 0; at < size; at += 61)
            assert_int_equal(block[i][at], i & 0xff);
        secret_free(block[i]);
    }
    assert_int_equal(secret_in_use(), 0);
}

static void release_wipes_what_was_used(void **state)
{
    (void)state;
    unsigned char *p = secret_alloc(1000);
    memset(p, 7, 20);
    secret_release(p, 20);
    unsigned char *again = secret_alloc(1000);
    assert_true(is_zero(again, secret_size(again)));
    secret_release(again, 0);
    secret_release(NULL, 5);
    secret_free(NULL);
    assert_int_equal(secret_in_use(), 0);
}

static void a_copy_is_a_block(void **state)
{
    (void)state;
    AUTO(secret_free) char *copy = secret_copy("123456789", 4);
    assert_non_null(copy);
    assert_memory_equal(copy, "1234", 4);
    assert_true(is_zero((unsigned char *)copy + 4, secret_size(copy) - 4));
    AUTO(secret_free) char *nothing = secret_copy(NULL, 0);
    assert_non_null(nothing);
    assert_null(secret_copy("1", SIZE_MAX));
    mem_fail_after(1, false);
    assert_null(secret_copy("1", 1));
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    assert_null(secret_alloc(SIZE_MAX));
    assert_null(secret_alloc((size_t)PTRDIFF_MAX));
    mem_fail_after(1, false);
    assert_null(secret_alloc(64));
    AUTO(secret_free) void *p = secret_alloc(64);
    assert_non_null(p);
}

static void equal_and_wipe(void **state)
{
    (void)state;
    char a[] = "0123456789", b[] = "0123456789";
    assert_true(secret_equal(a, b, 10));
    b[9] = 'x';
    assert_false(secret_equal(a, b, 10));
    assert_true(secret_equal(a, b, 9));
    assert_true(secret_equal(a, b, 0));
    secret_wipe(a, 5);
    assert_memory_equal(a,
                        "\0\0\0\0\0"
                        "56789",
                        10);
}

static void child_sees_nothing(void **state)
{
    (void)state;
    unsigned char *pin = secret_alloc(64), *large = secret_alloc(200000);
    memcpy(pin, "1234", 4);
    memcpy(large, "1234", 4);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool fine = is_zero(pin, 64) && is_zero(large, 200000);
        secret_after_fork();
        fine = fine && secret_in_use() == 0;
        /* What the parent's code left behind may still be released here. */
        secret_free(pin);
        secret_free(large);
        for (int i = 0; i < 200; i++) {
            unsigned char *p = secret_alloc(64);
            fine = fine && p && p != pin && is_zero(p, 64);
            if (p)
                memset(p, 1, 64);
        }
        _exit(fine ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_equal(pin, "1234", 4);
    secret_free(pin);
    secret_free(large);
    assert_int_equal(secret_in_use(), 0);
}

/* Two threads pass blocks to each other, so that one side only allocates and the other only releases. */
static _Atomic(unsigned char *) mailbox[64];
static _Atomic int wrong;

static void allocate_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = (size_t)64 << (i % 5);
        unsigned char *p = secret_alloc(size);
        if (!p || !is_zero(p, size)) {
            atomic_fetch_add(&wrong, 1);
            continue;
        }
        memset(p, 0xee, size);
        secret_free(atomic_exchange(&mailbox[i % 64], p));
    }
}

static void release_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 20000; i++)
        secret_free(atomic_exchange(&mailbox[i * 7 % 64], NULL));
}

static void many_threads(void **state)
{
    (void)state;
    struct thread *thread[4];
    for (int i = 0; i < 4; i++)
        thread[i] = thread_start("secret", i % 2, i < 2 ? allocate_all : release_all, NULL);
    for (int i = 0; i < 4; i++) {
        assert_non_null(thread[i]);
        thread_join(thread[i]);
    }
    for (int i = 0; i < 64; i++)
        secret_free(atomic_exchange(&mailbox[i], NULL));
    assert_int_equal(wrong, 0);
    assert_int_equal(secret_in_use(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_zeroed_and_aligned),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(release_wipes_what_was_used),
        cmocka_unit_test(a_copy_is_a_block),
        cmocka_unit_test(impossible_sizes_fail),
        cmocka_unit_test(equal_and_wipe),
        cmocka_unit_test(child_sees_nothing),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
