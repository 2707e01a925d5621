#include "base/buf.h"

#include <string.h>

#include "base/mem.h"

#define CAP_FIRST 64

static bool reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (more <= buf->cap - buf->len)
        return true;
    size_t need;
    if (__builtin_add_overflow(buf->len, more, &need) || need > PTRDIFF_MAX / 2) {
        buf->failed = true;
        return false;
    }
    size_t cap = buf->cap == 0 ? CAP_FIRST : buf->cap;
    while (cap < need)
        cap *= 2;
    uint8_t *data = mem_resize(buf->data, cap, 1);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void buf_bytes(struct buf *buf, const void *data, size_t len)
{
    if (len == 0 || !reserve(buf, len))
        return;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
}

static void put_le(struct buf *buf, uint64_t v, size_t len)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    buf_bytes(buf, bytes, len);
}

void buf_u8(struct buf *buf, uint8_t v)
{
    put_le(buf, v, 1);
}

void buf_u32(struct buf *buf, uint32_t v)
{
    put_le(buf, v, 4);
}

void buf_u64(struct buf *buf, uint64_t v)
{
    put_le(buf, v, 8);
}

void buf_blob(struct buf *buf, const void *data, size_t len)
{
    if (len > UINT32_MAX) {
        buf->failed = true;
        return;
    }
    buf_u32(buf, (uint32_t)len);
    buf_bytes(buf, data, len);
}

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

const uint8_t *reader_bytes(struct reader *r, size_t len)
{
    if (r->failed || len > r->left) {
        r->failed = true;
        return NULL;
    }
    if (len == 0)
        return r->data ? r->data : (const uint8_t *)"";
    const uint8_t *at = r->data;
    r->data += len;
    r->left -= len;
    return at;
}

static uint64_t get_le(struct reader *r, size_t len)
{
    const uint8_t *at = reader_bytes(r, len);
    uint64_t v = 0;
    for (size_t i = 0; at && i < len; i++)
        v |= (uint64_t)at[i] << (8 * i);
    return v;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)get_le(r, 1);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)get_le(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
    return get_le(r, 8);
}

const uint8_t *reader_blob(struct reader *r, size_t *ret_len)
{
    size_t len = reader_u32(r);
    const uint8_t *at = reader_bytes(r, len);
    /* 0 also on failure: callers look at `failed` once, at the end. */
    *ret_len = at ? len : 0;
    return at;
}

void hex_encode(char *out, const void *data, size_t len)
{
    const uint8_t *in = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[in[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
    }
    out[2 * len] = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(uint8_t *out, size_t len, const char *s)
{
    if (strnlen(s, 2 * len + 1) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++)
        if (hex_digit(s[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
    return true;
}
