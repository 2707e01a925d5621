#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "member/signon.h"

#define PIN(text) (const uint8_t *)(text), sizeof(text) - 1

static void logged_out(void **state)
{
    (void)state;
    struct signon signon;
    CK_USER_TYPE user;
    uint8_t *pin = NULL;
    size_t len;
    uint64_t generation;
    assert_int_equal(signon_init(&signon), CKR_OK);
    assert_int_equal(signon_generation(&signon), 0);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &generation), CKR_USER_NOT_LOGGED_IN);
    assert_null(pin);
    signon_clear(&signon);
    signon_end(&signon);
}

static void set_and_get(void **state)
{
    (void)state;
    struct signon signon;
    CK_USER_TYPE user = CKU_SO;
    uint8_t *pin = NULL;
    size_t len = 0, before = secret_in_use();
    uint64_t first = 0, second = 0, got = 0;
    assert_int_equal(signon_init(&signon), CKR_OK);
    assert_int_equal(signon_set(&signon, CKU_USER, PIN("1234"), &first), CKR_OK);
    assert_int_equal(signon_generation(&signon), first);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &got), CKR_OK);
    assert_int_equal(user, CKU_USER);
    assert_int_equal(len, 4);
    assert_memory_equal(pin, "1234", 4);
    assert_int_equal(got, first);
    /* A copy: the next login does not pull it away. */
    assert_ptr_not_equal(pin, signon.pin);
    assert_int_equal(signon_set(&signon, CKU_SO, PIN("longer secret"), &second), CKR_OK);
    assert_memory_equal(pin, "1234", 4);
    secret_free(pin);
    assert_true(second > first);
    signon_clear(&signon);
    assert_int_equal(signon_generation(&signon), 0);
    assert_null(signon.pin);
    /* Generations are never used again, or a member of the last login would take itself for signed on. */
    uint64_t third = 0;
    assert_int_equal(signon_set(&signon, CKU_USER, PIN("1234"), &third), CKR_OK);
    assert_true(third > second);
    signon_end(&signon);
    assert_int_equal(secret_in_use(), before);
}

static void protected_path_and_empty_pin(void **state)
{
    (void)state;
    struct signon signon;
    CK_USER_TYPE user;
    uint8_t *pin = (uint8_t *)1;
    size_t len = 9;
    uint64_t generation;
    assert_int_equal(signon_init(&signon), CKR_OK);
    assert_int_equal(signon_set(&signon, CKU_USER, NULL, 0, &generation), CKR_OK);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &generation), CKR_OK);
    assert_null(pin);
    assert_int_equal(len, 0);
    assert_int_equal(signon_set(&signon, CKU_USER, PIN(""), &generation), CKR_OK);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &generation), CKR_OK);
    assert_non_null(pin);
    assert_int_equal(len, 0);
    secret_free(pin);
    signon_end(&signon);
}

static void without_memory(void **state)
{
    (void)state;
    struct signon signon;
    CK_USER_TYPE user;
    uint8_t *pin = NULL;
    size_t len;
    uint64_t generation = 0, later = 77;
    assert_int_equal(signon_init(&signon), CKR_OK);
    assert_int_equal(signon_set(&signon, CKU_USER, PIN("1234"), &generation), CKR_OK);
    mem_fail_after(1, false);
    assert_int_equal(signon_set(&signon, CKU_USER, PIN("5678"), &later), CKR_HOST_MEMORY);
    mem_fail_after(1, false);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &later), CKR_HOST_MEMORY);
    mem_fail_after(0, false);
    assert_null(pin);
    assert_int_equal(signon_generation(&signon), generation);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &later), CKR_OK);
    assert_memory_equal(pin, "1234", 4);
    secret_free(pin);
    signon_end(&signon);
}

/* A PIN that was changed keeps the login; a name ends with it. */
static void changed_pins_and_names(void **state)
{
    (void)state;
    struct signon signon;
    CK_USER_TYPE user = 0;
    uint64_t generation, now;
    uint8_t *pin = NULL, *name = NULL;
    size_t len = 0;
    assert_int_equal(signon_init(&signon), CKR_OK);
    assert_int_equal(signon_change_pin(&signon, PIN("none")), CKR_OK);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &now), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(signon_set_name(&signon, PIN("alice")), CKR_OK);
    assert_int_equal(signon_set(&signon, CKU_USER, PIN("1234"), &generation), CKR_OK);
    mem_fail_after(1, false);
    assert_int_equal(signon_change_pin(&signon, PIN("5678")), CKR_HOST_MEMORY);
    mem_fail_after(0, false);
    assert_int_equal(signon_change_pin(&signon, PIN("56789")), CKR_OK);
    assert_int_equal(signon_get(&signon, &user, &pin, &len, &now), CKR_OK);
    assert_int_equal(now, generation);
    assert_int_equal(user, CKU_USER);
    assert_int_equal(len, 5);
    assert_memory_equal(pin, "56789", 5);
    secret_free(pin);
    assert_int_equal(signon_get_name(&signon, &name, &len), CKR_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(name, "alice", 5);
    secret_free(name);
    signon_clear(&signon);
    assert_int_equal(signon_get_name(&signon, &name, &len), CKR_OK);
    assert_null(name);
    signon_end(&signon);
}

static void marks(void **state)
{
    (void)state;
    struct signon one, two;
    uint8_t a[32], b[32], c[32], zero[32] = {0};
    assert_int_equal(signon_init(&one), CKR_OK);
    assert_int_equal(signon_init(&two), CKR_OK);
    signon_mark(&one, PIN("1234"), a);
    signon_mark(&one, PIN("1234"), b);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, zero, sizeof(a));
    signon_mark(&one, PIN("1235"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    signon_mark(&one, PIN("12345"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    signon_mark(&one, NULL, 0, b);
    assert_memory_not_equal(a, b, sizeof(a));
    /* Salted: the same PIN of another group, or of the next start, has another mark. */
    signon_mark(&two, PIN("1234"), c);
    assert_memory_not_equal(a, c, sizeof(a));
    signon_end(&one);
    signon_end(&two);
}

static struct signon shared;

static void writer(void *arg)
{
    (void)arg;
    uint64_t generation;
    for (int i = 0; i < 2000; i++) {
        CK_RV rv = i % 2 ? signon_set(&shared, CKU_USER, PIN("aaaaaaaa"), &generation)
                         : signon_set(&shared, CKU_SO, PIN("bb"), &generation);
        if (rv != CKR_OK)
            return;
        if (i % 7 == 0)
            signon_clear(&shared);
    }
}

/* User, PIN and length always belong together. */
static void read_while_written(void **state)
{
    (void)state;
    assert_int_equal(signon_init(&shared), CKR_OK);
    struct thread *thread = thread_start("writer", -1, writer, NULL);
    assert_non_null(thread);
    for (int i = 0; i < 2000; i++) {
        CK_USER_TYPE user;
        uint8_t *pin;
        size_t len;
        uint64_t generation;
        if (signon_get(&shared, &user, &pin, &len, &generation) != CKR_OK)
            continue;
        assert_int_equal(len, user == CKU_USER ? 8 : 2);
        assert_int_equal(pin[0], user == CKU_USER ? 'a' : 'b');
        assert_true(generation != 0);
        secret_free(pin);
    }
    thread_join(thread);
    signon_end(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logged_out),
        cmocka_unit_test(set_and_get),
        cmocka_unit_test(protected_path_and_empty_pin),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(changed_pins_and_names),
        cmocka_unit_test(marks),
        cmocka_unit_test(read_while_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
