#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/draft.h"
#include "config/suggest.h"
#include "config/value.h"

#define US  UINT64_C(1000)
#define MS  (1000 * US)
#define S   (1000 * MS)
#define DAY (86400 * S)

static const struct choice log_levels[] = {
    {"error", LOG_ERROR, false}, {"warn", LOG_WARN, false},   {"info", LOG_INFO, false},
    {"debug", LOG_DEBUG, false}, {"trace", LOG_TRACE, false}, {NULL, 0, false},
};
static const struct choice syncs[] = {
    {"managed", SYNC_MANAGED, false}, {"external", SYNC_EXTERNAL, false}, {NULL, 0, false}};
static const struct choice yes_nos[] = {{"yes", 1, false}, {"no", 0, false}, {NULL, 0, false}};
static const struct choice session_keys[] = {{"recoverable", SESSION_KEYS_RECOVERABLE, false},
                                             {"pinned", SESSION_KEYS_PINNED, false},
                                             {NULL, 0, false}};
static const struct choice mechanisms[] = {
    {"common", MECHANISMS_COMMON, false}, {"any", MECHANISMS_ANY, false}, {NULL, 0, false}};
static const struct choice unreplicables[] = {{"refuse", UNREPLICABLE_REFUSE, false},
                                              {"pin", UNREPLICABLE_PIN, false},
                                              {"import", 0, true},
                                              {NULL, 0, false}};
static const struct choice runners[] = {{"thread", RUNNER_THREAD, false},
                                        {"inline", RUNNER_INLINE, false},
                                        {"process", 0, true},
                                        {NULL, 0, false}};
static const struct choice instances[] = {
    {"shared", INSTANCE_SHARED, false}, {"private", INSTANCE_PRIVATE, false}, {NULL, 0, false}};
static const struct choice roles[] = {
    {"active", ROLE_ACTIVE, false}, {"standby", ROLE_STANDBY, false}, {NULL, 0, false}};

static const struct key p11ha_keys[] = {
    {"log", value_parse_log, offsetof(struct config, log), "syslog", "syslog, stderr or file:/PATH", 0, 0,
     NULL, 0},
    {"log-level", value_parse_choice, offsetof(struct config, log_level), "info",
     "error, warn, info, debug or trace", 0, 0, log_levels, 0},
    {"run-dir", value_parse_path, offsetof(struct config, run_dir), NULL, "an absolute path", 0, 0, NULL, 0},
    {"region", value_parse_text, offsetof(struct config, region), "", "a region's name", 0, 0, NULL, 0},
    {"zone", value_parse_text, offsetof(struct config, zone), "", "a zone's name", 0, 0, NULL, 0},
    {0},
};

static const struct key group_keys[] = {
    {"slot", value_parse_slot, offsetof(struct config_group, slot), "1",
     "a slot id that no other group has, 0 to 2147483647", 0, INT32_MAX, NULL, 0},
    {"label", value_parse_label, offsetof(struct config_group, label), NULL,
     "a label of 1 to 32 bytes that no other group has", 0, 32, NULL, 0},
    {"sync", value_parse_choice, offsetof(struct config_group, sync), "managed", "managed or external", 0, 0,
     syncs, 0},
    {"vault", value_parse_vault, offsetof(struct config_group, vault), NULL, "sqlite:/PATH", 0, 0, NULL,
     KEY_PARTLY},
    {"min-copies", value_parse_unsigned, offsetof(struct config_group, min_copies), NULL,
     "a number from 1 to that of the group's members", 1, CONFIG_MEMBERS_MAX, NULL, 0},
    {"call-timeout", value_parse_duration, offsetof(struct config_group, call_timeout), "10s",
     "a duration from 1ms to 1h, such as 10s", MS, 3600 * S, NULL, 0},
    {"keygen-timeout", value_parse_duration, offsetof(struct config_group, keygen_timeout), "120s",
     "a duration from 1ms to 1d, such as 120s", MS, DAY, NULL, 0},
    {"hedge-after", value_parse_hedge, KEY_NOWHERE, NULL, "off", 0, 0, NULL, 0},
    {"replay-limit", value_parse_size, offsetof(struct config_group, replay_limit), "1MiB",
     "a size from 0 to 1GiB, such as 64KiB or 1MiB", 0, UINT64_C(1) << 30, NULL, 0},
    {"local-digest", value_parse_yes_no, offsetof(struct config_group, local_digest), "yes", "yes or no", 0,
     0, yes_nos, 0},
    {"session-keys", value_parse_choice, offsetof(struct config_group, session_keys), "recoverable",
     "recoverable or pinned", 0, 0, session_keys, 0},
    {"mechanisms", value_parse_choice, offsetof(struct config_group, mechanisms), "common", "common or any",
     0, 0, mechanisms, 0},
    {"unreplicable-keys", value_parse_choice, offsetof(struct config_group, unreplicable), "refuse",
     "refuse or pin", 0, 0, unreplicables, 0},
    {"soft-delete", value_parse_duration, offsetof(struct config_group, soft_delete), "30d",
     "0 or a duration up to 36500d, such as 30d", 0, 36500 * DAY, NULL, 0},
    {"purge-protection", value_parse_yes_no, offsetof(struct config_group, purge_protection), "no",
     "yes or no", 0, 0, yes_nos, 0},
    {0},
};

static const struct key member_keys[] = {
    {"group", value_parse_name, KEY_NOWHERE, NULL, "the name of a [group NAME] of this file", 0, 0, NULL,
     KEY_REQUIRED},
    {"module", value_parse_path, offsetof(struct config_member, module), NULL,
     "the absolute path of a PKCS#11 module", 0, 0, NULL, KEY_REQUIRED},
    {"token", value_parse_token, offsetof(struct config_member, token), NULL,
     "a token's URI such as pkcs11:token=hsm-a", 0, 0, NULL, KEY_REQUIRED | KEY_PARTLY},
    {"init-args", value_parse_init_args, offsetof(struct config_member, init_args), NULL,
     "the text that the module wants at C_Initialize", 0, 0, NULL, KEY_SECRET | KEY_REPEATED},
    {"env.", value_parse_env, 0, NULL, "env.NAME with letters, digits and underscores, no digit first", 0, 0,
     NULL, KEY_SECRET},
    {"runner", value_parse_choice, offsetof(struct config_member, runner), "thread", "thread or inline", 0, 0,
     runners, 0},
    {"instance", value_parse_choice, offsetof(struct config_member, instance), NULL, "shared or private", 0,
     0, instances, 0},
    {"role", value_parse_choice, offsetof(struct config_member, role), "active", "active or standby", 0, 0,
     roles, 0},
    {"region", value_parse_text, offsetof(struct config_member, region), "", "a region's name", 0, 0, NULL,
     0},
    {"zone", value_parse_text, offsetof(struct config_member, zone), "", "a zone's name", 0, 0, NULL, 0},
    {"weight", value_parse_unsigned, offsetof(struct config_member, weight), "100", "a number from 1 to 1000",
     1, 1000, NULL, 0},
    {"max-sessions", value_parse_unsigned, offsetof(struct config_member, max_sessions), "32",
     "a number from 1 to 4096", 1, 4096, NULL, 0},
    {"pin-source", value_parse_pin_source, offsetof(struct config_member, pin_file), NULL, "file:/PATH", 0, 0,
     NULL, KEY_SECRET},
    {0},
};

static const struct key *const tables[SECTION_KINDS] = {p11ha_keys, group_keys, member_keys};

static bool is_prefix_key(const struct key *key)
{
    return key->name[strlen(key->name) - 1] == '.';
}

static const struct key *key_find(enum section_kind kind, const char *name)
{
    for (const struct key *key = tables[kind]; key->name; key++) {
        if (is_prefix_key(key) ? strncmp(name, key->name, strlen(key->name)) == 0
                               : strcmp(name, key->name) == 0)
            return key;
    }
    return NULL;
}

static void unknown_report(struct draft *draft, const struct section *section, const struct entry *entry)
{
    struct place place = {.line = entry->line, .section = section->title, .key = entry->key};
    struct suggest near = suggest_begin(entry->key);
    char expected[64];

    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        if (!key_find(kind, entry->key))
            continue;
        snprintf(expected, sizeof(expected), "a key of [%s]; this one belongs to [%s]",
                 draft_kind_name(section->kind), draft_kind_name(kind));
        report_found(draft->report, place, entry->key, NULL, expected, NULL);
        return;
    }
    for (const struct key *key = tables[section->kind]; key->name; key++)
        suggest_offer(&near, key->name);
    snprintf(expected, sizeof(expected), "a key of [%s]", draft_kind_name(section->kind));
    report_found(draft->report, place, entry->key, NULL, expected, near.best);
}

/* What of a refused value may be shown, or NULL. */
static const char *shown_part(const struct key *key, const char *value, char *room, size_t size)
{
    static const char *const secret_starts[] = {"?", "//", "pin"};
    size_t len = strlen(value);

    if (key->flags & KEY_SECRET)
        return NULL;
    if (!(key->flags & KEY_PARTLY))
        return value;
    for (size_t i = 0; i < ARRAY_LEN(secret_starts); i++) {
        const char *at = strstr(value, secret_starts[i]);

        if (at)
            len = size_min(len, (size_t)(at - value));
    }
    if (!value[len])
        return value;
    snprintf(room, size, "%.*s...", (int)len, value);
    return room;
}

static void value_report(struct draft *draft, const struct section *section, const struct key *key,
                         const struct entry *entry, enum value_result result, const char *note)
{
    struct place place = {.line = entry->line, .section = section->title, .key = entry->key};
    struct suggest near = suggest_begin(entry->value);
    char room[256], remark[128] = "";

    for (const struct choice *choice = key->choice; choice && choice->word; choice++) {
        if (!choice->later)
            suggest_offer(&near, choice->word);
    }
    if (note)
        snprintf(remark, sizeof(remark), " (%s)", note);
    if (result == VALUE_LATER)
        snprintf(remark, sizeof(remark), ", which is not supported yet");
    report_found(draft->report, place, shown_part(key, entry->value, room, sizeof(room)), remark,
                 key->expected, result == VALUE_LATER ? NULL : near.best);
}

static void *section_base(struct section *section, struct config *config)
{
    switch (section->kind) {
    case SECTION_GROUP:
        return &section->group;
    case SECTION_MEMBER:
        return &section->member;
    default:
        return config;
    }
}

static enum value_result key_apply(const struct key *key, const char *name, const char *value, void *base,
                                   const char **ret_note)
{
    uint64_t nowhere;
    void *field = key->offset == KEY_NOWHERE ? (void *)&nowhere : (char *)base + key->offset;

    return key->parse(key, name, value, field, ret_note);
}

static void entry_apply(struct draft *draft, struct section *section, struct entry *entry, void *base)
{
    const struct key *key = key_find(section->kind, entry->key);
    const struct entry *first = draft_entry(section, entry->key);
    const char *note = NULL;

    if (!key) {
        unknown_report(draft, section, entry);
        return;
    }
    if (first != entry && !(key->flags & KEY_REPEATED)) {
        report_add(draft->report, SEVERITY_ERROR,
                   (struct place){.line = entry->line, .section = section->title, .key = entry->key},
                   "found this key a second time, expected it once; the first is in line %u", first->line);
        return;
    }
    enum value_result result = key_apply(key, entry->key, entry->value, base, &note);
    entry->bad = result != VALUE_GOOD;
    if (result == VALUE_NO_MEMORY)
        draft->report->no_memory = true;
    else if (result != VALUE_GOOD)
        value_report(draft, section, key, entry, result, note);
}

static void fallback_apply(struct draft *draft, const struct section *section, const struct key *key,
                           void *base)
{
    const char *note = NULL;

    if (key->flags & KEY_REQUIRED)
        report_add(draft->report, SEVERITY_ERROR, draft_place(section, key->name),
                   "found nothing, expected %s", key->expected);
    if (key->fallback && key_apply(key, key->name, key->fallback, base, &note) != VALUE_GOOD)
        draft->report->no_memory = true;
}

static void section_apply(struct draft *draft, struct section *section, void *base)
{
    for (size_t i = 0; i < section->entry_count; i++)
        entry_apply(draft, section, &section->entry[i], base);
    for (const struct key *key = tables[section->kind]; key->name; key++) {
        if (!section->dropped && !draft_entry(section, key->name))
            fallback_apply(draft, section, key, base);
    }
}

void draft_apply(struct draft *draft, struct config *config)
{
    struct section absent = {.kind = SECTION_P11HA};
    bool seen = false;

    for (size_t i = 0; i < draft->section_count; i++) {
        struct section *section = &draft->section[i];

        section_apply(draft, section, section_base(section, config));
        seen = seen || section->kind == SECTION_P11HA;
    }
    if (!seen)
        section_apply(draft, &absent, config);
}

static void override_apply(struct draft *draft, struct config *config, const char *variable,
                           const char *key_name, const char *value)
{
    const struct key *key = key_find(SECTION_P11HA, key_name);
    const char *note = NULL;
    enum value_result result = key_apply(key, key->name, value, config, &note);

    if (result == VALUE_NO_MEMORY)
        draft->report->no_memory = true;
    else if (result != VALUE_GOOD)
        report_add(draft->report, SEVERITY_WARNING, (struct place){.key = variable},
                   "found \"%s\" in the environment, expected %s; ignored", value, key->expected);
}

void draft_override(struct draft *draft, struct config *config, const char *log, const char *debug)
{
    if (log)
        override_apply(draft, config, "P11HA_LOG", "log", log);
    if (debug)
        override_apply(draft, config, "P11HA_DEBUG", "log-level", strcmp(debug, "1") == 0 ? "debug" : debug);
}
