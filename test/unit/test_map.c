#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"

enum { N = 5000 };
static struct map_node node[N];

static int faults_off(void **state)
{
    (void)state;
    mem_fail_after(0, false);
    return 0;
}

static void finds_what_was_added(void **state)
{
    (void)state;
    struct map map = {0};
    assert_null(map_first(&map, 1));
    map_remove(&map, &node[0]);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(map_add(&map, &node[i], map_hash(&i, sizeof(i), 7)), 0);
    assert_int_equal(map.count, N);
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(map_first(&map, map_hash(&i, sizeof(i), 7)), &node[i]);
    for (uint32_t i = 0; i < N; i += 2)
        map_remove(&map, &node[i]);
    assert_int_equal(map.count, N / 2);
    map_remove(&map, &node[0]);
    assert_int_equal(map.count, N / 2);
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(map_first(&map, map_hash(&i, sizeof(i), 7)), i % 2 ? &node[i] : NULL);
    map_free(&map);
    assert_int_equal(map.count, 0);
    assert_null(map_first(&map, 1));
}

static void same_hash_is_a_chain(void **state)
{
    (void)state;
    struct map map = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(map_add(&map, &node[i], i % 2 ? 16 : 32), 0);
    int found = 0;
    for (struct map_node *at = map_first(&map, 16); at; at = map_next(at)) {
        assert_int_equal(at->hash, 16);
        found++;
    }
    assert_int_equal(found, 50);
    map_remove(&map, &node[51]);
    for (struct map_node *at = map_first(&map, 16); at; at = map_next(at))
        assert_ptr_not_equal(at, &node[51]);
    map_free(&map);
}

static void grows_later_without_memory(void **state)
{
    (void)state;
    struct map map = {0};
    mem_fail_after(1, true);
    assert_int_equal(map_add(&map, &node[0], 1), -ENOMEM);
    assert_int_equal(map.count, 0);
    mem_fail_after(2, true);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(map_add(&map, &node[i], i), 0);
    assert_int_equal(map.buckets, 16);
    for (uint64_t i = 0; i < 1000; i++)
        assert_ptr_equal(map_first(&map, i), &node[i]);
    mem_fail_after(0, false);
    assert_int_equal(map_add(&map, &node[1000], 1000), 0);
    assert_true(map.buckets > 16);
    for (uint64_t i = 0; i <= 1000; i++)
        assert_ptr_equal(map_first(&map, i), &node[i]);
    map_free(&map);
}

static void hash_spreads(void **state)
{
    (void)state;
    unsigned bucket[256] = {0};
    char text[32];
    for (int i = 0; i < 25600; i++) {
        int len = snprintf(text, sizeof(text), "member-%d", i);
        bucket[map_hash(text, (size_t)len, 0) & 255]++;
    }
    for (int i = 0; i < 256; i++)
        assert_in_range(bucket[i], 50, 160);
    assert_true(map_hash("abc", 3, 0) == map_hash("abc", 3, 0));
    assert_true(map_hash("abc", 3, 0) != map_hash("abc", 3, 1));
    assert_true(map_hash("abc", 3, 0) != map_hash("abc\0", 4, 0));
    assert_true(map_hash("", 0, 0) != map_hash("\0\0\0\0\0\0\0\0", 8, 0));
    assert_true(map_hash("12345678a", 9, 0) != map_hash("12345678b", 9, 0));
    assert_true(map_hash("abcdefghABCDEFGH", 16, 0) != map_hash("ABCDEFGHabcdefgh", 16, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(same_hash_is_a_chain),
        cmocka_unit_test_teardown(grows_later_without_memory, faults_off),
        cmocka_unit_test(hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
