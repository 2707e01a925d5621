/*
 * What the fuzzer gives, taken bit by bit. When it has run out, all that is taken is zero. Blocks that are
 * handed to p11ha are allocated to their exact length, so that a read beyond them is found.
 */
#ifndef TEST_FUZZ_BYTES_H
#define TEST_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

#define BYTES_BLOCKS 256

struct bytes {
    const uint8_t *data;
    size_t len;
    void *block[BYTES_BLOCKS];
    size_t blocks;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline UNUSED uint8_t bytes_one(struct bytes *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

static inline UNUSED CK_ULONG bytes_ulong(struct bytes *in)
{
    CK_ULONG value = 0;
    for (size_t i = 0; i < sizeof(value); i++)
        value = value << 8 | bytes_one(in);
    return value;
}

/* Zeroed; released by bytes_release. NULL if there are too many. */
static inline UNUSED void *bytes_room(struct bytes *in, size_t len)
{
    if (in->blocks == BYTES_BLOCKS)
        return NULL;
    void *block = calloc(1, len ? len : 1);
    if (block)
        in->block[in->blocks++] = block;
    return block;
}

static inline UNUSED void *bytes_block(struct bytes *in, size_t len)
{
    uint8_t *block = bytes_room(in, len);
    for (size_t i = 0; block && i < len; i++)
        block[i] = bytes_one(in);
    return block;
}

static inline UNUSED void bytes_release(struct bytes *in)
{
    for (size_t i = 0; i < in->blocks; i++)
        free(in->block[i]);
    in->blocks = 0;
}

#endif
