/* A PKCS#11 module loaded as an application does it, with one token of it logged in. For bench only. */
#ifndef TOOL_BENCH_LOAD_H
#define TOOL_BENCH_LOAD_H

#include "pkcs11-headers/pkcs11.h"
#include "tool/option.h"
#include "tool/verb.h"

struct bench_source {
    const char *path;
    const char *init_args;          /* pReserved, or NULL */
    const char *token;              /* label, or NULL: the only token there is */
    const char *pin_source;         /* or NULL: asked for, if the token wants a login */
    const struct option_texts *env; /* NAME=VALUE, set before the module is loaded */
    bool apart; /* as a copy with data of its own; `env` is taken back once it is initialised */
};

struct bench_module {
    const char *path;
    CK_FUNCTION_LIST *calls;
    CK_SLOT_ID slot;
    char label[33];           /* the token's */
    CK_SESSION_HANDLE keeper; /* read-write, logged in, open until bench_unload; owns session objects */
    bool initialized, ours;   /* ours: nobody else in the process had initialised it */
};

/* EXIT_GOOD, or another code after saying why. The module's code stays mapped after bench_unload. */
MUST_USE enum exit_code bench_load(const struct bench_source *source, struct bench_module *ret);
void bench_unload(struct bench_module *module);

/* Do both paths lead to one file? */
bool bench_load_same(const char *a, const char *b);

#endif
