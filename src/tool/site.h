/*
 * The configuration and its groups, as the verbs that reach members use them: read, opened, signed on, ended.
 * Everything that fails is said by it, with what to do.
 */
#ifndef TOOL_SITE_H
#define TOOL_SITE_H

#include "config/config.h"
#include "replica/managed.h"
#include "replica/store.h"
#include "tool/verb.h"

struct site_group {
    const struct config_group *config;
    struct store *store;     /* NULL if it could not be opened, or `bare` */
    struct group *group;     /* the store's, or one without any keys when `bare`; NULL if there is none */
    struct managed *managed; /* the store's; NULL of an external group */
    bool bare;               /* managed, but its vault does not exist yet */
    char *why;               /* why it could not be opened; mem_free */
    CK_RV login;             /* what the PIN was answered; CKR_USER_NOT_LOGGED_IN if none was tried */
};

struct site {
    struct config *config;
    struct instances instances;
    struct site_group *group;
    size_t count;
};

/*
 * Reads the configuration and picks the group of that name, or all with NULL. Log lines go where it says, but
 * to a terminal only errors. EXIT_GOOD, or the verb's exit code. `warnings` (may be NULL): the file's,
 * mem_free.
 */
MUST_USE enum exit_code site_read(struct site *site, const struct globals *globals, const char *group,
                                  char **warnings);
/* Makes the groups and starts connecting. What is wrong with one of them stands in its `why` and is not said.
 */
void site_open(struct site *site);
/* Waits until each member has been reached or was found unreachable. */
void site_wait(struct site *site);
/* Waits until no member is on its way up any more, at most that long. */
void site_settle(struct site_group *group, uint64_t span);
void site_close(struct site *site);
static inline UNUSED void site_close_auto(struct site *site)
{
    site_close(site);
}

enum site_pin {
    SITE_PIN_GIVEN, /* only from --pin-source or the members' own files */
    SITE_PIN_ASK    /* else from the terminal */
};
/*
 * Signs the group on; group->login is the answer. False: there is no PIN (said, if it was asked for in vain).
 * A PIN is tried on one member once.
 */
MUST_USE bool site_login(struct site_group *group, const char *source, enum site_pin mode);
/* The PIN itself, for the ceremony (secret_free). */
MUST_USE bool site_pin_of(const struct config_group *config, const char *source, enum site_pin mode,
                          char **ret, size_t *ret_len);

/* A small pause; false when it was broken off by a signal of site_catch. */
bool site_pause(uint64_t span);
/* From now on SIGINT and SIGTERM end pauses instead of the process. */
void site_catch(void);

#endif
