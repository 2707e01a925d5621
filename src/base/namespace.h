/*
 * A library loaded by dlmopen lives with a C library of its own, which knows nothing of threads that ours has
 * made. What follows from that, and is put right here:
 * - its character tables are not set for a new thread: namespace_thread_begin sets them, else its isspace()
 * crashes;
 * - its thread-specific keys are numbered from 0 like ours, but a thread has one set of slots for both: a
 * thread may enter only one namespace, and namespace_open has its keys begin behind those that our threads
 * use; namespace_thread_end empties them;
 * - it shares the array of environment variables: namespace_open gives it one of its own;
 * - at exit its OpenSSL would clean up on a thread that never was its own: namespace_open forbids that.
 * - at exit its libraries are taken down, whoever is still in them: namespaces_keep forbids that.
 * Not put right: what else a vendor's library may keep per process.
 */
#ifndef BASE_NAMESPACE_H
#define BASE_NAMESPACE_H

#include <locale.h>

#include "base/def.h"

struct namespace
{
    void *handle;
    char **environment; /* the array of its variables; lives as long as the process */
    locale_t (*uselocale)(locale_t);
    int (*setenv)(const char *, const char *, int);
    int (*setspecific)(unsigned key, const void *value);
    void (*openssl_thread_stop)(void);
};

/* Loads `path` into a new namespace; false: ret_why (a static text of the loader) says why. Its own code runs
 * on this thread. */
MUST_USE bool namespace_open(const char *path, struct namespace *ret, const char **ret_why);
/* Before a thread enters it for the first time. */
void namespace_thread_begin(const struct namespace *ns);
/* Before a thread that has entered it ends. */
void namespace_thread_end(const struct namespace *ns);
/* From now on no library of any namespace is taken down at exit. */
void namespaces_keep(void);

#endif
