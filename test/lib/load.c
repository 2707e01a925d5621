/* load: an application that works while members fail. See the usage below; tests and the demo run it. */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/names.h"
#include "test/lib/load_key.h"
#include "test/lib/load_run.h"

static const char usage[] =
    "usage: load --pin-source file:PATH [option...]\n"
    "  --module PATH     the PKCS#11 module (p11ha.so)\n"
    "  --token LABEL     the token (the first one there is)\n"
    "  --label LABEL     the key, made if it is missing (load-OPERATION)\n"
    "  --op OPERATION    %s\n"
    "  --size BYTES      of each input (256; ecdsa-p256 signs 32)\n"
    "  --threads N       each with a session of its own (4)\n"
    "  --count N         ends after that many operations\n"
    "  --seconds S       ends after that time (10, if there is no --count)\n"
    "  --rate N          operations a second (as many as go)\n"
    "  --live FILE       there is always one line \"done failed wrong stall\" in it, a new one every 200 ms\n"
    "                    (stall: the longest that the machine let a thread wait, ms)\n"
    "Every result is checked by OpenSSL here. SIGTERM and SIGINT end it in good order. At the end one line "
    "of "
    "JSON\non stdout; times in microseconds. Ends with 0, 1 (an error or a wrong result), 2 (usage) or 3 "
    "(cannot run).\n";

struct wish {
    const char *module, *token, *label, *op, *pin_file, *live;
    double size, threads, count, seconds, rate;
};

static const struct {
    const char *name;
    size_t offset;
    double least, most; /* both 0: a text */
} options[] = {
    {"module", offsetof(struct wish, module), 0, 0},
    {"token", offsetof(struct wish, token), 0, 0},
    {"label", offsetof(struct wish, label), 0, 0},
    {"op", offsetof(struct wish, op), 0, 0},
    {"pin-source", offsetof(struct wish, pin_file), 0, 0},
    {"live", offsetof(struct wish, live), 0, 0},
    {"size", offsetof(struct wish, size), 16, LOAD_INPUT_MAX},
    {"threads", offsetof(struct wish, threads), 1, LOAD_THREADS_MAX},
    {"count", offsetof(struct wish, count), 1, 1e15},
    {"seconds", offsetof(struct wish, seconds), 0.001, 1e6},
    {"rate", offsetof(struct wish, rate), 0.001, 1e9},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static __attribute__((noreturn)) void wrong_usage(void)
{
    fprintf(stderr, usage, load_op_names());
    exit(2);
}

static void set(struct wish *wish, size_t i, const char *text)
{
    void *field = (char *)wish + options[i].offset;
    if (options[i].most == 0) {
        *(const char **)field = text;
        return;
    }
    char *end;
    double number = strtod(text, &end);
    if (*end || !(number >= options[i].least && number <= options[i].most)) {
        fprintf(stderr, "load: --%s %s: expected %g .. %g\n", options[i].name, text, options[i].least,
                options[i].most);
        exit(2);
    }
    *(double *)field = number;
}

static void parse(int argc, char **argv, struct wish *wish)
{
    struct option known[OPTIONS + 1] = {0};
    int chosen;
    for (size_t i = 0; i < OPTIONS; i++)
        known[i] = (struct option){options[i].name, required_argument, NULL, (int)i};
    while ((chosen = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (chosen == '?')
            wrong_usage();
        set(wish, (size_t)chosen, optarg);
    }
    if (optind != argc || !wish->pin_file || strncmp(wish->pin_file, "file:", 5) || !load_op_find(wish->op))
        wrong_usage();
    if (wish->count == 0 && wish->seconds == 0)
        wish->seconds = 10;
}

static CK_FUNCTION_LIST *load_module(const char *path)
{
    CK_FUNCTION_LIST *p11 = NULL;
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList list = so ? (CK_C_GetFunctionList)dlsym(so, "C_GetFunctionList") : NULL;
    if (!list || list(&p11) != CKR_OK) {
        fprintf(stderr, "load: %s\n", so ? "no C_GetFunctionList there" : dlerror());
        return NULL;
    }
    return p11;
}

static bool failed(const char *call, CK_RV rv)
{
    struct name_buf buf;
    if (rv != CKR_OK)
        fprintf(stderr, "load: %s: %s\n", call, name_rv(rv, &buf));
    return rv != CKR_OK;
}

static bool is_label(const CK_TOKEN_INFO *info, const char *label)
{
    size_t len = strlen(label);
    if (len > sizeof(info->label) || memcmp(info->label, label, len))
        return false;
    for (size_t i = len; i < sizeof(info->label); i++)
        if (info->label[i] != ' ')
            return false;
    return true;
}

static bool find_slot(CK_FUNCTION_LIST *p11, const char *token, CK_SLOT_ID *ret)
{
    CK_SLOT_ID slot[64];
    CK_ULONG count = sizeof(slot) / sizeof(slot[0]);
    CK_TOKEN_INFO info;
    if (failed("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slot, &count)))
        return false;
    for (CK_ULONG i = 0; i < count; i++)
        if (p11->C_GetTokenInfo(slot[i], &info) == CKR_OK && (!token || is_label(&info, token))) {
            *ret = slot[i];
            return true;
        }
    fprintf(stderr, "load: no token %s\n", token ? token : "there");
    return false;
}

static bool login(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, const char *path)
{
    CK_UTF8CHAR pin[256];
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
        return false;
    }
    size_t len = fread(pin, 1, sizeof(pin), file);
    fclose(file);
    while (len && (pin[len - 1] == '\n' || pin[len - 1] == '\r'))
        len--;
    CK_RV rv = p11->C_Login(session, CKU_USER, pin, len);
    explicit_bzero(pin, sizeof(pin));
    return !failed("C_Login", rv);
}

struct start {
    uint64_t initialize_ns, login_ns, key_ns;
};

static bool begin(const struct wish *wish, struct load_plan *plan, struct start *start)
{
    CK_SESSION_HANDLE session;
    CK_FUNCTION_LIST *p11 = plan->p11;
    const char *call = "";
    char label[64];
    snprintf(label, sizeof(label), "load-%s", wish->op);
    uint64_t began = load_now();
    if (failed("C_Initialize", p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.flags = CKF_OS_LOCKING_OK})))
        return false;
    start->initialize_ns = load_now() - began;
    if (!find_slot(p11, wish->token, &plan->slot) ||
        failed("C_OpenSession",
               p11->C_OpenSession(plan->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session)))
        return false;
    began = load_now();
    if (!login(p11, session, wish->pin_file + 5))
        return false;
    start->login_ns = load_now() - began;
    began = load_now();
    CK_RV rv = load_key_get(p11, session, plan->op, wish->label ? wish->label : label, &plan->key, &call);
    start->key_ns = load_now() - began;
    return !failed(call, rv);
}

static unsigned long long us(uint64_t ns)
{
    return ns / 1000;
}

static void report(const struct load_plan *plan, const struct start *start, const struct load_seen *seen)
{
    struct name_buf buf;
    printf("{\"op\":\"%s\",\"threads\":%u,\"done\":%llu,\"failed\":%llu,\"wrong\":%llu,\"errors\":{",
           plan->op->name, plan->threads, (unsigned long long)seen->done, (unsigned long long)seen->failed,
           (unsigned long long)seen->wrong);
    for (size_t i = 0; i < seen->errors; i++)
        printf("%s\"%s %s\":%llu", i ? "," : "", seen->error[i].call, name_rv(seen->error[i].rv, &buf),
               (unsigned long long)seen->error[i].count);
    printf("},\"seconds\":%.3f,\"per_second\":%.0f,\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu,"
           "\"max_call_us\":%llu,\"max_call\":\"%s\",\"stall_us\":%llu,\"initialize_us\":%llu,\"login_us\":%"
           "llu,\"key_us\":%"
           "llu}\n",
           seen->seconds, (double)seen->done / seen->seconds, us(load_quantile(seen, 0.5)),
           us(load_quantile(seen, 0.99)), us(seen->slowest_op_ns), us(seen->slowest_call_ns),
           seen->slowest_call ? seen->slowest_call : "", us(seen->stall_ns), us(start->initialize_ns),
           us(start->login_ns), us(start->key_ns));
}

static void on_signal(int number)
{
    (void)number;
    load_stop();
}

int main(int argc, char **argv)
{
    struct wish wish = {.module = "p11ha.so", .op = "ecdsa-p256", .size = 256, .threads = 4};
    parse(argc, argv, &wish);
    struct load_plan plan = {
        .p11 = load_module(wish.module),
        .op = load_op_find(wish.op),
        .size = (size_t)wish.size & ~(size_t)15,
        .threads = (unsigned)wish.threads,
        .count = (uint64_t)wish.count,
        .seconds = wish.seconds,
        .rate = wish.rate,
        .live = wish.live,
    };
    struct start start = {0};
    struct load_seen seen;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (!plan.p11 || !begin(&wish, &plan, &start))
        return 3;
    if (!load_run(&plan, &seen)) {
        fprintf(stderr, "load: no session or thread for each of %u\n", plan.threads);
        return 3;
    }
    report(&plan, &start, &seen);
    fflush(stdout);
    EVP_PKEY_free(plan.key.public);
    return failed("C_Finalize", plan.p11->C_Finalize(NULL)) || seen.failed || seen.wrong;
}
