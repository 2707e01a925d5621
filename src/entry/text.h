/* Texts of the standard's structures: padded by blanks, without a NUL, never cut inside a character. */
#ifndef ENTRY_TEXT_H
#define ENTRY_TEXT_H

#include <string.h>

#include "pkcs11-headers/pkcs11.h"

static inline void text_pad(CK_UTF8CHAR *into, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len > size)
        for (len = size; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    memset(into, ' ', size);
    memcpy(into, text, len);
}

#endif
