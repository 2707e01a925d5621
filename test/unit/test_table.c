#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/thread.h"

#define ALIVE 0x600dc0deu

struct thing {
    struct table_item item;
    _Atomic uint32_t mark; /* ALIVE until freed */
};

static _Atomic int freed;

static void thing_free(struct table_item *item)
{
    struct thing *thing = container_of(item, struct thing, item);
    atomic_fetch_add(&freed, 1);
    atomic_store(&thing->mark, 0);
    mem_free(thing);
}

static struct thing *thing_new(void)
{
    struct thing *thing = mem_new(1, sizeof(*thing));
    thing->item.free = thing_free;
    thing->mark = ALIVE;
    return thing;
}

static struct table_item *added(struct table *table)
{
    struct thing *thing = thing_new();
    assert_int_equal(table_add(table, &thing->item), 0);
    return &thing->item;
}

static void add_ref_remove(void **state)
{
    (void)state;
    struct table *table = table_new();
    freed = 0;
    struct table_item *item = added(table);
    uint32_t handle = item->handle;
    assert_true(handle != 0);
    assert_int_equal(table_count(table), 1);
    assert_ptr_equal(table_ref(table, handle), item);
    assert_ptr_equal(table_reref(item), item);
    assert_true(table_remove(table, item));
    assert_false(table_remove(table, item));
    assert_null(table_ref(table, handle));
    assert_int_equal(table_count(table), 0);
    table_unref(item);
    assert_int_equal(freed, 0);
    table_unref(item);
    assert_int_equal(freed, 1);
    table_free(table);
}

static void makers_reference_is_kept(void **state)
{
    (void)state;
    struct table *table = table_new();
    freed = 0;
    struct thing *mine = thing_new();
    mine->item.refs = 1;
    assert_false(table_remove(table, &mine->item));
    assert_int_equal(table_add(table, &mine->item), 0);
    assert_true(table_remove(table, &mine->item));
    assert_int_equal(freed, 0);
    table_unref(&mine->item);
    assert_int_equal(freed, 1);
    /* One that never was in a table. */
    struct thing *loose = thing_new();
    loose->item.refs = 1;
    table_unref(table_reref(&loose->item));
    table_unref(&loose->item);
    assert_int_equal(freed, 2);
    table_free(table);
}

static void no_such_handle(void **state)
{
    (void)state;
    struct table *table = table_new();
    struct table_item *item = added(table);
    unsigned long handle = item->handle;
    assert_null(table_ref(table, 0));
    assert_null(table_ref(table, handle ^ 1));
    assert_null(table_ref(table, handle + TABLE_MAX));
    assert_null(table_ref(table, handle | 1ul << 32));
    assert_null(table_ref(table, ~0ul));
    for (unsigned long h = 0; h < 3 * TABLE_MAX; h += 977)
        if (h != handle)
            assert_null(table_ref(table, h));
    table_free(table);
}

static void free_drops_what_is_in(void **state)
{
    (void)state;
    struct table *table = table_new();
    freed = 0;
    for (int i = 0; i < 3000; i++)
        added(table);
    struct table_item *kept = table_ref(table, added(table)->handle);
    assert_non_null(kept);
    table_free(table);
    assert_int_equal(freed, 3000);
    table_unref(kept);
    assert_int_equal(freed, 3001);
    table_free(NULL);
}

static void old_handles_stay_dead(void **state)
{
    (void)state;
    struct table *table = table_new();
    static uint32_t old[20000];
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        struct table_item *item = added(table);
        old[i] = item->handle;
        assert_true(table_remove(table, item));
    }
    struct table_item *item = added(table);
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        assert_null(table_ref(table, old[i]));
    assert_ptr_equal(table_ref(table, item->handle), item);
    table_unref(item);
    table_free(table);
}

static void generations_wrap_without_0(void **state)
{
    (void)state;
    struct table *table = table_new();
    struct thing *thing = thing_new();
    thing->item.refs = 1;
    /* Every slot of the resting queue passes all its generations. */
    for (int i = 0; i < 2048 * 4100; i++) {
        if (table_add(table, &thing->item) != 0 || thing->item.handle >> 20 == 0 ||
            !table_remove(table, &thing->item))
            fail();
    }
    table_unref(&thing->item);
    table_free(table);
}

static void a_million(void **state)
{
    (void)state;
    struct table *table = table_new();
    static struct table_item items[TABLE_MAX + 1];
    for (size_t i = 0; i < TABLE_MAX; i++) {
        items[i].refs = 1;
        if (table_add(table, &items[i]) != 0)
            fail();
    }
    assert_int_equal(table_add(table, &items[TABLE_MAX]), -ENOMEM);
    assert_int_equal(table_count(table), TABLE_MAX);
    for (size_t i = 0; i < TABLE_MAX; i++) {
        if (table_ref(table, items[i].handle) != &items[i])
            fail();
        table_unref(&items[i]);
    }
    assert_true(table_remove(table, &items[12345]));
    assert_int_equal(table_add(table, &items[TABLE_MAX]), 0);
    items[TABLE_MAX].refs++;
    table_free(table);
    for (size_t i = 0; i <= TABLE_MAX; i++)
        if (items[i].refs != 1)
            fail();
}

static void no_memory(void **state)
{
    (void)state;
    mem_fail_after(1, false);
    assert_null(table_new());
    struct table *table = table_new();
    struct thing *thing = thing_new();
    mem_fail_after(1, false);
    assert_int_equal(table_add(table, &thing->item), -ENOMEM);
    assert_int_equal(table_add(table, &thing->item), 0);
    table_free(table);
}

static bool count_three(struct table_item *item, void *ctx)
{
    assert_non_null(item);
    return ++*(int *)ctx < 3;
}

static bool count_and_remove(struct table_item *item, void *ctx)
{
    struct table **table = ctx;
    assert_true(table_remove(*table, item));
    return true;
}

static void each_visits(void **state)
{
    (void)state;
    struct table *table = table_new();
    for (int i = 0; i < 1500; i++)
        added(table);
    int seen = 0;
    table_each(table, count_three, &seen);
    assert_int_equal(seen, 3);
    freed = 0;
    table_each(table, count_and_remove, &table);
    assert_int_equal(freed, 1500);
    assert_int_equal(table_count(table), 0);
    table_free(table);
}

/* Readers look handles up that writers take away; nobody may ever see a freed thing or another than asked
 * for. */
enum { SHARED = 32, TURNS = 30000 };
static struct table *race_table;
static _Atomic uint32_t race_handle[SHARED];
static _Atomic int bad, hits, writers_left;

static void reader(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < TURNS || atomic_load(&writers_left) > 0; i++) {
        seed = seed * 1103515245u + 12345u;
        uint32_t handle = atomic_load(&race_handle[(seed >> 16) % SHARED]);
        struct table_item *item = table_ref(race_table, handle);
        if (!item)
            continue;
        struct thing *thing = container_of(item, struct thing, item);
        if (item->handle != handle || atomic_load(&thing->mark) != ALIVE)
            atomic_fetch_add(&bad, 1);
        atomic_fetch_add(&hits, 1);
        if (i % 64 == 0) {
            table_reref(item);
            table_unref(item);
        }
        if (i % 128 == 0)
            table_remove(race_table, item);
        table_unref(item);
    }
}

static void writer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < TURNS / 2; i++) {
        seed = seed * 1103515245u + 12345u;
        _Atomic uint32_t *at = &race_handle[(seed >> 16) % SHARED];
        struct table_item *old = table_ref(race_table, atomic_load(at));
        if (old) {
            table_remove(race_table, old);
            table_unref(old);
        }
        struct thing *thing = thing_new();
        thing->item.refs = 1;
        if (table_add(race_table, &thing->item) != 0)
            atomic_fetch_add(&bad, 1);
        atomic_store(at, thing->item.handle);
        table_unref(&thing->item);
    }
    atomic_fetch_sub(&writers_left, 1);
}

static bool check_alive(struct table_item *item, void *ctx)
{
    (void)ctx;
    if (atomic_load(&container_of(item, struct thing, item)->mark) != ALIVE)
        atomic_fetch_add(&bad, 1);
    return true;
}

static void visitor(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        table_each(race_table, check_alive, NULL);
}

static void race(void **state)
{
    (void)state;
    race_table = table_new();
    freed = bad = hits = 0;
    writers_left = 2;
    for (int i = 0; i < SHARED; i++)
        race_handle[i] = added(race_table)->handle;
    static void (*const roles[])(void *) = {reader, reader, reader, writer, writer, visitor};
    struct thread *thread[ARRAY_LEN(roles)];
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        thread[i] = thread_start("race", -1, roles[i], (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        assert_non_null(thread[i]);
        thread_join(thread[i]);
    }
    table_free(race_table);
    assert_int_equal(bad, 0);
    /* Readers run as long as writers do, so far more must have been found than was there at the start. */
    assert_true(hits > 10 * SHARED);
    assert_int_equal(freed, SHARED + TURNS / 2 * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_ref_remove),
        cmocka_unit_test(makers_reference_is_kept),
        cmocka_unit_test(no_such_handle),
        cmocka_unit_test(free_drops_what_is_in),
        cmocka_unit_test(old_handles_stay_dead),
        cmocka_unit_test(generations_wrap_without_0),
        cmocka_unit_test(a_million),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(each_visits),
        cmocka_unit_test(race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
