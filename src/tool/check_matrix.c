/* Key type x member: a thread for each member, because making keys takes its time. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/names.h"
#include "replica/matrix.h"
#include "router/route.h"
#include "tool/check.h"
#include "tool/progress.h"

struct column {
    const struct site_group *group;
    struct member *member; /* NULL: not usable, so not tried */
    struct thread *thread;
    struct matrix_cell cell[MATRIX_TYPES];
    _Atomic uint32_t *done; /* cells of all columns */
};

static void try_column(void *arg)
{
    struct column *column = arg;
    for (unsigned type = 0; type < MATRIX_TYPES; type++) {
        column->cell[type] = matrix_try(column->group->managed, column->member, type);
        atomic_fetch_add(column->done, 1);
        thread_wake(column->done, INT32_MAX);
    }
}

static uint32_t start_columns(struct column *column, const struct site_group *group, _Atomic uint32_t *done)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < group->group->count; i++) {
        struct member *member = group->group->member[i];
        column[i] = (struct column){.group = group, .done = done};
        if (!health_usable(member_state(member)))
            continue;
        column[i].member = member;
        total += MATRIX_TYPES;
        column[i].thread = thread_start("p11ha-check", -1, try_column, &column[i]);
        if (!column[i].thread)
            try_column(&column[i]);
    }
    return total;
}

static void wait_columns(struct column *column, unsigned columns, const _Atomic uint32_t *done,
                         uint32_t total)
{
    struct progress progress;
    progress_start(&progress, "trying key types", total);
    for (;;) {
        uint32_t seen = atomic_load(done);
        progress_show(&progress, seen, NULL);
        if (seen >= total)
            break;
        thread_wait((_Atomic uint32_t *)(uintptr_t)done, seen, clock_after(NS_PER_S));
    }
    progress_end(&progress);
    for (unsigned i = 0; i < columns; i++)
        thread_join(column[i].thread);
}

static void note_cell(const struct column *column, unsigned type, struct findings *findings)
{
    const struct matrix_cell *cell = &column->cell[type];
    struct name_buf buf;
    char where[96];
    if (cell->answer != MATRIX_ASIDE)
        return;
    (void)snprintf(where, sizeof(where), "member %.80s", column->member->config->name);
    findings_add(findings, FINDING_TROUBLE, where, "Check the device and its own log, then run this again.",
                 "%s could not be tried: at the step \"%s\" it answered %s", matrix_name(type), cell->step,
                 route_rv_name(cell->rv, &buf));
}

static json_t *cell_json(const struct matrix_cell *cell)
{
    struct name_buf buf;
    if (!cell->step)
        return json_pack("{s:s}", "answer", matrix_answer_name(cell->answer));
    return json_pack("{s:s, s:s, s:s}", "answer", matrix_answer_name(cell->answer), "step", cell->step,
                     "said", route_rv_name(cell->rv, &buf));
}

static bool alike(const struct matrix_cell *a, const struct matrix_cell *b)
{
    return a->step == b->step && a->rv == b->rv;
}

/* Why not: a line for each answer, with all the members that gave it. */
static void print_reasons(const struct column *column, unsigned columns, unsigned type, FILE *out)
{
    for (unsigned i = 0; i < columns; i++) {
        const struct matrix_cell *cell = &column[i].cell[type];
        bool told = !column[i].member || !cell->step;
        for (unsigned k = 0; k < i && !told; k++)
            told = column[k].member && alike(cell, &column[k].cell[type]);
        if (told)
            continue;
        struct name_buf buf;
        (void)fprintf(out, "%s: at the step \"%s\" %s answered by", matrix_name(type), cell->step,
                      route_rv_name(cell->rv, &buf));
        for (unsigned k = i; k < columns; k++)
            if (column[k].member && alike(cell, &column[k].cell[type]))
                (void)fprintf(out, " %s", column[k].member->config->name);
        (void)fputc('\n', out);
    }
}

static json_t *show(const struct site_group *group, const struct column *column, struct findings *findings,
                    FILE *out)
{
    unsigned members = group->group->count;
    struct listing_column shape[CONFIG_MEMBERS_MAX + 1] = {{"KEY TYPE", "type", LISTING_LEFT}};
    for (unsigned i = 0; i < members; i++)
        shape[i + 1] = (struct listing_column){group->config->member[i].name, group->config->member[i].name,
                                               LISTING_LEFT};
    AUTO(listing_free) struct listing *listing = listing_new(shape, members + 1);
    if (!listing)
        return NULL;
    for (unsigned type = 0; type < MATRIX_TYPES; type++) {
        listing_row(listing);
        listing_text(listing, 0, matrix_name(type));
        for (unsigned i = 0; i < members; i++)
            if (column[i].member) {
                listing_value(listing, i + 1, matrix_answer_name(column[i].cell[type].answer),
                              cell_json(&column[i].cell[type]));
                note_cell(&column[i], type, findings);
            }
    }
    if (out && !listing_print(listing, out))
        return NULL;
    for (unsigned type = 0; out && type < MATRIX_TYPES; type++)
        print_reasons(column, members, type, out);
    return listing_take(listing);
}

json_t *check_matrix(const struct site_group *group, struct findings *findings, FILE *out)
{
    struct column *column = mem_new(CONFIG_MEMBERS_MAX, sizeof(*column));
    _Atomic uint32_t done = 0;
    if (!column)
        return NULL;
    wait_columns(column, group->group->count, &done, start_columns(column, group, &done));
    json_t *rows = show(group, column, findings, out);
    mem_free(column);
    return rows;
}
