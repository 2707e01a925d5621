#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/draft.h"
#include "config/suggest.h"

/* Text of its own, or the fact that there is no memory. */
static char *text_copy(struct draft *draft, const char *text)
{
    char *copy = mem_strdup(text);

    if (!copy)
        draft->report->no_memory = true;
    return copy;
}

static struct section *section_next(struct draft *draft, enum section_kind kind, struct section *after)
{
    for (size_t i = after ? (size_t)(after - draft->section) + 1 : 0; i < draft->section_count; i++) {
        if (draft->section[i].kind == kind && !draft->section[i].dropped)
            return &draft->section[i];
    }
    return NULL;
}

/* Given and good, or not given at all. */
static bool value_is_usable(const struct section *section, const char *key)
{
    const struct entry *entry = draft_entry(section, key);

    return !entry || !entry->bad;
}

static void file_check(struct draft *draft, const struct section *section, const char *key, const char *path,
                       bool may_be_absent)
{
    AUTO(mem_free) char *why = NULL;
    int rc = path ? file_trusted(path, &why) : 0;

    if (rc == 0 || (rc == -ENOENT && may_be_absent))
        return;
    if (!why)
        draft->report->no_memory = true;
    report_add(draft->report, SEVERITY_ERROR, draft_place(section, key),
               "found \"%s\", expected a file that nobody but root and this user can write: %s", path,
               why ? why : strerror(-rc));
}

/* Group sections */

static void group_clash(struct draft *draft, const struct section *section, const struct section *earlier,
                        const char *key, const char *found)
{
    report_add(draft->report, SEVERITY_ERROR, draft_place(section, key),
               "found \"%s\"%s, expected one that no other group has; [%s] in line %u has it", found,
               draft_entry(section, key) ? "" : " (the default)", earlier->title, earlier->line);
}

static void group_compare(struct draft *draft, const struct section *section, const struct section *earlier)
{
    const struct config_group *group = &section->group, *other = &earlier->group;
    char slot[24];

    if (value_is_usable(section, "slot") && value_is_usable(earlier, "slot") && group->slot == other->slot) {
        snprintf(slot, sizeof(slot), "%lu", group->slot);
        group_clash(draft, section, earlier, "slot", slot);
    }
    if (group->label && other->label && strcmp(group->label, other->label) == 0)
        group_clash(draft, section, earlier, "label", group->label);
    if (group->vault && other->vault && strcmp(group->vault, other->vault) == 0)
        group_clash(draft, section, earlier, "vault", group->vault);
}

static void group_check_vault(struct draft *draft, const struct section *section)
{
    static const char *const managed_only[] = {"min-copies", "unreplicable-keys", "soft-delete",
                                               "purge-protection"};
    const struct config_group *group = &section->group;
    struct place place = draft_place(section, "vault");

    if (!value_is_usable(section, "sync"))
        return;
    if (group->sync == SYNC_MANAGED) {
        if (!draft_entry(section, "vault"))
            report_add(draft->report, SEVERITY_ERROR, place,
                       "found nothing, expected sqlite:/PATH, because sync is managed");
        file_check(draft, section, "vault", group->vault, true);
        return;
    }
    if (draft_entry(section, "vault"))
        report_add(
            draft->report, SEVERITY_ERROR, place,
            "found a vault, expected none, because sync is external and the vendor keeps the keys alike");
    for (size_t i = 0; i < ARRAY_LEN(managed_only); i++) {
        if (draft_entry(section, managed_only[i]))
            report_add(draft->report, SEVERITY_WARNING, draft_place(section, managed_only[i]),
                       "has no effect, because sync is external");
    }
}

static void group_check(struct draft *draft, struct section *section)
{
    struct config_group *group = &section->group;

    group->line = section->line;
    group->name = text_copy(draft, section->name);
    if (!draft_entry(section, "label"))
        group->label = text_copy(draft, section->name);
    for (struct section *other = section_next(draft, SECTION_GROUP, NULL); other != section;
         other = section_next(draft, SECTION_GROUP, other))
        group_compare(draft, section, other);
    group_check_vault(draft, section);
    if (group->purge_protection && group->soft_delete == 0 && value_is_usable(section, "soft-delete"))
        report_add(draft->report, SEVERITY_WARNING, draft_place(section, "purge-protection"),
                   "protects nothing, because soft-delete is 0");
}

/* Member sections */

static struct section *group_of(struct draft *draft, const struct section *member)
{
    const struct entry *entry = draft_entry(member, "group");
    struct section *group = NULL;

    while (entry && (group = section_next(draft, SECTION_GROUP, group))) {
        if (strcmp(group->name, entry->value) == 0)
            return group;
    }
    return NULL;
}

static void group_reference_check(struct draft *draft, const struct section *section)
{
    const struct entry *entry = draft_entry(section, "group");

    if (group_of(draft, section))
        return;
    draft->lost_member = true;
    /* Absent and empty ones are reported already; and a group whose heading is refused is reported there. */
    if (!entry || entry->bad || draft->lost_group)
        return;
    struct suggest near = suggest_begin(entry->value);
    for (struct section *g = section_next(draft, SECTION_GROUP, NULL); g;
         g = section_next(draft, SECTION_GROUP, g))
        suggest_offer(&near, g->name);
    report_found(draft->report, draft_place(section, "group"), entry->value, NULL,
                 "the name of a [group NAME] of this file", near.best);
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool token_is_same(const struct config_member *a, const struct config_member *b)
{
    if (!a->module || !a->token || !text_equal(a->module, b->module) || !text_equal(a->token, b->token) ||
        !text_equal(a->init_args, b->init_args) || a->env_count != b->env_count)
        return false;
    for (size_t i = 0; i < a->env_count; i++) {
        if (strcmp(a->env[i].name, b->env[i].name) != 0 || strcmp(a->env[i].value, b->env[i].value) != 0)
            return false;
    }
    return true;
}

static void token_compare(struct draft *draft, const struct section *section)
{
    for (struct section *other = section_next(draft, SECTION_MEMBER, NULL); other != section;
         other = section_next(draft, SECTION_MEMBER, other)) {
        if (group_of(draft, other) != group_of(draft, section) ||
            !token_is_same(&section->member, &other->member))
            continue;
        report_add(
            draft->report, SEVERITY_ERROR, draft_place(section, "token"),
            "found \"%s\", expected another token than [%s] in line %u has, with this module, environment "
            "and arguments",
            section->member.token, other->title, other->line);
        return;
    }
}

static void pin_file_check(struct draft *draft, const struct section *section)
{
    const char *path = section->member.pin_file;
    struct stat st;

    if (path && stat(path, &st) == 0 && (st.st_mode & 077))
        report_add(draft->report, SEVERITY_WARNING, draft_place(section, "pin-source"),
                   "%s can be read or written by others than its owner; chmod 600 it", path);
}

static unsigned member_tier(const struct config *config, const struct config_member *member)
{
    bool own = !*config->region || !*member->region || strcmp(config->region, member->region) == 0;

    if (!own)
        return 2;
    return member->role == ROLE_ACTIVE ? 0 : 1;
}

static void member_check(struct draft *draft, struct config *config, struct section *section)
{
    struct config_member *member = &section->member;

    member->line = section->line;
    member->name = text_copy(draft, section->name);
    if (!draft_entry(section, "instance"))
        member->instance = member->env_count || member->init_args ? INSTANCE_PRIVATE : INSTANCE_SHARED;
    if (!*member->region) {
        mem_free(member->region);
        member->region = text_copy(draft, config->region);
    }
    if (member->region)
        member->tier = member_tier(config, member);
    group_reference_check(draft, section);
    token_compare(draft, section);
    file_check(draft, section, "module", member->module, false);
    pin_file_check(draft, section);
}

/* Groups with their members */

static bool zone_is_given(struct draft *draft, const struct config *config)
{
    for (struct section *s = section_next(draft, SECTION_MEMBER, NULL); s;
         s = section_next(draft, SECTION_MEMBER, s)) {
        if (*s->member.zone)
            return true;
    }
    return *config->zone;
}

static void zone_check(struct draft *draft, const struct section *section)
{
    const struct config_group *group = &section->group;
    const struct config_member *first = NULL;
    size_t active = 0;

    for (size_t i = 0; i < group->member_count; i++) {
        const struct config_member *member = &group->member[i];

        if (member->role != ROLE_ACTIVE)
            continue;
        first = first ? first : member;
        if (strcmp(first->zone, member->zone) != 0 || strcmp(first->region, member->region) != 0)
            return;
        active++;
    }
    if (active < 2)
        return;
    report_add(draft->report, SEVERITY_WARNING, draft_place(section, NULL), "%s%s%s",
               *first->zone ? "all active members sit in zone "
                            : "no active member has a zone, so all may sit in one",
               first->zone, "; what takes the zone out takes the group out");
}

static void copies_check(struct draft *draft, struct section *section)
{
    struct config_group *group = &section->group;
    struct place place = draft_place(section, "min-copies");
    size_t near = 0;

    for (size_t i = 0; i < group->member_count; i++)
        near += group->member[i].tier < 2;
    if (near == 0)
        report_add(draft->report, SEVERITY_WARNING, draft_place(section, NULL),
                   "no member sits in this host's region");
    if (!draft_entry(section, "min-copies")) {
        group->min_copies = near < 2 ? 1 : 2;
        return;
    }
    if (!value_is_usable(section, "min-copies") || group->sync == SYNC_EXTERNAL)
        return;
    if (group->min_copies > group->member_count)
        report_add(draft->report, SEVERITY_ERROR, place,
                   "found \"%u\", expected at most %zu, the number of members", group->min_copies,
                   group->member_count);
    else if (group->min_copies > near)
        report_add(
            draft->report, SEVERITY_WARNING, place,
            "%u copies need members of other regions, because this one has %zu; making a key waits for them",
            group->min_copies, near);
    else if (group->min_copies == 1 && group->member_count > 1)
        report_add(
            draft->report, SEVERITY_WARNING, place,
            "1 copy means that a key can be lost with the member that made it, until the others have it");
}

/* Moves the members of the section's group into it, in the file's order. */
static void members_take(struct draft *draft, struct section *section)
{
    struct config_group *group = &section->group;
    size_t count = 0;

    for (struct section *s = section_next(draft, SECTION_MEMBER, NULL); s;
         s = section_next(draft, SECTION_MEMBER, s))
        count += group_of(draft, s) == section;
    group->member = mem_new(count, sizeof(*group->member));
    if (!group->member) {
        draft->report->no_memory = true;
        return;
    }
    for (struct section *s = section_next(draft, SECTION_MEMBER, NULL); s;
         s = section_next(draft, SECTION_MEMBER, s)) {
        if (group_of(draft, s) != section)
            continue;
        group->member[group->member_count++] = s->member;
        s->member = (struct config_member){0};
    }
}

static void group_complete(struct draft *draft, struct section *section, bool zones)
{
    struct config_group *group = &section->group;
    struct place place = draft_place(section, NULL);

    members_take(draft, section);
    if (draft->report->no_memory)
        return;
    if (group->member_count > CONFIG_MEMBERS_MAX)
        report_add(draft->report, SEVERITY_ERROR, place, "found %zu members, expected at most %d",
                   group->member_count, CONFIG_MEMBERS_MAX);
    if (draft->lost_member)
        return;
    if (group->member_count == 0) {
        report_add(draft->report, SEVERITY_ERROR, place,
                   "found no member, expected at least one [member NAME] with group = %s", section->name);
        return;
    }
    if (group->member_count == 1)
        report_add(draft->report, SEVERITY_WARNING, place,
                   "has one member only, so nothing can take over from it");
    copies_check(draft, section);
    if (zones)
        zone_check(draft, section);
}

static void groups_move(struct draft *draft, struct config *config)
{
    size_t count = 0;

    for (struct section *s = section_next(draft, SECTION_GROUP, NULL); s;
         s = section_next(draft, SECTION_GROUP, s))
        count++;
    config->group = mem_new(count, sizeof(*config->group));
    if (!config->group) {
        draft->report->no_memory = true;
        return;
    }
    for (struct section *s = section_next(draft, SECTION_GROUP, NULL); s;
         s = section_next(draft, SECTION_GROUP, s)) {
        config->group[config->group_count++] = s->group;
        s->group = (struct config_group){0};
    }
}

void draft_check(struct draft *draft, struct config *config)
{
    if (!section_next(draft, SECTION_GROUP, NULL) && !draft->lost_group)
        report_add(draft->report, SEVERITY_ERROR, (struct place){0},
                   "found no group, expected a [group NAME]");
    for (struct section *s = section_next(draft, SECTION_GROUP, NULL); s;
         s = section_next(draft, SECTION_GROUP, s))
        group_check(draft, s);
    for (struct section *s = section_next(draft, SECTION_MEMBER, NULL); s;
         s = section_next(draft, SECTION_MEMBER, s))
        member_check(draft, config, s);
    if (draft->report->no_memory)
        return;
    bool zones = zone_is_given(draft, config);
    for (struct section *s = section_next(draft, SECTION_GROUP, NULL); s;
         s = section_next(draft, SECTION_GROUP, s))
        group_complete(draft, s, zones);
    groups_move(draft, config);
}
