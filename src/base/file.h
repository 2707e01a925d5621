/* Files that must be trusted before they are read. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/def.h"

/*
 * 0 if the file is a regular one owned by root or by this user and writable by nobody else, and so are the
 * folders above it (sticky ones are fine); otherwise -errno, with *ret_why (mem_free) a sentence: what is
 * wrong and what to do.
 */
MUST_USE int file_trusted(const char *path, char **ret_why);
/* The whole of a small file (at most max bytes) in secret memory with a NUL behind; -errno otherwise. */
MUST_USE int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_len);

#endif
