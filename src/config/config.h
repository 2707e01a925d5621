/*
 * The configuration: one immutable structure, read once. See p11ha.conf(5).
 * Nothing here touches a member, a vault or a PIN.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/def.h"

#define CONFIG_MEMBERS_MAX 32 /* members of one group */

enum config_sync { SYNC_MANAGED, SYNC_EXTERNAL };
enum config_runner { RUNNER_THREAD, RUNNER_INLINE };
enum config_instance { INSTANCE_SHARED, INSTANCE_PRIVATE };
enum config_role { ROLE_ACTIVE, ROLE_STANDBY };
enum config_mechanisms { MECHANISMS_COMMON, MECHANISMS_ANY };
enum config_session_keys { SESSION_KEYS_RECOVERABLE, SESSION_KEYS_PINNED };
enum config_unreplicable { UNREPLICABLE_REFUSE, UNREPLICABLE_PIN };

struct config_env {
    char *name, *value;
};

struct config_member {
    char *name;      /* the section's: [member NAME] */
    char *module;    /* absolute path */
    char *token;     /* RFC 7512 URI, valid */
    char *init_args; /* pReserved for C_Initialize, or NULL */
    struct config_env *env;
    size_t env_count;
    enum config_runner runner;
    enum config_instance instance;
    enum config_role role;
    char *region, *zone; /* "" if not given; region defaults to the host's */
    unsigned tier;       /* 0 own region active, 1 own region standby, 2 other regions */
    unsigned weight;     /* 1 .. 1000 */
    unsigned max_sessions;
    char *pin_file; /* of pin-source = file:PATH, or NULL */
    unsigned line;  /* of its section, for messages */
};

struct config_group {
    char *name;
    unsigned long slot;
    char *label; /* at most 32 bytes */
    enum config_sync sync;
    char *vault; /* path of sqlite:PATH; NULL with sync = external */
    unsigned min_copies;
    uint64_t call_timeout, keygen_timeout; /* ns */
    size_t replay_limit;                   /* bytes */
    bool local_digest;
    enum config_session_keys session_keys;
    enum config_mechanisms mechanisms;
    enum config_unreplicable unreplicable;
    uint64_t soft_delete; /* ns */
    bool purge_protection;
    struct config_member *member; /* in the file's order */
    size_t member_count;          /* >= 1 */
    unsigned line;
};

struct config {
    char *path;    /* the file read */
    char *log;     /* "syslog", "stderr", "file:/path" */
    int log_level; /* enum log_level */
    char *run_dir;
    char *region, *zone;
    struct config_group *group;
    size_t group_count;
};

/*
 * Which file: `given` if not NULL (from C_Initialize's pReserved or --config), else P11HA_CONF unless
 * set-uid, else $XDG_CONFIG_HOME/p11ha/p11ha.conf (or ~/.config/...), else /etc/p11ha/p11ha.conf. NULL only
 * without memory. mem_free.
 */
MUST_USE char *config_find(const char *given);

/*
 * Reads and validates. On success *ret is owned by the caller (config_free), *ret_errors is NULL.
 * Otherwise -EINVAL / -ENOENT / -EACCES / -ENOMEM, and *ret_errors (mem_free) holds every error of the file,
 * one a line: "FILE:LINE: [section] key: found "x", expected ...", by line; NULL with -ENOMEM.
 * *ret_warnings (may be NULL) likewise, also on success; NULL if there is none.
 */
MUST_USE int config_read(const char *path, struct config **ret, char **ret_errors, char **ret_warnings);
void config_free(struct config *config);
AUTO_DEFINE(config_free, struct config)

const struct config_group *config_group_named(const struct config *config, const char *name);

#endif
