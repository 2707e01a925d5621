#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static void round_trip(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf buf = {0};
    buf_u8(&buf, 0xfe);
    buf_u32(&buf, 0x01020304);
    buf_u64(&buf, UINT64_C(0x1122334455667788));
    buf_blob(&buf, "hello", 5);
    buf_blob(&buf, NULL, 0);
    buf_bytes(&buf, "xyz", 3);
    assert_false(buf.failed);
    static const uint8_t expected[] =
        "\xfe\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11\x05\0\0\0hello\0\0\0\0xyz";
    assert_int_equal(buf.len, sizeof(expected) - 1);
    assert_memory_equal(buf.data, expected, buf.len);

    struct reader r = {.data = buf.data, .left = buf.len};
    size_t len = 99;
    assert_int_equal(reader_u8(&r), 0xfe);
    assert_int_equal(reader_u32(&r), 0x01020304);
    assert_true(reader_u64(&r) == UINT64_C(0x1122334455667788));
    const uint8_t *blob = reader_blob(&r, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(blob, "hello", 5);
    assert_non_null(reader_blob(&r, &len));
    assert_int_equal(len, 0);
    assert_memory_equal(reader_bytes(&r, 3), "xyz", 3);
    assert_int_equal(r.left, 0);
    assert_non_null(reader_bytes(&r, 0));
    assert_false(r.failed);
}

static void never_past_the_end(void **state)
{
    (void)state;
    struct reader r = {.data = (const uint8_t *)"\x05\0\0\0abcd", .left = 8};
    size_t len = 99;
    assert_null(reader_blob(&r, &len));
    assert_int_equal(len, 0);
    assert_true(r.failed);
    /* Also what would fit gives nothing after a failure. */
    assert_int_equal(reader_u8(&r), 0);
    assert_null(reader_bytes(&r, 0));

    for (size_t left = 0; left < 8; left++) {
        struct reader cut = {.data = (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff", .left = left};
        assert_int_equal(reader_u64(&cut), 0);
        assert_true(cut.failed);
    }
    struct reader huge = {.data = (const uint8_t *)"\xff\xff\xff\xff", .left = 4};
    assert_null(reader_blob(&huge, &len));
    struct reader none = {0};
    assert_non_null(reader_bytes(&none, 0));
    assert_int_equal(reader_u32(&none), 0);
    assert_true(none.failed);
}

static void grows(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf buf = {0};
    for (uint32_t i = 0; i < 10000; i++)
        buf_u32(&buf, i);
    assert_int_equal(buf.len, 40000);
    struct reader r = {.data = buf.data, .left = buf.len};
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(reader_u32(&r), i);
}

static void failure_sticks(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf buf = {0};
    buf_u8(&buf, 1);
    mem_fail_after(1, false);
    for (int i = 0; i < 100; i++)
        buf_u8(&buf, 2);
    assert_true(buf.failed);
    assert_int_equal(buf.len, 64);
    buf_bytes(&buf, "x", 1);
    assert_int_equal(buf.len, 64);
    assert_int_equal(buf.data[0], 1);
    AUTO(buf_free) struct buf other = {0};
    buf_bytes(&other, "x", SIZE_MAX);
    assert_true(other.failed);
    AUTO(buf_free) struct buf third = {0};
    buf_blob(&third, "x", (size_t)UINT32_MAX + 1);
    assert_true(third.failed);
    buf_free(&buf);
    assert_false(buf.failed);
    assert_null(buf.data);
}

static void hex(void **state)
{
    (void)state;
    char text[2 * 5 + 1];
    uint8_t bytes[5] = {0};
    hex_encode(text, "\x00\x0f\xf0\xff\x5a", 5);
    assert_string_equal(text, "000ff0ff5a");
    assert_true(hex_decode(bytes, 5, text));
    assert_memory_equal(bytes, "\x00\x0f\xf0\xff\x5a", 5);
    assert_true(hex_decode(bytes, 2, "AbcD"));
    assert_memory_equal(bytes, "\xab\xcd", 2);
    assert_false(hex_decode(bytes, 2, "abc"));
    assert_false(hex_decode(bytes, 2, "abcde"));
    assert_false(hex_decode(bytes, 2, "abcdef"));
    assert_false(hex_decode(bytes, 2, "ab d"));
    assert_false(hex_decode(bytes, 2, "abcg"));
    assert_memory_equal(bytes, "\xab\xcd", 2);
    assert_true(hex_decode(bytes, 0, ""));
    hex_encode(text, NULL, 0);
    assert_string_equal(text, "");
}

static int faults_off(void **state)
{
    (void)state;
    mem_fail_after(0, false);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(never_past_the_end),
        cmocka_unit_test(grows),      cmocka_unit_test_teardown(failure_sticks, faults_off),
        cmocka_unit_test(hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
