/* The order rules of running operations, the same for each kind. */
#include <string.h>

#include "op.h"

struct subject {
    enum op op;
    const struct mech *mech;
};

static CK_BYTE out[MECH_OUTPUT];

static CK_OBJECT_HANDLE make(const struct subject *subject)
{
    return subject->op == OP_DIGEST ? CK_INVALID_HANDLE : keys_make(op_key(subject->op, subject->mech), NULL);
}

/* What is to be verified: not what a case before has left. */
static void sign_input(const struct subject *subject)
{
    memset(out, 0, sizeof(out));
    if (subject->op == OP_VERIFY)
        (void)mech_make(subject->mech, mech_input(), subject->mech->len, out, sizeof(out));
}

static void begin(const struct subject *subject)
{
    op_init(subject->op, mech_of(subject->mech), make(subject));
}

static CK_RV one(const struct subject *subject)
{
    CK_ULONG len = subject->op == OP_VERIFY ? 256 : sizeof(out);
    sign_input(subject);
    return op_one(subject->op, mech_input(), subject->mech->len, out, &len);
}

static CK_RV update(const struct subject *subject)
{
    CK_ULONG len = sizeof(out);
    return op_update(subject->op, mech_input(), 32, out, &len);
}

static CK_RV final(const struct subject *subject)
{
    CK_ULONG len = subject->op == OP_VERIFY ? 256 : sizeof(out);
    sign_input(subject);
    return op_final(subject->op, out, &len);
}

static void none_one(const void *arg)
{
    one(arg);
}

static void none_update(const void *arg)
{
    update(arg);
}

static void none_final(const void *arg)
{
    final(arg);
}

static void twice(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = make(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    op_init(subject->op, mech_of(subject->mech), key);
    one(subject);
}

static void null_mechanism(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, NULL, make(subject));
}

static void null_mechanism_active(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = make(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    op_init(subject->op, NULL, key);
    one(subject);
}

static void unknown_mechanism(const void *arg)
{
    const struct subject *subject = arg;
    CK_MECHANISM mech = {0x7f001234, NULL, 0};
    op_init(subject->op, &mech, make(subject));
}

static void mechanism_of_another_kind(const void *arg)
{
    const struct subject *subject = arg;
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    op_init(subject->op, &mech, make(subject));
}

static void after_refusal(const void *arg)
{
    const struct subject *subject = arg;
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = make(subject);
    op_init(subject->op, &mech, key);
    one(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    one(subject);
}

static void key_zero(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech), CK_INVALID_HANDLE);
}

static void key_unknown(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech), 0x7ffffff0);
}

static void key_is_no_key(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech), keys_make(KEY_CERTIFICATE, NULL));
}

static void key_destroyed(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = make(subject);
    DO(DestroyObject, world.session, key);
    op_init(subject->op, mech_of(subject->mech), key);
}

static void key_destroyed_after_init(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = make(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    DO(DestroyObject, world.session, key);
    one(subject);
}

static void key_of_a_closed_session(const void *arg)
{
    const struct subject *subject = arg;
    CK_SESSION_HANDLE first = world.session;
    CK_OBJECT_HANDLE key = make(subject);
    world.session = world_open(CKF_RW_SESSION);
    DO(CloseSession, first);
    op_init(subject->op, mech_of(subject->mech), key);
}

static void key_of_another_session(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = make(subject);
    world.session = world_open(0);
    op_init(subject->op, mech_of(subject->mech), key);
    one(subject);
}

static void allowed_mechanisms(const void *arg)
{
    const struct subject *subject = arg;
    CK_MECHANISM_TYPE other[] = {CKM_RSA_X_509, CKM_AES_CTR};
    struct templ with = {.count = 0};
    templ_set(&with, CKA_ALLOWED_MECHANISMS, other, sizeof(other));
    op_init(subject->op, mech_of(subject->mech), keys_make(op_key(subject->op, subject->mech), &with));
}

static void private_key_logged_out(const void *arg)
{
    const struct subject *subject = arg;
    CK_OBJECT_HANDLE key = keys_make_with(op_key(subject->op, subject->mech), CKA_PRIVATE, CK_TRUE);
    DO(Logout, world.session);
    op_init(subject->op, mech_of(subject->mech), key);
}

static void logout_after_init(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech),
            keys_make_with(op_key(subject->op, subject->mech), CKA_PRIVATE, CK_TRUE));
    DO(Logout, world.session);
    one(subject);
}

static void public_key_without_login(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech),
            keys_make_with(op_key(subject->op, subject->mech), CKA_PRIVATE, CK_FALSE));
    one(subject);
}

static void one_after_update(const void *arg)
{
    begin(arg);
    update(arg);
    one(arg);
    final(arg);
}

static void final_at_once(const void *arg)
{
    begin(arg);
    final(arg);
}

static void after_final(const void *arg)
{
    begin(arg);
    update(arg);
    final(arg);
    final(arg);
    update(arg);
}

static void after_length(const void *arg)
{
    const struct subject *subject = arg;
    CK_ULONG len = 0;
    begin(subject);
    op_one(subject->op, mech_input(), subject->mech->len, NULL, &len);
    update(subject);
    final(subject);
}

static void init_after_update(const void *arg)
{
    const struct subject *subject = arg;
    begin(subject);
    update(subject);
    begin(subject);
}

static void empty_update(const void *arg)
{
    const struct subject *subject = arg;
    CK_ULONG len = sizeof(out);
    begin(subject);
    op_update(subject->op, mech_input(), 0, out, &len);
    update(subject);
    final(subject);
}

static void null_input(const void *arg)
{
    const struct subject *subject = arg;
    CK_ULONG len = sizeof(out);
    begin(subject);
    op_one(subject->op, NULL, 10, out, &len);
    one(subject);
}

static void null_update(const void *arg)
{
    const struct subject *subject = arg;
    CK_ULONG len = sizeof(out);
    begin(subject);
    op_update(subject->op, NULL, 10, out, &len);
    final(subject);
}

static void null_length(const void *arg)
{
    const struct subject *subject = arg;
    begin(subject);
    op_one(subject->op, mech_input(), subject->mech->len, out, NULL);
    one(subject);
}

static void null_length_final(const void *arg)
{
    const struct subject *subject = arg;
    begin(subject);
    update(subject);
    op_final(subject->op, out, NULL);
    final(subject);
}

static void null_signature(const void *arg)
{
    const struct subject *subject = arg;
    CK_ULONG len = 256;
    begin(subject);
    op_one(subject->op, mech_input(), subject->mech->len, NULL, &len);
    one(subject);
}

static void while_finding(const void *arg)
{
    DO(FindObjectsInit, world.session, NULL, 0);
    begin(arg);
}

static void while_digesting(const void *arg)
{
    CK_MECHANISM mech = {CKM_SHA512, NULL, 0};
    DO(DigestInit, world.session, &mech);
    begin(arg);
}

static void find_meanwhile(const void *arg)
{
    begin(arg);
    DO(FindObjectsInit, world.session, NULL, 0);
}

static void two_sessions(const void *arg)
{
    const struct subject *subject = arg;
    CK_SESSION_HANDLE first = world.session, second = world_open(0);
    CK_OBJECT_HANDLE key = make(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    world.session = second;
    op_init(subject->op, mech_of(subject->mech), key);
    one(subject);
    world.session = first;
    one(subject);
}

static void session_closed_meanwhile(const void *arg)
{
    begin(arg);
    DO(CloseSession, world.session);
    one(arg);
}

static void always_authenticate(const void *arg)
{
    const struct subject *subject = arg;
    static CK_UTF8CHAR wrong[] = "wrong-pin";
    struct templ with = {.count = 0};
    templ_bool(&with, CKA_PRIVATE, CK_TRUE);
    templ_bool(&with, CKA_ALWAYS_AUTHENTICATE, CK_TRUE);
    CK_OBJECT_HANDLE key = keys_make(op_key(subject->op, subject->mech), &with);
    op_init(subject->op, mech_of(subject->mech), key);
    one(subject);
    op_init(subject->op, mech_of(subject->mech), key);
    DO(Login, world.session, CKU_CONTEXT_SPECIFIC, wrong, sizeof(wrong) - 1);
    DO(Login, world.session, CKU_CONTEXT_SPECIFIC, world.pin, world.pin_len);
    one(subject);
}

enum { NEEDS_KEY = 1, NEEDS_OUTPUT = 2, NEEDS_PRIVATE = 4, NEEDS_VERIFY = 8 };

static const struct {
    const char *step, *name;
    enum setup setup;
    unsigned needs;
    void (*run)(const void *arg);
} rules[] = {
    {"", "no-operation", SETUP_USER, 0, none_one},
    {"Update", "no-operation", SETUP_USER, 0, none_update},
    {"Final", "no-operation", SETUP_USER, 0, none_final},
    {"Init", "twice", SETUP_USER, 0, twice},
    {"Init", "null-mechanism", SETUP_USER, 0, null_mechanism},
    {"Init", "null-mechanism-active", SETUP_USER, 0, null_mechanism_active},
    {"Init", "unknown-mechanism", SETUP_USER, 0, unknown_mechanism},
    {"Init", "mechanism-of-another-kind", SETUP_USER, 0, mechanism_of_another_kind},
    {"Init", "after-refusal", SETUP_USER, 0, after_refusal},
    {"Init", "key-zero", SETUP_USER, NEEDS_KEY, key_zero},
    {"Init", "key-unknown", SETUP_USER, NEEDS_KEY, key_unknown},
    {"Init", "key-is-no-key", SETUP_USER, NEEDS_KEY, key_is_no_key},
    {"Init", "key-destroyed", SETUP_USER, NEEDS_KEY, key_destroyed},
    {"", "key-destroyed-after-init", SETUP_USER, NEEDS_KEY, key_destroyed_after_init},
    {"Init", "key-of-a-closed-session", SETUP_USER, NEEDS_KEY, key_of_a_closed_session},
    {"Init", "key-of-another-session", SETUP_USER, NEEDS_KEY, key_of_another_session},
    {"Init", "allowed-mechanisms", SETUP_USER, NEEDS_KEY, allowed_mechanisms},
    {"Init", "private-key-logged-out", SETUP_USER, NEEDS_KEY, private_key_logged_out},
    {"", "logout-after-init", SETUP_USER, NEEDS_KEY, logout_after_init},
    {"", "public-key-without-login", SETUP_PUBLIC, NEEDS_KEY, public_key_without_login},
    {"", "one-after-update", SETUP_USER, 0, one_after_update},
    {"Final", "at-once", SETUP_USER, 0, final_at_once},
    {"Final", "after-final", SETUP_USER, 0, after_final},
    {"Update", "after-length", SETUP_USER, NEEDS_OUTPUT, after_length},
    {"Init", "after-update", SETUP_USER, 0, init_after_update},
    {"Update", "empty", SETUP_USER, 0, empty_update},
    {"", "null-input", SETUP_USER, 0, null_input},
    {"Update", "null-input", SETUP_USER, 0, null_update},
    {"", "null-length", SETUP_USER, NEEDS_OUTPUT, null_length},
    {"Final", "null-length", SETUP_USER, NEEDS_OUTPUT, null_length_final},
    {"", "null-signature", SETUP_USER, NEEDS_VERIFY, null_signature},
    {"Init", "while-finding", SETUP_USER, 0, while_finding},
    {"Init", "while-digesting", SETUP_USER, 0, while_digesting},
    {"Init", "find-meanwhile", SETUP_USER, 0, find_meanwhile},
    {"Init", "two-sessions", SETUP_USER, 0, two_sessions},
    {"", "session-closed-meanwhile", SETUP_USER, 0, session_closed_meanwhile},
    {"", "always-authenticate", SETUP_USER, NEEDS_PRIVATE, always_authenticate},
};

static bool fits(enum op op, unsigned needs)
{
    return !((needs & NEEDS_KEY && op == OP_DIGEST) || (needs & NEEDS_OUTPUT && op == OP_VERIFY) ||
             (needs & NEEDS_PRIVATE && op != OP_SIGN && op != OP_DECRYPT) ||
             (needs & NEEDS_VERIFY && op != OP_VERIFY));
}

void chapter_order(void)
{
    const struct subject subjects[] = {
        {OP_ENCRYPT, &mech_ciphers[0]}, {OP_DECRYPT, &mech_ciphers[0]}, {OP_SIGN, &mech_signs[0]},
        {OP_VERIFY, &mech_signs[0]},    {OP_DIGEST, &mech_digests[0]},
    };
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        for (size_t j = 0; j < ARRAY_LEN(rules); j++)
            if (fits(subjects[i].op, rules[j].needs))
                world_run("order",
                          &(struct test){op_name(subjects[i].op, rules[j].step), rules[j].name,
                                         rules[j].setup, rules[j].run},
                          &subjects[i]);
}
