#include "record.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>

#include "call/names.h"

enum { SHORT = 16 };

static unsigned lines;

void record_begin(const char *chapter, const char *function, const char *name)
{
    printf("%s/%s/%s:", chapter, function, name);
    fflush(stdout);
    lines++;
}

void record_say(const char *format, ...)
{
    va_list args;
    putchar(' ');
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    /* What was done before a crash is then known. */
    fflush(stdout);
}

CK_RV record_rv(const char *call, CK_RV rv)
{
    struct name_buf buf;
    record_say("%s=%s", call, name_rv(rv, &buf));
    return rv;
}

void record_bytes(const char *name, const void *bytes, CK_ULONG len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const unsigned char *from = bytes;
    CK_ULONG shown = len;
    record_say("%s=", name);
    if (len == CK_UNAVAILABLE_INFORMATION) {
        printf("unavailable");
        return;
    }
    if (len > SHORT) {
        printf("%lu:", len);
        from = SHA256(bytes, len, digest);
        shown = 6;
    }
    for (CK_ULONG i = 0; i < shown; i++)
        printf("%02x", from[i]);
}

void record_end(void)
{
    putchar('\n');
    fflush(stdout);
}

unsigned record_count(void)
{
    return lines;
}
