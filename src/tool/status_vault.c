/* What the vault tells: how many objects there are, who has them, which are in danger. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tool/label.h"
#include "tool/status.h"

#define NAMED_MOST 20 /* findings of one kind; all are in the JSON */

struct look {
    const struct site_group *group;
    struct vault *vault;
    struct status_vault *ret;
    struct findings *findings;
    const char *where;
    uint64_t synced[CONFIG_MEMBERS_MAX];
    bool known[CONFIG_MEMBERS_MAX];
};

static void look_at_members(struct look *look)
{
    const struct config_group *config = look->group->config;
    for (size_t i = 0; i < config->member_count; i++) {
        struct vault_member row;
        look->known[i] = vault_member_get(look->vault, config->member[i].name, &row) == 0;
        look->synced[i] = look->known[i] ? row.synced_seq : 0;
        look->ret->lag[i] = !look->known[i]                     ? GROUP_LAG_UNKNOWN
                            : look->ret->head > look->synced[i] ? look->ret->head - look->synced[i]
                                                                : 0;
    }
}

static unsigned copies_of(const struct look *look, const struct record *record)
{
    const struct config_group *config = look->group->config;
    unsigned copies = 0;
    for (size_t i = 0; i < config->member_count; i++) {
        bool applied = look->synced[i] >= record->seq;
        if (look->known[i] && !applied &&
            vault_is_applied(look->vault, config->member[i].name, record->seq, &applied) != 0)
            applied = false;
        copies += look->known[i] && applied;
    }
    return copies;
}

static void list(struct look *look, const char *which, json_t *row)
{
    if (!row || json_array_append_new(json_object_get(look->ret->lists, which), row) != 0)
        look->findings->failed = true;
}

static void look_at_live(struct look *look, const struct record *record)
{
    CK_OBJECT_CLASS class = attrs_ulong(&record->attrs, CKA_CLASS, CKO_DATA);
    char uuid[37], what[LABEL_MAX], label[LABEL_MAX];
    if (!(record->flags & RECORD_INTERNAL)) {
        look->ret->live++;
        look->ret->keys += class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY;
    }
    uuid_text(record->uuid, uuid);
    label_object(&record->attrs, what);
    label_text(&record->attrs, label);
    if (record->wrap == WRAP_PINNED) {
        look->ret->pinned++;
        list(look, "pinned",
             json_pack("{s:s, s:s, s:s}", "uuid", uuid, "label", label, "member", record->pinned_member));
        return;
    }
    unsigned copies = copies_of(look, record), wanted = look->group->config->min_copies;
    if (copies >= wanted)
        return;
    if (look->ret->below++ < NAMED_MOST)
        findings_add(look->findings, FINDING_TROUBLE, look->where,
                     "Bring members back, or run `p11ha sync`; until then it can be lost with the members "
                     "that have it.",
                     "%s, %s, is on %u member%s, %u are wanted", what, uuid, copies, copies == 1 ? "" : "s",
                     wanted);
    list(look, "below_copies",
         json_pack("{s:s, s:s, s:i, s:i}", "uuid", uuid, "label", label, "copies", (int)copies, "wanted",
                   (int)wanted));
}

static bool look_at_record(const struct record *record, void *ctx)
{
    struct look *look = ctx;
    if (record->state == RECORD_LIVE)
        look_at_live(look, record);
    look->ret->deleted += record->state == RECORD_DELETED;
    look->ret->purged += record->state == RECORD_PURGED;
    return true;
}

static bool look_at_refused(const uint8_t uuid[UUID_LEN], uint64_t seq, int64_t when, void *ctx)
{
    struct look *look = ctx;
    struct record record = {0};
    char text[37], what[LABEL_MAX] = "a record that cannot be read";
    uuid_text(uuid, text);
    if (vault_read(look->vault, uuid, &record) == 0)
        label_object(&record.attrs, what);
    record_end(&record);
    if (look->ret->refused++ < NAMED_MOST)
        findings_add(
            look->findings, FINDING_TROUBLE, look->where,
            "Somebody or something changed the vault file. Find out who; restore the vault from a backup.",
            "the record %s, number %llu (%s) was refused: its seal is wrong", text, (unsigned long long)seq,
            what);
    list(look, "refused",
         json_pack("{s:s, s:I, s:I}", "uuid", text, "seq", (json_int_t)seq, "refused_at", (json_int_t)when));
    return true;
}

static void look_at_all(struct look *look)
{
    int err = vault_head(look->vault, &look->ret->head);
    if (err == 0) {
        look_at_members(look);
        err = vault_each(look->vault, 0, look_at_record, look);
    }
    if (err == 0)
        err = vault_refused_each(look->vault, look_at_refused, look);
    look->ret->known = err == 0;
    if (err)
        findings_add(look->findings, FINDING_TROUBLE, look->where, "Check the disk that it is on.",
                     "the vault %s: %s", look->group->config->vault,
                     err == -EIO ? vault_error() : strerror(-err));
}

void status_vault(const struct status *status, const struct site_group *group, struct status_vault *ret)
{
    AUTO(vault_close) struct vault *own = NULL;
    AUTO(mem_free) char *why = NULL;
    char where[96];
    *ret = (struct status_vault){.known = false};
    for (size_t i = 0; i < CONFIG_MEMBERS_MAX; i++)
        ret->lag[i] = GROUP_LAG_UNKNOWN;
    ret->lists = json_pack("{s:[], s:[], s:[]}", "below_copies", "refused", "pinned");
    if (group->config->sync != SYNC_MANAGED || group->bare || (status->probe && !group->managed))
        return;
    (void)snprintf(where, sizeof(where), "group %.80s", group->config->name);
    if (!group->managed && vault_open(group->config->vault, &own, &why) != 0) {
        findings_add(status->findings, FINDING_TROUBLE, where, NULL, "%s", why ? why : group->config->vault);
        return;
    }
    struct look look = {.group = group,
                        .vault = group->managed ? group->managed->vault : own,
                        .ret = ret,
                        .findings = status->findings,
                        .where = where};
    look_at_all(&look);
}
