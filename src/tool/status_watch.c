/* The live table: redrawn in place on a terminal, else one block after the other. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tool/say.h"
#include "tool/status.h"
#include "tool/trouble.h"

enum column { GROUP, MEMBER, STATE, RATE, BUSY, LATENCY, FAILED, LAG, WHY, COLUMNS };
static const struct listing_column columns[COLUMNS] = {
    [GROUP] = {"GROUP", "group", LISTING_LEFT},
    [MEMBER] = {"MEMBER", "member", LISTING_LEFT},
    [STATE] = {"STATE", "state", LISTING_LEFT},
    [RATE] = {"CALLS/S", "calls_per_s", LISTING_RIGHT},
    [BUSY] = {"BUSY", "outstanding", LISTING_RIGHT},
    [LATENCY] = {"MS", "latency_ms", LISTING_RIGHT},
    [FAILED] = {"FAILED", "failures", LISTING_RIGHT},
    [LAG] = {"BEHIND", "lag", LISTING_RIGHT},
    [WHY] = {"WHY", "why", LISTING_LEFT},
};

struct watch {
    struct status *status;
    uint64_t errors; /* of applications since the watch began, in all groups */
    bool first;
};

static uint64_t live_lag(const struct status *status, const struct site_group *group, unsigned member)
{
    uint64_t lag = group->group ? atomic_load(&group->group->lag[member]) : GROUP_LAG_UNKNOWN;
    for (size_t i = 0; i < status->now->count && lag == GROUP_LAG_UNKNOWN; i++) {
        const struct stats_group *own = live_group(status->now->file[i], group->config->name);
        if (own && member < own->members &&
            strcmp(own->member[member].name, group->config->member[member].name) == 0)
            lag = own->member[member].lag;
    }
    return lag;
}

static void show_member(const struct status *status, const struct site_group *group, unsigned i,
                        struct listing *listing)
{
    enum health_state state;
    CK_RV cause;
    int64_t since;
    struct trouble trouble;
    struct live_member live;
    const char *name = group->config->member[i].name;
    uint64_t lag = live_lag(status, group, i);
    live_sum_member(status->before, status->now, group->config->name, name, &live);
    listing_row(listing);
    listing_text(listing, GROUP, group->config->name);
    listing_text(listing, MEMBER, name);
    listing_number(listing, RATE, live.calls_per_s, 0);
    listing_count(listing, BUSY, live.outstanding);
    if (live.latency)
        listing_number(listing, LATENCY, (double)live.latency / (double)NS_PER_MS, 2);
    listing_count(listing, FAILED, live.failures);
    if (lag != GROUP_LAG_UNKNOWN)
        listing_count(listing, LAG, lag);
    if (!status_state(status, group, i, &state, &cause, &since))
        return;
    listing_text(listing, STATE, health_name(state));
    if (trouble_of_state(state, cause, &trouble))
        listing_text(listing, WHY, trouble.what);
}

static bool show(struct watch *watch, FILE *out, bool json)
{
    const struct status *status = watch->status;
    AUTO(listing_free) struct listing *listing = listing_new(columns, COLUMNS);
    struct live_sum all = {0};
    char now[32] = "";
    time_t wall = (time_t)clock_wall();
    struct tm tm;
    if (!listing)
        return false;
    for (size_t g = 0; g < status->site.count; g++) {
        const struct site_group *group = &status->site.group[g];
        struct live_sum sum;
        live_sum_group(status->before, status->now, group->config->name, &sum);
        all.calls_per_s += sum.calls_per_s;
        all.errors += sum.errors;
        watch->errors += watch->first ? 0 : sum.new_errors;
        all.processes = sum.processes > all.processes ? sum.processes : all.processes;
        for (unsigned i = 0; i < group->config->member_count; i++)
            show_member(status, group, i, listing);
    }
    if (json)
        return listing_print_json(json_pack("{s:I, s:i, s:f, s:I, s:I, s:o}", "time", (json_int_t)wall,
                                            "processes", (int)all.processes, "calls_per_s", all.calls_per_s,
                                            "errors", (json_int_t)all.errors, "errors_since_start",
                                            (json_int_t)watch->errors, "members", listing_take(listing)));
    if (localtime_r(&wall, &tm))
        (void)strftime(now, sizeof(now), "%H:%M:%S", &tm);
    (void)fprintf(out, "%s  %u process%s  %.0f calls/s  errors at applications: %llu\n", now, all.processes,
                  all.processes == 1 ? "" : "es", all.calls_per_s, (unsigned long long)watch->errors);
    return listing_print(listing, out);
}

/* Line by line over what stands there, so that nothing flickers. */
static void draw_in_place(const char *text)
{
    (void)fputs("\033[H", stdout);
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, "\n");
        (void)printf("%.*s\033[K\n", (int)len, at);
        at += len + (at[len] != 0);
    }
    (void)fputs("\033[J", stdout);
}

static bool show_on_terminal(struct watch *watch)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return false;
    bool good = show(watch, out, false);
    good = fclose(out) == 0 && good;
    if (good)
        draw_in_place(text);
    /* open_memstream's memory is libc's own. */
    mem_free(text);
    return good;
}

static void probe(const struct status *status)
{
    for (size_t g = 0; g < status->site.count; g++)
        for (unsigned i = 0; status->site.group[g].group && i < status->site.group[g].group->count; i++)
            member_probe_soon(status->site.group[g].group->member[i]);
}

enum exit_code status_watch(struct status *status, uint64_t interval, bool json)
{
    struct watch watch = {.status = status, .first = true};
    struct live looks[2] = {{0}, {0}};
    bool terminal = !json && isatty(STDOUT_FILENO) == 1, good = true;
    if (terminal)
        (void)fputs("\033[2J", stdout);
    for (unsigned turn = 0; good; turn++) {
        struct live *now = &looks[turn % 2];
        live_end(now);
        live_read(now, status->site.config->run_dir);
        status->now = now;
        status->before = turn ? &looks[(turn + 1) % 2] : NULL;
        good = (terminal ? show_on_terminal(&watch) : show(&watch, stdout, json)) && !now->no_memory;
        if (good && !terminal && !json)
            (void)fputc('\n', stdout);
        watch.first = false;
        /* Who reads along has gone. */
        if (fflush(stdout) != 0 || ferror(stdout) || !site_pause(interval))
            break;
        probe(status);
    }
    live_end(&looks[0]);
    live_end(&looks[1]);
    if (!good)
        say_error("Free some memory, or write to a place that takes it.",
                  "the table cannot be shown any more");
    return good ? EXIT_GOOD : EXIT_COULD_NOT;
}
