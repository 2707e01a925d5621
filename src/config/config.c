#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/draft.h"

#define FILE_BYTES_MAX ((size_t)256 << 10)
#define FILE_OF_ALL    "/etc/p11ha/p11ha.conf"

/* NULL also if it is empty, which says as little as if it were unset. */
static const char *env_get(const char *name)
{
    const char *value = secure_getenv(name);

    return value && *value ? value : NULL;
}

char *config_find(const char *given)
{
    const char *named = given ? given : env_get("P11HA_CONF");
    const char *folder = env_get("XDG_CONFIG_HOME");
    const char *home = env_get("HOME");

    if (named)
        return mem_strdup(named);
    if (!folder && !home)
        return mem_strdup(FILE_OF_ALL);
    char *own =
        folder ? mem_printf("%s/p11ha/p11ha.conf", folder) : mem_printf("%s/.config/p11ha/p11ha.conf", home);
    if (!own || access(own, F_OK) == 0)
        return own;
    mem_free(own);
    return mem_strdup(FILE_OF_ALL);
}

static char *run_dir_default(void)
{
    const char *folder = geteuid() == 0 ? NULL : env_get("XDG_RUNTIME_DIR");

    return mem_printf("%s/p11ha", folder && *folder == '/' ? folder : "/run");
}

/* As many kinds of answers as callers can do something about. */
static int error_sort(int rc)
{
    switch (rc) {
    case -ENOMEM:
        return -ENOMEM;
    case -ENOENT:
    case -ENOTDIR:
        return -ENOENT;
    case -EACCES:
    case -EPERM:
        return -EACCES;
    default:
        return -EINVAL;
    }
}

/* The text of the file, in *ret_text (secret_free), if nobody else can write it. */
static int text_read(struct report *report, char **ret_text, size_t *ret_len)
{
    AUTO(mem_free) char *why = NULL;
    int rc = file_trusted(report->path, &why);

    if (rc != 0) {
        report_add(report, SEVERITY_ERROR, (struct place){0},
                   "expected a file that nobody but root and this user can write: %s",
                   why ? why : strerror(-rc));
        return error_sort(rc);
    }
    rc = file_read_secret(report->path, FILE_BYTES_MAX, ret_text, ret_len);
    if (rc == -EFBIG)
        report_add(report, SEVERITY_ERROR, (struct place){0}, "found a larger file, expected at most %zu KiB",
                   FILE_BYTES_MAX >> 10);
    else if (rc != 0)
        report_add(report, SEVERITY_ERROR, (struct place){0}, "cannot be read: %s", strerror(-rc));
    return rc ? error_sort(rc) : 0;
}

static int text_judge(struct report *report, const char *text, size_t len, struct config *config)
{
    AUTO(draft_end) struct draft draft = {.report = report};

    draft_parse(&draft, text, len);
    if (report->no_memory)
        return -ENOMEM;
    draft_apply(&draft, config);
    draft_override(&draft, config, env_get("P11HA_LOG"), env_get("P11HA_DEBUG"));
    if (!config->run_dir)
        config->run_dir = run_dir_default();
    config->path = mem_strdup(report->path);
    if (report->no_memory || !config->run_dir || !config->path)
        return -ENOMEM;
    draft_check(&draft, config);
    return report->errors ? -EINVAL : 0;
}

static int config_read_into(struct report *report, struct config *config)
{
    AUTO(secret_free) char *text = NULL;
    size_t len = 0;
    int rc = text_read(report, &text, &len);

    if (rc == 0)
        rc = text_judge(report, text, len, config);
    return report->no_memory ? -ENOMEM : rc;
}

int config_read(const char *path, struct config **ret, char **ret_errors, char **ret_warnings)
{
    AUTO(report_end) struct report report = {.path = path};
    AUTO(config_free) struct config *config = mem_new(1, sizeof(*config));

    *ret_errors = NULL;
    if (ret_warnings)
        *ret_warnings = NULL;
    if (!config)
        return -ENOMEM;
    int rc = config_read_into(&report, config);
    if (rc == -ENOMEM)
        return rc;
    AUTO(mem_free) char *errors = report_text(&report, SEVERITY_ERROR);
    AUTO(mem_free) char *warnings = report_text(&report, SEVERITY_WARNING);
    if (report.no_memory)
        return -ENOMEM;
    *ret_errors = TAKE(errors);
    if (ret_warnings)
        *ret_warnings = TAKE(warnings);
    if (rc == 0)
        *ret = TAKE(config);
    return rc;
}

void config_member_clear(struct config_member *member)
{
    for (size_t i = 0; i < member->env_count; i++) {
        mem_free(member->env[i].name);
        mem_free(member->env[i].value);
    }
    mem_free(member->env);
    mem_free(member->name);
    mem_free(member->module);
    mem_free(member->token);
    mem_free(member->init_args);
    mem_free(member->region);
    mem_free(member->zone);
    mem_free(member->pin_file);
    *member = (struct config_member){0};
}

void config_group_clear(struct config_group *group)
{
    for (size_t i = 0; i < group->member_count; i++)
        config_member_clear(&group->member[i]);
    mem_free(group->member);
    mem_free(group->name);
    mem_free(group->label);
    mem_free(group->vault);
    *group = (struct config_group){0};
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->group_count; i++)
        config_group_clear(&config->group[i]);
    mem_free(config->group);
    mem_free(config->path);
    mem_free(config->log);
    mem_free(config->run_dir);
    mem_free(config->region);
    mem_free(config->zone);
    mem_free(config);
}

const struct config_group *config_group_named(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->group_count; i++) {
        if (strcmp(config->group[i].name, name) == 0)
            return &config->group[i];
    }
    return NULL;
}
