/* A growing run of bytes, and a reader over one that never reads past its end. Integers are little-endian. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/def.h"

struct buf {
    uint8_t *data;
    size_t len, cap;
    bool failed; /* an allocation failed; everything after is ignored, check once at the end */
};

void buf_bytes(struct buf *buf, const void *data, size_t len);
void buf_u8(struct buf *buf, uint8_t v);
void buf_u32(struct buf *buf, uint32_t v);
void buf_u64(struct buf *buf, uint64_t v);
/* u32 length, then the bytes. */
void buf_blob(struct buf *buf, const void *data, size_t len);
void buf_free(struct buf *buf);
static inline UNUSED void buf_free_auto(struct buf *buf)
{
    buf_free(buf);
}

struct reader {
    const uint8_t *data;
    size_t left;
    bool failed; /* read past the end; everything after yields 0 */
};
const uint8_t *reader_bytes(struct reader *r, size_t len);
uint8_t reader_u8(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
const uint8_t *reader_blob(struct reader *r, size_t *ret_len);

/* Lower-case hex with a final NUL; out has 2 * len + 1 bytes. */
void hex_encode(char *out, const void *data, size_t len);
/* False unless s is exactly 2 * len hex digits. */
MUST_USE bool hex_decode(uint8_t *out, size_t len, const char *s);

#endif
