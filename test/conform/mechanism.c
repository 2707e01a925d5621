/* Every mechanism in every operation that it can do: results, lengths, parts, inputs and keys that do not
 * fit. */
#include <stdio.h>
#include <string.h>

#include "op.h"

struct subject {
    enum op op;
    const struct mech *mech;
    /* What goes in, and for OP_VERIFY the signature. */
    CK_BYTE in[MECH_OUTPUT], made[MECH_OUTPUT];
    CK_ULONG len, made_len;
    CK_OBJECT_HANDLE key;
};

/* Good input for the operation: for decryption and verification OpenSSL's work. */
static void prepare(struct subject *subject, enum op op, const struct mech *mech)
{
    subject->op = op;
    subject->mech = mech;
    subject->made_len = MECH_OUTPUT;
    subject->len = mech->len;
    memcpy(subject->in, mech_input(), mech->len);
    if (op == OP_DECRYPT)
        subject->len = mech_make(mech, mech_input(), mech->len, subject->in, MECH_OUTPUT);
    if (op == OP_VERIFY)
        subject->made_len = mech_make(mech, mech_input(), mech->len, subject->made, MECH_OUTPUT);
}

static void judge(const struct subject *subject, CK_RV rv)
{
    const struct mech *mech = subject->mech;
    const CK_BYTE *plain = mech_input();
    if (rv != CKR_OK || !op_has_output(subject->op))
        return;
    bool good = subject->op == OP_DECRYPT
                    ? subject->made_len == mech->len && memcmp(subject->made, plain, mech->len) == 0
                    : mech_check(mech, plain, mech->len, subject->made, subject->made_len);
    record_say("len=%lu openssl=%s", subject->made_len, good ? "agrees" : "DISAGREES");
}

static CK_RV begin(struct subject *subject)
{
    subject->key = CK_INVALID_HANDLE;
    if (subject->op != OP_DIGEST)
        subject->key = keys_make(op_key(subject->op, subject->mech), NULL);
    return op_init(subject->op, mech_of(subject->mech), subject->key);
}

static void one(struct subject *subject)
{
    judge(subject, op_one(subject->op, subject->in, subject->len, subject->made, &subject->made_len));
}

static void one_shot(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    one(&subject);
    /* It has ended. */
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
}

static void length(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.made_len = 0;
    op_one(subject.op, subject.in, subject.len, NULL, &subject.made_len);
    record_say("len=%lu", subject.made_len);
    subject.made_len = MECH_OUTPUT;
    one(&subject);
}

static void small_buffer(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.made_len = 1;
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
    record_say("len=%lu", subject.made_len);
    subject.made_len = MECH_OUTPUT;
    one(&subject);
}

/* In pieces of 1, 2, 3 ... bytes; what comes out each time is the token's business, the sum is not. */
static CK_RV feed(struct subject *subject, CK_ULONG *ret_total)
{
    CK_ULONG at = 0, total = 0, some, room;
    for (CK_ULONG piece = 1; at < subject->len; piece++, at += some) {
        some = size_min(piece * 5, subject->len - at);
        room = MECH_OUTPUT - total;
        CK_RV rv = op_update(subject->op, subject->in + at, some, subject->made + total, &room);
        if (rv != CKR_OK)
            return rv;
        if (subject->op == OP_ENCRYPT || subject->op == OP_DECRYPT) {
            record_say("%lu", room);
            total += room;
        }
    }
    *ret_total = total;
    return CKR_OK;
}

static void parts(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    CK_ULONG total = 0, rest = MECH_OUTPUT;
    begin(&subject);
    if (feed(&subject, &total) != CKR_OK)
        return;
    if (subject.op == OP_VERIFY) {
        op_final(subject.op, subject.made, &subject.made_len);
        return;
    }
    rest -= total;
    CK_RV rv = op_final(subject.op, subject.made + total, &rest);
    subject.made_len = total + rest;
    judge(&subject, rv);
}

static void parts_lengths(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    CK_ULONG total = 0, rest = 0;
    begin(&subject);
    if (feed(&subject, &total) != CKR_OK)
        return;
    op_final(subject.op, NULL, &rest);
    record_say("len=%lu", rest);
    if (rest > 1) {
        CK_ULONG little = 1;
        op_final(subject.op, subject.made + total, &little);
        record_say("len=%lu", little);
    }
    rest = MECH_OUTPUT - total;
    CK_RV rv = op_final(subject.op, subject.made + total, &rest);
    subject.made_len = total + rest;
    judge(&subject, rv);
}

static void no_parts(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    op_update(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
}

static void bad_length(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.len = subject.mech->bad_len;
    memset(subject.in, 1, subject.len);
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
}

static void bad_length_parts(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.made_len = MECH_OUTPUT;
    op_update(subject.op, subject.in, 33, subject.made, &subject.made_len);
    subject.made_len = MECH_OUTPUT;
    op_final(subject.op, subject.made, &subject.made_len);
}

static void empty(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.made_len = MECH_OUTPUT;
    CK_RV rv = op_one(subject.op, subject.in, 0, subject.made, &subject.made_len);
    if (rv == CKR_OK)
        record_say("len=%lu", subject.made_len);
}

/* The last byte is another one. */
static void damaged(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    if (subject.op == OP_VERIFY)
        subject.made[subject.made_len - 1] ^= 1;
    else
        subject.in[subject.len - 1] ^= 1;
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
}

static void damaged_parts(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    CK_ULONG total;
    begin(&subject);
    subject.made[subject.made_len - 1] ^= 1;
    if (feed(&subject, &total) == CKR_OK)
        op_final(subject.op, subject.made, &subject.made_len);
}

static void short_signature(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    begin(&subject);
    subject.made_len--;
    op_one(subject.op, subject.in, subject.len, subject.made, &subject.made_len);
}

static void key_of_another_type(const void *arg)
{
    const struct subject *subject = arg;
    static const enum key others[OPS] = {KEY_EC256_PUBLIC, KEY_EC256, KEY_EC256, KEY_EC256_PUBLIC};
    enum key key = subject->mech->family == FAMILY_EC ? KEY_GENERIC : others[subject->op];
    op_init(subject->op, mech_of(subject->mech), keys_make(key, NULL));
}

static void key_without_the_flag(const void *arg)
{
    const struct subject *subject = arg;
    op_init(subject->op, mech_of(subject->mech),
            keys_make_with(op_key(subject->op, subject->mech), op_usage(subject->op), CK_FALSE));
}

/* One that the mechanism does not take, or one too short. */
static void parameter(const void *arg)
{
    static CK_BYTE other[5] = "12345";
    struct subject subject = *(const struct subject *)arg;
    CK_MECHANISM mech = {subject.mech->type, other, sizeof(other)};
    if (subject.op != OP_DIGEST)
        subject.key = keys_make(op_key(subject.op, subject.mech), NULL);
    op_init(subject.op, &mech, subject.key);
}

static void no_parameter(const void *arg)
{
    struct subject subject = *(const struct subject *)arg;
    CK_MECHANISM mech = {subject.mech->type, NULL, 0};
    op_init(subject.op, &mech, keys_make(op_key(subject.op, subject.mech), NULL));
}

struct trait {
    const char *name, *step;
    void (*run)(const void *arg);
    bool (*fits)(const struct subject *subject);
};

static bool always(const struct subject *subject)
{
    return subject != NULL;
}

static bool gives(const struct subject *subject)
{
    return op_has_output(subject->op);
}

static bool has_parts(const struct subject *subject)
{
    return subject->mech->parts;
}

static bool gives_parts(const struct subject *subject)
{
    return has_parts(subject) && gives(subject);
}

static bool lacks_parts(const struct subject *subject)
{
    return !subject->mech->parts;
}

static bool can_be_bad(const struct subject *subject)
{
    return subject->mech->bad_len && subject->op != OP_DECRYPT && subject->op != OP_VERIFY;
}

static bool can_be_bad_parts(const struct subject *subject)
{
    return has_parts(subject) && subject->mech->bad_len;
}

static bool is_checked(const struct subject *subject)
{
    return subject->op == OP_VERIFY || (subject->op == OP_DECRYPT && subject->mech->param == PARAM_GCM);
}

static bool is_verified(const struct subject *subject)
{
    return subject->op == OP_VERIFY;
}

static bool is_verified_parts(const struct subject *subject)
{
    return is_verified(subject) && has_parts(subject);
}

static bool has_key(const struct subject *subject)
{
    return subject->op != OP_DIGEST;
}

static bool wants_parameter(const struct subject *subject)
{
    return has_key(subject) && subject->mech->param != PARAM_NONE;
}

static const struct trait traits[] = {
    {"one-shot", "", one_shot, always},
    {"length", "", length, gives},
    {"small-buffer", "", small_buffer, gives},
    {"empty", "", empty, always},
    {"bad-length", "", bad_length, can_be_bad},
    {"damaged", "", damaged, is_checked},
    {"short-signature", "", short_signature, is_verified},
    {"parts", "Update", parts, has_parts},
    {"no-parts", "Update", no_parts, lacks_parts},
    {"parts-lengths", "Final", parts_lengths, gives_parts},
    {"parts-bad-length", "Final", bad_length_parts, can_be_bad_parts},
    {"parts-damaged", "Final", damaged_parts, is_verified_parts},
    {"key-of-another-type", "Init", key_of_another_type, has_key},
    {"key-without-the-flag", "Init", key_without_the_flag, has_key},
    {"other-parameter", "Init", parameter, always},
    {"no-parameter", "Init", no_parameter, wants_parameter},
};

static void run_each(const char *chapter, enum op op, const struct mech *mechs, size_t count)
{
    static struct subject subject;
    for (size_t i = 0; i < count; i++) {
        prepare(&subject, op, &mechs[i]);
        for (size_t j = 0; j < ARRAY_LEN(traits); j++) {
            if (!traits[j].fits(&subject))
                continue;
            char name[80];
            snprintf(name, sizeof(name), "%s.%s", mechs[i].name, traits[j].name);
            world_run(chapter, &(struct test){op_name(op, traits[j].step), name, SETUP_USER, traits[j].run},
                      &subject);
        }
    }
}

void chapter_mechanism(void)
{
    run_each("digest", OP_DIGEST, mech_digests, mech_digest_count);
    run_each("encrypt", OP_ENCRYPT, mech_ciphers, mech_cipher_count);
    run_each("decrypt", OP_DECRYPT, mech_ciphers, mech_cipher_count);
    run_each("sign", OP_SIGN, mech_signs, mech_sign_count);
    run_each("verify", OP_VERIFY, mech_signs, mech_sign_count);
}
