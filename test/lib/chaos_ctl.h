/*
 * Steering chaos.so from a test: rules in (test/chaos/rule.h has the language), counters out. All return 0 or
 * -errno. Needs test/chaos/rule.c, rvs.c and calls.c beside it.
 */
#ifndef TEST_LIB_CHAOS_CTL_H
#define TEST_LIB_CHAOS_CTL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Replaces the control file at once (a new file renamed over it). "" or NULL: no rules. A bad rule is named
 * on stderr: -EINVAL, and the file stays as it was. In force for every call that begins after this returned.
 */
int chaos_set(const char *path, const char *rules);

/*
 * What was counted: path is the counter file (the control file's with .counts appended, unless CHAOS_COUNTS
 * says otherwise). token and function: exactly these, or "*" for all. Never counted: zeros. -ENOENT: no
 * module has started yet. A token without a label and calls that lead to no token are "-".
 */
int chaos_count(const char *path, const char *token, const char *function, uint64_t *ret_calls,
                uint64_t *ret_ok, uint64_t *ret_failed);
/* All counters to zero. Calls that are on their way count their end afterwards. */
int chaos_counts_reset(const char *path);

/* Every counter that is not zero, until the callback says false. */
struct chaos_counter {
    const char *token, *function;
    uint64_t calls, ok, failed;
};
int chaos_counts_each(const char *path, bool (*each)(const struct chaos_counter *counter, void *context),
                      void *context);

#endif
