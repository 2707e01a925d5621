/* A configuration file in a folder of its own, for the tests of src/config. */
#ifndef TEST_CONFIG_RIG_H
#define TEST_CONFIG_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"

/* In texts of this file, @ is the folder of the test; in messages, F is the configuration file. */
#define GROUP     "[group a]\nvault=sqlite:@/v.db\n"
#define MEMBER(n) "[member " n "]\ngroup=a\nmodule=@/m.so\ntoken=pkcs11:token=" n "\n"
#define TWO       MEMBER("m1") MEMBER("m2")
#define X50       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static char folder[] = "/tmp/p11ha-test-config-XXXXXX";
static char file[128];

static UNUSED char *replaced(const char *text, const char *from, const char *to)
{
    size_t hits = 0, from_len = strlen(from), to_len = strlen(to);

    for (const char *at = text; (at = strstr(at, from)); at += from_len)
        hits++;
    char *out = malloc(strlen(text) + hits * to_len + 1), *end = out;
    assert_non_null(out);
    while (*text) {
        bool hit = strncmp(text, from, from_len) == 0;

        if (hit)
            end = stpcpy(end, to);
        else
            *end++ = *text;
        text += hit ? from_len : 1;
    }
    *end = '\0';
    return out;
}

static UNUSED void bytes_write(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static UNUSED void name_write(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    bytes_write(path, "x", 1);
}

static UNUSED void conf_write(const char *text)
{
    char *real = replaced(text, "@", folder);

    bytes_write(file, real, strlen(real));
    free(real);
}

/* The text with the test's own paths made short. NULL stays NULL. Frees it. */
static UNUSED char *shown(char *text)
{
    if (!text)
        return NULL;
    char *once = replaced(text, file, "F");
    char *twice = replaced(once, folder, "@");
    mem_free(text);
    free(once);
    return twice;
}

static UNUSED void same_check(const char *what, char *found, const char *expected)
{
    char *text = shown(found);

    if ((text || expected) && (!text || !expected || strcmp(text, expected) != 0))
        fail_msg("%s:\n%s\ninstead of:\n%s", what, text ? text : "(none)", expected ? expected : "(none)");
    free(text);
}

static UNUSED struct config *conf_read(const char *text, const char *warnings_expected)
{
    struct config *config = NULL;
    char *errors = NULL, *warnings = NULL;

    conf_write(text);
    int rc = config_read(file, &config, &errors, &warnings);
    same_check("errors", errors, NULL);
    same_check("warnings", warnings, warnings_expected);
    assert_int_equal(rc, 0);
    assert_non_null(config);
    return config;
}

static UNUSED void conf_refused(const char *text, const char *errors_expected)
{
    struct config *config = NULL;
    char *errors = NULL;

    conf_write(text);
    int rc = config_read(file, &config, &errors, NULL);
    same_check("errors", errors, errors_expected);
    assert_int_equal(rc, -EINVAL);
    assert_null(config);
}

static UNUSED int folder_make(void **state)
{
    (void)state;
    unsetenv("P11HA_LOG");
    unsetenv("P11HA_DEBUG");
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
        return -1;
    snprintf(file, sizeof(file), "%s/c.conf", folder);
    name_write("m.so");
    return 0;
}

static UNUSED int folder_remove(void **state)
{
    static const char *const names[] = {"c.conf",        "m.so",    "xdg/p11ha/p11ha.conf",
                                        "xdg/p11ha",     "xdg",     ".config/p11ha/p11ha.conf",
                                        ".config/p11ha", ".config", ""};
    char path[192];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (remove(path) != 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}

#endif
