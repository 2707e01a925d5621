#include <ini.h>
#include <string.h>

#include "base/mem.h"
#include "config/draft.h"
#include "config/suggest.h"

#define NAME_MAX_BYTES 32

enum state { BEFORE_SECTIONS, IN_SECTION, IN_REFUSED_SECTION };

/*
 * inih takes what a reader gives it, a line at a time, and splits it into key and value. This reader does
 * what inih would do silently: it refuses lines that inih would cut (200 bytes in Debian's build; the rest
 * would be read as another line), section names that it would cut (50 bytes), sections without a key, text
 * behind a section's `]`, and takes indented lines for what they are instead of continuations.
 */
struct source {
    struct draft *draft;
    const char *text, *end;
    unsigned line;
    enum state state;
    bool pending; /* the last line was given to inih and no pair has come back */
};

static const char *const kind_names[SECTION_KINDS] = {"p11ha", "group", "member"};

const char *draft_kind_name(enum section_kind kind)
{
    return kind_names[kind];
}

static struct section *section_current(struct source *source)
{
    if (source->state != IN_SECTION)
        return NULL;
    return &source->draft->section[source->draft->section_count - 1];
}

static struct place source_place(struct source *source)
{
    struct section *section = section_current(source);

    return (struct place){.line = source->line, .section = section ? section->title : NULL};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One code point of UTF-8, without overlong forms, surrogates and control characters; 0 if it is none. */
static size_t text_step(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0x20}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t more = 0; more < ARRAY_LEN(forms); more++) {
        if ((s[0] & forms[more].mask) != forms[more].lead)
            continue;
        uint32_t point = s[0] & (unsigned char)~forms[more].mask;
        if (more >= left)
            return 0;
        for (size_t i = 1; i <= more; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (s[i] & 0x3f);
        }
        bool control = (point < 0x20 && point != '\t') || (point >= 0x7f && point < 0xa0);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (control || surrogate || point > 0x10ffff || (point != '\t' && point < forms[more].least))
            return 0;
        return more + 1;
    }
    return 0;
}

static bool text_is_clean(const char *s, size_t len)
{
    for (size_t at = 0, step; at < len; at += step) {
        step = text_step((const unsigned char *)s + at, len - at);
        if (!step)
            return false;
    }
    return true;
}

static bool name_is_valid(const char *name, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return len > 0 && len <= NAME_MAX_BYTES && strspn(name, allowed) == len;
}

static void section_add(struct source *source, enum section_kind kind, const char *name)
{
    struct draft *draft = source->draft;
    struct section section = {.kind = kind, .line = source->line};
    struct section *more = mem_resize(draft->section, draft->section_count + 1, sizeof(*more));

    source->state = IN_REFUSED_SECTION;
    if (more) {
        draft->section = more;
        section.title = mem_printf("%s%s%s", kind_names[kind], *name ? " " : "", name);
        section.name = *name ? mem_strdup(name) : NULL;
    }
    if (!section.title || (*name && !section.name)) {
        mem_free(section.title);
        mem_free(section.name);
        draft->report->no_memory = true;
        return;
    }
    for (size_t i = 0; i < draft->section_count && !section.dropped; i++) {
        struct place place = {.line = source->line, .section = section.title};

        if (strcmp(draft->section[i].title, section.title) != 0)
            continue;
        section.dropped = true;
        report_add(draft->report, SEVERITY_ERROR, place,
                   "found this section a second time, expected it once; the first is in line %u",
                   draft->section[i].line);
    }
    draft->section[draft->section_count++] = section;
    source->state = IN_SECTION;
}

static void section_refuse(struct source *source, const char *found, const char *expected,
                           const char *nearest)
{
    struct place place = {.line = source->line};

    report_found(source->draft->report, place, found, NULL, expected, nearest);
    source->draft->lost_group = source->draft->lost_member = true;
}

/* line: "[kind name]", blanks around trimmed. */
static void heading_take(struct source *source, const char *line, size_t len)
{
    AUTO(mem_free) char *heading = mem_dup(line, len);

    source->state = IN_REFUSED_SECTION;
    if (!heading) {
        source->draft->report->no_memory = true;
        return;
    }
    char *close = strchr(heading, ']');
    if (!close || close[1]) {
        section_refuse(source, heading, "a section to end in ] and nothing behind it but a comment", NULL);
        return;
    }
    AUTO(mem_free) char *copy = mem_dup(heading + 1, (size_t)(close - heading) - 1);
    if (!copy) {
        source->draft->report->no_memory = true;
        return;
    }
    for (char *end = strchr(copy, '\0'); end > copy && is_blank(end[-1]);)
        *--end = '\0';
    char *word = copy + strspn(copy, " \t");
    char *name = word + strcspn(word, " \t");
    if (*name)
        *name++ = '\0';
    name += strspn(name, " \t");

    struct suggest near = suggest_begin(word);
    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        suggest_offer(&near, kind_names[kind]);
        if (strcmp(word, kind_names[kind]) != 0)
            continue;
        if (kind == SECTION_P11HA && *name)
            section_refuse(source, heading, "[p11ha], without a name", NULL);
        else if (kind != SECTION_P11HA && !name_is_valid(name, strlen(name)))
            section_refuse(source, heading, "a name of 1 to 32 letters, digits, dots, dashes and underscores",
                           NULL);
        else
            section_add(source, kind, name);
        return;
    }
    section_refuse(source, heading, "[p11ha], [group NAME] or [member NAME]", near.best);
}

/* A comment starts at ; or # at a line's start, and at ; behind a blank. */
static size_t comment_cut(const char *s, size_t len)
{
    if (len && (s[0] == ';' || s[0] == '#'))
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (s[i] == ';' && is_blank(s[i - 1]))
            return i;
    }
    return len;
}

/* The next line without its end, blanks around it and comments. */
static const char *line_next(struct source *source, size_t *ret_len)
{
    const char *s = source->text;
    size_t left = (size_t)(source->end - s);
    const char *newline = memchr(s, '\n', left);
    size_t len = newline ? (size_t)(newline - s) : left;

    source->text = newline ? newline + 1 : source->end;
    source->line++;
    if (len && s[len - 1] == '\r')
        len--;
    if (source->line == 1 && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
        s += 3;
        len -= 3;
    }
    for (; len && is_blank(*s); len--)
        s++;
    len = comment_cut(s, len);
    while (len && is_blank(s[len - 1]))
        len--;
    *ret_len = len;
    return s;
}

static void pending_report(struct source *source)
{
    if (!source->pending)
        return;
    source->pending = false;
    if (source->state == IN_REFUSED_SECTION)
        return;
    report_add(source->draft->report, SEVERITY_ERROR, source_place(source),
               "found a line that is neither, expected KEY = VALUE or [SECTION]");
}

/* inih's ini_reader: one line into str, which has room for `room` bytes. Lines dealt with here are given as
 * empty ones. */
static char *source_read(char *str, int room, void *stream)
{
    struct source *source = stream;
    size_t len, most = room > 2 ? (size_t)room - 2 : 0;

    pending_report(source);
    if (source->text == source->end || room < 2)
        return NULL;
    const char *line = line_next(source, &len);
    if (len && !text_is_clean(line, len)) {
        report_add(source->draft->report, SEVERITY_ERROR, source_place(source),
                   "found a byte that is neither text in UTF-8 nor a tab, expected text");
        len = 0;
    } else if (len && line[0] == '[') {
        heading_take(source, line, len);
        len = 0;
    } else if (len > most) {
        report_add(
            source->draft->report, SEVERITY_ERROR, source_place(source),
            "found a line of %zu bytes, expected at most %zu (comments and blanks around do not count)", len,
            most);
        len = 0;
    }
    source->pending = len > 0;
    memcpy(str, line, len);
    memcpy(str + len, "\n", 2);
    return str;
}

static void entry_add(struct source *source, struct section *section, const char *key, const char *value)
{
    struct entry entry = {.key = mem_strdup(key), .value = mem_strdup(value), .line = source->line};
    struct entry *more = mem_resize(section->entry, section->entry_count + 1, sizeof(*more));

    if (more)
        section->entry = more;
    if (!more || !entry.key || !entry.value) {
        mem_free(entry.key);
        mem_free(entry.value);
        source->draft->report->no_memory = true;
        return;
    }
    section->entry[section->entry_count++] = entry;
}

/* inih's ini_handler; its section is not used: source->state knows more. */
static int pair_take(void *user, const char *ini_section, const char *key, const char *value)
{
    struct source *source = user;
    struct section *section = section_current(source);

    (void)ini_section;
    if (!value || !*key)
        return 1;
    source->pending = false;
    if (section)
        entry_add(source, section, key, value);
    else if (source->state == BEFORE_SECTIONS)
        report_add(source->draft->report, SEVERITY_ERROR, (struct place){.line = source->line, .key = key},
                   "found a key before the first section, expected [p11ha], [group NAME] or [member NAME]");
    return 1;
}

void draft_parse(struct draft *draft, const char *text, size_t len)
{
    struct source source = {.draft = draft, .text = text, .end = text + len};

    /* Refused lines are reported by source_read; what is left are inih's own lack of memory and its being
     * told to stop. */
    int rc = ini_parse_stream(source_read, &source, pair_take, &source);
    if (rc == -2)
        draft->report->no_memory = true;
    pending_report(&source);
    if (source.text != source.end)
        report_add(draft->report, SEVERITY_ERROR, (struct place){.line = source.line + 1},
                   "found the INI parser stopped here, expected it to go on (somebody set "
                   "ini_stop_on_first_error or a tiny ini_max_line)");
}

struct entry *draft_entry(const struct section *section, const char *key)
{
    for (size_t i = 0; i < section->entry_count; i++) {
        if (strcmp(section->entry[i].key, key) == 0)
            return &section->entry[i];
    }
    return NULL;
}

struct place draft_place(const struct section *section, const char *key)
{
    const struct entry *entry = key ? draft_entry(section, key) : NULL;

    return (struct place){.line = entry ? entry->line : section->line, .section = section->title, .key = key};
}

void draft_end(struct draft *draft)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        struct section *section = &draft->section[i];

        for (size_t j = 0; j < section->entry_count; j++) {
            mem_free(section->entry[j].key);
            mem_free(section->entry[j].value);
        }
        if (section->kind == SECTION_GROUP)
            config_group_clear(&section->group);
        else if (section->kind == SECTION_MEMBER)
            config_member_clear(&section->member);
        mem_free(section->entry);
        mem_free(section->title);
        mem_free(section->name);
    }
    mem_free(draft->section);
    *draft = (struct draft){.report = draft->report};
}
