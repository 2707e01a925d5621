/*
 * One call's way through chaos: whose token is it, count it, apply the rules, enter the module, and back.
 *
 *   struct pass pass;
 *   CK_RV rv = pass_begin(&pass, CALL_C_Sign, session);
 *   ... data_handle() and data_mechanism() for handles that go in, while rv is CKR_OK ...
 *   if (rv == CKR_OK && (rv = pass_enter(&pass)) == CKR_OK) {
 *       rv = pass.real->f.C_Sign(...);
 *       ... data_bytes(), data_handles() for what comes out ...
 *   }
 *   return pass_end(&pass, rv);
 */
#ifndef CHAOS_PASS_H
#define CHAOS_PASS_H

#include <stdbool.h>

#include "pkcs11-headers/pkcs11.h"
#include "test/chaos/control.h"
#include "test/chaos/real.h"
#include "test/chaos/session.h"
#include "test/chaos/token.h"

#define PASS_PARAM_MAX 128
#define PASS_ANSWERED  (~0UL) /* a rule has answered; pass_end says what */

struct pass {
    enum call_id call;
    CK_ULONG at;             /* its first argument */
    const struct real *real; /* set by pass_enter */
    bool inside;
    struct session *session; /* held, or NULL */
    struct token *token;     /* NULL: unknown */
    struct counts_token *row;
    unsigned epoch; /* of the token's object handles */
    bool corrupt, gone;
    bool answered; /* by a rule, with `answer` */
    CK_RV answer;
    const struct rule *late;
    uint64_t late_ns;
    const struct rule *network;
    uint64_t finish; /* when the simulated HSM answers */

    CK_MECHANISM mechanism; /* with its handles translated, where there are any */
    _Alignas(8) unsigned char param[PASS_PARAM_MAX];
};

/* Reads the environment and opens what it names. CKR_GENERAL_ERROR: said on stderr. Before C_Initialize's
 * pass_begin. */
CK_RV pass_open(void);

/* `at` is the call's first argument: slot, session, or 0. Other than CKR_OK: the module is not to be called.
 */
CK_RV pass_begin(struct pass *pass, enum call_id call, CK_ULONG at);
/* Waits for the simulated HSM if there is one, and enters the module. Nothing in between may fail any more.
 */
CK_RV pass_enter(struct pass *pass);
CK_RV pass_end(struct pass *pass, CK_RV rv);

/* Whether a `gone` rule takes the token of that slot out of the list of slots. */
bool pass_hides(CK_SLOT_ID slot);
/* The token in the slot, asked of the module if it is not known. NULL: it does not say. */
struct token *pass_token(CK_SLOT_ID slot);
/* Is this a forked child's first call? Then chaos's own state is made usable again. */
void pass_check_fork(void);

#endif
