/* `p11ha bench`: options, rounds and report. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "call/names.h"
#include "config/suggest.h"
#include "tool/bench_report.h"
#include "tool/option.h"
#include "tool/progress.h"
#include "tool/say.h"
#include "tool/verb.h"

#ifndef P11HA_MODULE
#define P11HA_MODULE "p11ha.so"
#endif

#define THREADS_MAX 1024
#define SIZE_MAX_IN (UINT64_C(16) << 20)
#define WARM_UP     (50 * NS_PER_MS)

struct bench {
    struct globals *globals;
    struct bench_source source[SIDES];
    struct option_texts env[SIDES];
    struct option_texts ops;
    struct option_numbers threads;
    uint64_t span;
    unsigned long rounds, size, objects;
    bool session_keys, keep;

    struct bench_module module[SIDES];
    size_t sides;
    struct listing *listing;
    struct progress progress;
    uint64_t steps_done;
    unsigned run; /* numbers the runs of a target */
    bool trouble; /* errors or wrong results */
    bool failed;  /* it could not go on */
};

static void on_signal(int number)
{
    (void)number;
    bench_run_stop = true;
}

/* An interrupted run ends early, but destroys its keys. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static bool run_once(struct bench *bench, const struct bench_target *target, unsigned long threads,
                     uint64_t span, struct bench_result *result)
{
    if (bench_run_for(target, (unsigned)threads, span, bench->run++, result))
        return true;
    say_error("Ask for fewer threads or a smaller size.", "cannot run %lu threads with %zu bytes each",
              threads, target->size);
    bench->failed = true;
    return false;
}

/* The first calls fill caches on both sides: not measured, but what was wrong or failed in them counts. */
static bool warm_up(struct bench *bench, const struct bench_target *target, unsigned long threads,
                    struct bench_score *score)
{
    struct bench_result *result = &score->result;
    if (!run_once(bench, target, threads, bench->span < WARM_UP ? bench->span : WARM_UP, result))
        return false;
    memset(&result->hist, 0, sizeof result->hist);
    result->calls = 0;
    result->max_ns = 0;
    return true;
}

static void show_step(struct bench *bench, const struct bench_op *op, unsigned long threads, size_t round)
{
    char note[96];
    (void)snprintf(note, sizeof note, "%s, %lu thread%s, round %zu", op->name, threads,
                   threads == 1 ? "" : "s", round + 1);
    progress_show(&bench->progress, bench->steps_done, note);
}

/* The rounds of one number of threads: A B A B, so that whatever else the machine does falls on both. */
static void run_rounds(struct bench *bench, struct bench_target *target, unsigned long threads,
                       struct bench_score *score)
{
    size_t done = 0;
    for (size_t side = 0; side < bench->sides; side++)
        if (score[side].prepared == CKR_OK && !warm_up(bench, &target[side], threads, &score[side]))
            return;
    for (size_t round = 0; round < bench->rounds && !bench_run_stop; round++) {
        show_step(bench, target->op, threads, round);
        for (size_t side = 0; side < bench->sides; side++) {
            if (score[side].prepared != CKR_OK)
                continue;
            if (!run_once(bench, &target[side], threads, bench->span, &score[side].result))
                return;
            score[side].rate[round] = score[side].result.rate;
        }
        /* An interrupted round is not comparable: it is not counted, unless there is no other. */
        done += !bench_run_stop || !done;
        bench->steps_done++;
    }
    for (size_t side = 0; side < bench->sides; side++)
        bench->trouble |= score[side].result.errors || score[side].result.wrong;
    bench_report_add(bench->listing, target->op, threads, score, bench->sides, done);
}

static size_t size_for(const struct bench *bench, const struct bench_op *op)
{
    if (!op->unit || !bench->size)
        return op->size;
    return (bench->size + op->unit - 1) / op->unit * op->unit;
}

static void prepare(struct bench *bench, const struct bench_op *op, size_t side, struct bench_target *target,
                    struct bench_score *score)
{
    *target = (struct bench_target){.op = op,
                                    .module = &bench->module[side],
                                    .size = size_for(bench, op),
                                    .session_keys = bench->session_keys,
                                    .objects = bench->objects};
    (void)snprintf(target->label, sizeof target->label, "bench-%s-%d-%zu", op->name, (int)getpid(), side);
    score->prepared = bench_ops_prepare(target);
    if (score->prepared == CKR_OK)
        return;
    struct name_buf buf;
    bench_run_error(&score->result, score->prepared, 1);
    say_warning(NULL, "%s: %s: cannot make what the operation needs: %s", bench->module[side].path, op->name,
                name_rv(score->prepared, &buf));
}

static void clean_up(struct bench *bench, struct bench_target *target)
{
    size_t left = bench_ops_end(target, bench->keep);
    if (!left)
        return;
    bench->trouble = true;
    say_warning("Remove them with the token's own tools.",
                "%s: %zu objects with labels %s... could not be destroyed", target->module->path, left,
                target->label);
}

static void run_op(struct bench *bench, const struct bench_op *op)
{
    struct bench_target target[SIDES];
    struct bench_score *score = mem_new(SIDES, sizeof *score);
    if (!score) {
        say_no_memory();
        bench->failed = true;
        return;
    }
    bench->run = 0;
    for (size_t side = 0; side < bench->sides; side++)
        prepare(bench, op, side, &target[side], &score[side]);
    for (size_t i = 0; i < bench->threads.count && !bench_run_stop && !bench->failed; i++) {
        for (size_t side = 0; side < bench->sides; side++) {
            CK_RV prepared = score[side].prepared;
            memset(&score[side], 0, sizeof score[side]);
            score[side].prepared = prepared;
            if (prepared != CKR_OK)
                bench_run_error(&score[side].result, prepared, 1);
        }
        run_rounds(bench, target, bench->threads.item[i], score);
    }
    for (size_t side = 0; side < bench->sides; side++)
        clean_up(bench, &target[side]);
    mem_free(score);
}

static enum exit_code print(struct bench *bench)
{
    bool printed;
    if (bench->globals->json) {
        json_t *all =
            json_pack("{s:s, s:s?, s:f, s:I, s:o?}", "module", bench->source[SIDE_MODULE].path, "against",
                      bench->source[SIDE_AGAINST].path, "seconds", (double)bench->span / (double)NS_PER_S,
                      "rounds", (json_int_t)bench->rounds, "results", listing_take(bench->listing));
        printed = listing_print_json(all);
    } else {
        printed = listing_print(bench->listing, stdout);
    }
    if (!printed) {
        say_error("Check where the output goes.", "the results could not be written");
        return EXIT_COULD_NOT;
    }
    if (bench_run_stop) {
        say_error(NULL, "interrupted; what is shown is incomplete");
        return EXIT_COULD_NOT;
    }
    if (bench->failed)
        return EXIT_COULD_NOT;
    return bench->trouble ? EXIT_TROUBLE : EXIT_GOOD;
}

static enum exit_code run_all(struct bench *bench)
{
    AUTO(listing_free) struct listing *listing = bench_report_new();
    if (!listing) {
        say_no_memory();
        return EXIT_COULD_NOT;
    }
    bench->listing = listing;
    catch_signals();
    progress_start(&bench->progress, "bench", bench->ops.count * bench->threads.count * bench->rounds);
    for (size_t i = 0; i < bench->ops.count && !bench_run_stop && !bench->failed; i++)
        run_op(bench, bench_ops_named(bench->ops.item[i]));
    progress_end(&bench->progress);
    return print(bench);
}

static enum exit_code load_and_run(struct bench *bench)
{
    /* The baseline first: it must not see the environment of the other, which stays. */
    enum exit_code code = EXIT_GOOD;
    for (size_t side = bench->sides; side-- > 0 && code == EXIT_GOOD;)
        code = bench_load(&bench->source[side], &bench->module[side]);
    if (code == EXIT_GOOD)
        code = run_all(bench);
    for (size_t side = 0; side < bench->sides; side++)
        bench_unload(&bench->module[side]);
    return code;
}

static bool ops_known(const struct option_set *set, const struct option_texts *ops)
{
    const struct bench_op *op;
    for (size_t i = 0; i < ops->count; i++) {
        if (bench_ops_named(ops->item[i]))
            continue;
        struct suggest suggest = suggest_begin(ops->item[i]);
        for (size_t j = 0; (op = bench_ops_at(j)); j++)
            suggest_offer(&suggest, op->name);
        option_refuse(set, "--op: there is no operation \"%s\"%s%s%s", ops->item[i],
                      suggest.best ? "; did you mean " : "", suggest.best ? suggest.best : "",
                      suggest.best ? "?" : "");
        return false;
    }
    if (!ops->count)
        option_refuse(set, "--op is missing: which operations are to be measured?");
    return ops->count > 0;
}

static bool env_valid(const struct option_set *set, const char *name, const struct option_texts *env)
{
    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->item[i], '=');
        if (equals && equals != env->item[i])
            continue;
        option_refuse(set, "--%s: found \"%s\", expected NAME=VALUE", name, env->item[i]);
        return false;
    }
    return true;
}

/* Do the options fit together? Fills in what follows from others. */
static bool complete(const struct option_set *set, struct bench *bench, char **ret_init_args)
{
    struct bench_source *module = &bench->source[SIDE_MODULE];
    struct bench_source *against = &bench->source[SIDE_AGAINST];
    if (!ops_known(set, &bench->ops) || !env_valid(set, "env", &bench->env[SIDE_MODULE]) ||
        !env_valid(set, "against-env", &bench->env[SIDE_AGAINST]))
        return false;
    if (!against->path &&
        (against->token || against->init_args || against->pin_source || against->env->count)) {
        option_refuse(set, "options of the baseline were given, but not --against PATH");
        return false;
    }
    if (!module->path) {
        module->path = P11HA_MODULE;
        if (bench->globals->config && !module->init_args) {
            *ret_init_args = mem_printf("config=%s", bench->globals->config);
            module->init_args = *ret_init_args;
        }
    }
    if (!against->pin_source)
        against->pin_source = module->pin_source;
    bench->sides = against->path ? SIDES : 1;
    against->apart = against->path && (against->env->count || bench_load_same(module->path, against->path));
    return true;
}

/* The operations, one a line, for the end of --help. */
static const char *op_lines(char *text, size_t size)
{
    const struct bench_op *op;
    size_t len = (size_t)snprintf(text, size, "Operations:");
    for (size_t i = 0; (op = bench_ops_at(i)) && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "\n  %-16s %s", op->name, op->about);
    return text;
}

enum exit_code bench_run(struct globals *globals, int argc, char **argv)
{
    struct bench bench = {.globals = globals,
                          .threads = {.item = {1}, .count = 1},
                          .span = 2 * NS_PER_S,
                          .rounds = 3,
                          .objects = 10};
    struct bench_source *module = &bench.source[SIDE_MODULE];
    struct bench_source *against = &bench.source[SIDE_AGAINST];
    module->env = &bench.env[SIDE_MODULE];
    against->env = &bench.env[SIDE_AGAINST];
    const struct option_row rows[] = {
        {.name = "op",
         .kind = OPTION_WORDS,
         .into.texts = &bench.ops,
         .value = "OP[,OP...]",
         .help = "What to measure; see below."},
        {.name = "module",
         .kind = OPTION_TEXT,
         .into.text = &module->path,
         .value = "PATH",
         .help = "The PKCS#11 module to measure; p11ha's own if not given."},
        {.name = "token",
         .kind = OPTION_TEXT,
         .into.text = &module->token,
         .value = "LABEL",
         .help = "The token in it; needed only if there are several."},
        {.name = "pin-source",
         .kind = OPTION_TEXT,
         .into.text = &module->pin_source,
         .value = "file:PATH",
         .help = "A file whose first line is the user's PIN; else it is asked for."},
        {.name = "init-args",
         .kind = OPTION_TEXT,
         .into.text = &module->init_args,
         .value = "STRING",
         .help = "What C_Initialize gets as pReserved."},
        {.name = "env",
         .kind = OPTION_TEXTS,
         .into.texts = &bench.env[SIDE_MODULE],
         .value = "NAME=VALUE",
         .help = "Set in the environment before the module is loaded. May be repeated."},
        {.name = "threads",
         .kind = OPTION_NUMBERS,
         .into.numbers = &bench.threads,
         .min = 1,
         .max = THREADS_MAX,
         .value = "N[,N...]",
         .help = "How many threads at once, each with a session of its own (1)."},
        {.name = "seconds",
         .kind = OPTION_SPAN,
         .into.span = &bench.span,
         .min = NS_PER_MS,
         .max = 3600 * NS_PER_S,
         .value = "TIME",
         .help = "How long each run takes (2s)."},
        {.name = "rounds",
         .kind = OPTION_NUMBER,
         .into.number = &bench.rounds,
         .min = 1,
         .max = BENCH_ROUNDS_MAX,
         .value = "N",
         .help = "How often module and baseline take turns (3)."},
        {.name = "size",
         .kind = OPTION_SIZE,
         .into.number = &bench.size,
         .min = 1,
         .max = SIZE_MAX_IN,
         .value = "BYTES",
         .help = "Input of an operation that takes any size (1024)."},
        {.name = "objects",
         .kind = OPTION_NUMBER,
         .into.number = &bench.objects,
         .min = 1,
         .max = 1000000,
         .value = "N",
         .help = "How many objects are made for find (10)."},
        {.name = "session-keys",
         .into.flag = &bench.session_keys,
         .help = "Make the keys as session objects instead of token objects."},
        {.name = "keep",
         .into.flag = &bench.keep,
         .help = "Leave the token objects there (labels bench-...)."},
        {.name = "against",
         .kind = OPTION_TEXT,
         .into.text = &against->path,
         .value = "PATH",
         .help = "A baseline, measured in turns with the module in the same process."},
        {.name = "against-token",
         .kind = OPTION_TEXT,
         .into.text = &against->token,
         .value = "LABEL",
         .help = "The token in the baseline."},
        {.name = "against-pin-source",
         .kind = OPTION_TEXT,
         .into.text = &against->pin_source,
         .value = "file:PATH",
         .help = "Its PIN; that of --pin-source if not given."},
        {.name = "against-init-args",
         .kind = OPTION_TEXT,
         .into.text = &against->init_args,
         .value = "STRING",
         .help = "What the baseline's C_Initialize gets as pReserved."},
        {.name = "against-env",
         .kind = OPTION_TEXTS,
         .into.texts = &bench.env[SIDE_AGAINST],
         .value = "NAME=VALUE",
         .help = "For the baseline alone, which is then a copy of its own, until it is initialised. May be "
                 "repeated."},
    };
    char footer[2048];
    const struct option_set set = {
        .command = "p11ha bench",
        .usage = "--op OP[,OP...] [options]",
        .about =
            "Measures a PKCS#11 module as an application would use it, alone or in turns with a baseline. "
            "Samples of the results are computed again by OpenSSL; a wrong one makes the exit code 1.",
        .row = rows,
        .rows = ARRAY_LEN(rows),
        .footer = op_lines(footer, sizeof footer),
        .above = globals->options,
    };
    int first;
    enum option_outcome outcome = option_parse(&set, argc, argv, &first);
    if (outcome != OPTION_RUN)
        return outcome == OPTION_HELP ? EXIT_GOOD : EXIT_USAGE;
    if (first < argc) {
        option_refuse(&set, "what is \"%s\"? There are only options here", argv[first]);
        return EXIT_USAGE;
    }
    AUTO(mem_free) char *init_args = NULL;
    if (!complete(&set, &bench, &init_args))
        return EXIT_USAGE;
    return load_and_run(&bench);
}
