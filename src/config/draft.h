/* The file as it is read: sections and entries with their lines, before they are one struct config. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "config/config.h"
#include "config/report.h"

enum section_kind { SECTION_P11HA, SECTION_GROUP, SECTION_MEMBER, SECTION_KINDS };

struct entry {
    char *key, *value;
    unsigned line;
    bool bad; /* its value was refused: what it would have set is not to be looked at */
};

struct section {
    enum section_kind kind;
    char *title; /* "group a" */
    char *name;  /* "a"; NULL for [p11ha] */
    unsigned line;
    bool dropped; /* given twice: its entries are validated, and then it does not count */
    struct entry *entry;
    size_t entry_count;
    union {
        struct config_group group;
        struct config_member member;
    };
};

struct draft {
    struct report *report;
    struct section *section;
    size_t section_count;
    bool lost_group, lost_member; /* a heading that was refused may have been one */
};

/* parse.c: the text to sections and entries. The title of section kinds is given by draft_kind_name. */
void draft_parse(struct draft *draft, const char *text, size_t len);
const char *draft_kind_name(enum section_kind kind);
/* The first entry of that key, or NULL. */
struct entry *draft_entry(const struct section *section, const char *key);
/* Where an entry stands, or its section if it is not given. */
struct place draft_place(const struct section *section, const char *key);
void draft_end(struct draft *draft);
static inline UNUSED void draft_end_auto(struct draft *draft)
{
    draft_end(draft);
}

/* keys.c: the entries of all sections to values, defaults for those not given; [p11ha] goes into config. */
void draft_apply(struct draft *draft, struct config *config);
/* keys.c: value and level of the environment's P11HA_LOG and P11HA_DEBUG over the file's; bad ones are warned
 * of. */
void draft_override(struct draft *draft, struct config *config, const char *log, const char *debug);

/* check.c: what no single key can tell; moves groups and members into config. */
void draft_check(struct draft *draft, struct config *config);

/* config.c: frees what a member or a group owns, not the structure itself. */
void config_member_clear(struct config_member *member);
void config_group_clear(struct config_group *group);

#endif
