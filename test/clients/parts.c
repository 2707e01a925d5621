/*
 * Every mechanism that can be fed in parts: sizes from nothing to 4 MiB, cut at random, while the member that
 * has the operation fails at a random part. The result is that of an undisturbed run, byte for byte; a
 * randomised signature verifies. Usage: parts MODULE TOKEN CONTROL..., where each CONTROL is a member's chaos
 * file, and CLIENT_PIN the PIN.
 * PARTS_SEED repeats a run, PARTS_ONLY=NAME takes one mechanism.
 */
#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/clients/client.h"
#include "test/clients/parts_mechs.h"
#include "test/lib/chaos_ctl.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LARGE        ((size_t)4 << 20)
#define ROOM         (LARGE + 4096)
#define MEMBERS      8
#define PARTS        9
#define RECOVERY_MS  4000 /* in which a member that is well again is found to be */

enum kind { ENCRYPT, DECRYPT, SIGN, VERIFY, DIGEST, KINDS };
static const char *const kind_name[KINDS] = {"encrypt", "decrypt", "sign", "verify", "digest"};
static const char *const kind_calls[KINDS] = {"Encrypt", "Decrypt", "Sign", "Verify", "Digest"};
static const size_t sizes[] = {0, 1, 16, 100, 5000, 70000, LARGE};

static struct client client;
static CK_OBJECT_HANDLE key_in[KEY_KINDS], key_out[KEY_KINDS]; /* encrypts or signs; decrypts or verifies */
static char **control;
static unsigned members, faults, removals, number;
static uint8_t *text, *result, *again, *signature;

struct op {
    enum kind kind;
    CK_MECHANISM mech;
    CK_OBJECT_HANDLE key;
    unsigned block;
    const uint8_t *in;
    size_t in_len;
    const uint8_t *signature;
    size_t signature_len;
    uint8_t *out;
    size_t out_len;
};

static size_t below(size_t limit)
{
    return limit ? (size_t)random() % limit : 0;
}

/* --- which member has the operation, and its failure --- */

static uint64_t inits[MEMBERS];
static long down_at[MEMBERS];

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t count_inits(unsigned member, enum kind kind)
{
    char path[1024], function[64];
    uint64_t calls = 0, ok = 0, failed = 0;
    snprintf(path, sizeof(path), "%s.counts", control[member]);
    snprintf(function, sizeof(function), "C_%sInit", kind_calls[kind]);
    return chaos_count(path, "*", function, &calls, &ok, &failed) == 0 ? calls : 0;
}

static void watch(enum kind kind)
{
    for (unsigned i = 0; i < members; i++)
        inits[i] = count_inits(i, kind);
}

static void steer(unsigned member, const char *rules)
{
    if (chaos_set(control[member], rules) != 0)
        client_die("chaos_set", CKR_GENERAL_ERROR);
}

static bool others_are_well(unsigned member)
{
    for (unsigned i = 0; i < members; i++)
        if (i != member && now_ms() < down_at[i] + RECOVERY_MS)
            return false;
    return true;
}

/* The member that has the operation: removed, if the others have not been so lately; else it loses its
 * sessions or answers that something went wrong. */
static void fail_one(enum kind kind)
{
    static const char *const hard[] = {"* gone", "crypto rv=CKR_DEVICE_REMOVED times=1"};
    static const char *const soft[] = {"crypto lose-sessions", "crypto rv=CKR_GENERAL_ERROR times=1"};
    char rule[200];
    for (unsigned i = 0; i < members; i++) {
        if (count_inits(i, kind) == inits[i])
            continue;
        bool remove = others_are_well(i);
        if (remove)
            down_at[i] = now_ms();
        snprintf(rule, sizeof(rule), "* %s id=%u\n", (remove ? hard : soft)[number / 2 % 2], number);
        number++;
        steer(i, rule);
        faults++;
        removals += remove;
        return;
    }
}

static void all_well(void)
{
    for (unsigned i = 0; i < members; i++)
        steer(i, "");
}

/* --- one operation --- */

static CK_RV begin(struct op *op)
{
    CK_FUNCTION_LIST *p11 = client.p11;
    switch (op->kind) {
    case ENCRYPT:
        return p11->C_EncryptInit(client.session, &op->mech, op->key);
    case DECRYPT:
        return p11->C_DecryptInit(client.session, &op->mech, op->key);
    case SIGN:
        return p11->C_SignInit(client.session, &op->mech, op->key);
    case VERIFY:
        return p11->C_VerifyInit(client.session, &op->mech, op->key);
    default:
        return p11->C_DigestInit(client.session, &op->mech);
    }
}

static CK_RV feed(struct op *op, const uint8_t *part, size_t len)
{
    CK_FUNCTION_LIST *p11 = client.p11;
    CK_BYTE *in = (CK_BYTE *)(uintptr_t)part;
    CK_ULONG room = ROOM - op->out_len;
    CK_RV rv;
    switch (op->kind) {
    case ENCRYPT:
        rv = p11->C_EncryptUpdate(client.session, in, len, op->out + op->out_len, &room);
        break;
    case DECRYPT:
        rv = p11->C_DecryptUpdate(client.session, in, len, op->out + op->out_len, &room);
        break;
    case SIGN:
        return p11->C_SignUpdate(client.session, in, len);
    case VERIFY:
        return p11->C_VerifyUpdate(client.session, in, len);
    default:
        return p11->C_DigestUpdate(client.session, in, len);
    }
    op->out_len += rv == CKR_OK ? room : 0;
    return rv;
}

static CK_RV finish(struct op *op)
{
    CK_FUNCTION_LIST *p11 = client.p11;
    CK_ULONG room = ROOM - op->out_len;
    CK_RV rv;
    switch (op->kind) {
    case ENCRYPT:
        rv = p11->C_EncryptFinal(client.session, op->out + op->out_len, &room);
        break;
    case DECRYPT:
        rv = p11->C_DecryptFinal(client.session, op->out + op->out_len, &room);
        break;
    case SIGN:
        rv = p11->C_SignFinal(client.session, op->out, &room);
        break;
    case VERIFY:
        return p11->C_VerifyFinal(client.session, (CK_BYTE *)(uintptr_t)op->signature, op->signature_len);
    default:
        rv = p11->C_DigestFinal(client.session, op->out, &room);
    }
    op->out_len += rv == CKR_OK ? room : 0;
    return rv;
}

/* How an input is cut up; the same way for the runs that are compared. */
struct cuts {
    size_t parts, len[PARTS];
};

static struct cuts cut_up(size_t len, unsigned block)
{
    struct cuts cuts = {.parts = 1 + below(PARTS - 1)};
    for (size_t i = 0; i < cuts.parts; i++) {
        cuts.len[i] = i + 1 == cuts.parts ? len : below(len + 1);
        /* softokn takes whole blocks only. */
        if (block && i + 1 < cuts.parts)
            cuts.len[i] -= cuts.len[i] % block;
        len -= cuts.len[i];
    }
    return cuts;
}

/* What an operation that failed has left in the session goes with it. */
static void renew_session(void)
{
    CK_SESSION_HANDLE old = client.session;
    CK_SESSION_INFO info;
    client_need("C_GetSessionInfo", client.p11->C_GetSessionInfo(old, &info));
    client_need("C_OpenSession", client.p11->C_OpenSession(info.slotID, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                           NULL, NULL, &client.session));
    client_need("C_CloseSession", client.p11->C_CloseSession(old));
}

/* `disturbed`: a failure before one of the parts, or before the final. */
static CK_RV run(struct op *op, const struct cuts *cuts, bool disturbed)
{
    size_t when = disturbed ? below(cuts->parts + 1) : cuts->parts + 1;
    const uint8_t *in = op->in;
    op->out_len = 0;
    watch(op->kind);
    CK_RV rv = begin(op);
    for (size_t i = 0; i < cuts->parts && rv == CKR_OK; in += cuts->len[i++]) {
        if (i == when)
            fail_one(op->kind);
        if (cuts->len[i] > 0)
            rv = feed(op, in, cuts->len[i]);
    }
    if (when == cuts->parts && rv == CKR_OK)
        fail_one(op->kind);
    if (rv == CKR_OK)
        rv = finish(op);
    if (disturbed)
        all_well();
    if (rv != CKR_OK)
        renew_session();
    return rv;
}

/* --- one mechanism --- */

static char why[200];
static unsigned worked; /* undisturbed operations of this mechanism */

static bool wrong(const char *what, const struct op *op, CK_RV rv)
{
    snprintf(why, sizeof(why), "%s: %s of %zu bytes, answer 0x%lx", what, kind_name[op->kind], op->in_len,
             rv);
    return false;
}

/* Undisturbed into op->out, then disturbed into `again`: the same answer, and but for `random_one` the same
 * output. */
static bool alike(struct op *op, bool random_one, CK_RV *ret)
{
    struct cuts cuts = cut_up(op->in_len, op->block);
    struct op other = *op;
    other.out = again;
    *ret = run(op, &cuts, false);
    CK_RV rv = run(&other, &cuts, true);
    if (rv != *ret)
        return wrong("another answer", &other, rv);
    worked += rv == CKR_OK;
    return rv != CKR_OK ||
           (other.out_len == op->out_len && (random_one || memcmp(other.out, op->out, op->out_len) == 0)) ||
           wrong("differs", &other, rv);
}

static bool cipher(struct op op, const struct parts_mech *mech)
{
    CK_RV rv;
    op.out = result;
    op.kind = ENCRYPT;
    if (!alike(&op, false, &rv))
        return false;
    if (rv != CKR_OK)
        return true;
    struct op back = op;
    back.kind = DECRYPT;
    back.key = key_out[mech->key];
    back.in = result;
    back.in_len = op.out_len;
    back.out = signature;
    if (!alike(&back, false, &rv))
        return false;
    return rv != CKR_OK || (back.out_len == op.in_len && memcmp(back.out, op.in, op.in_len) == 0) ||
           wrong("is not what was encrypted", &back, rv);
}

static bool sign(struct op op, const struct parts_mech *mech)
{
    CK_RV rv;
    op.out = signature;
    op.kind = SIGN;
    if (!alike(&op, mech->key == KEY_EC || mech->key == KEY_DSA || mech->param == PARAM_PSS, &rv))
        return false;
    if (rv != CKR_OK)
        return true;
    /* The disturbed one's. */
    memcpy(signature, again, op.out_len);
    struct op check = op;
    check.kind = VERIFY;
    check.key = key_out[mech->key];
    check.signature = signature;
    check.signature_len = op.out_len;
    check.out = result;
    check.out_len = 0;
    if (!alike(&check, true, &rv))
        return false;
    /* softokn verifies some of what it signs not at all; that is its answer, disturbed or not. */
    if (rv != CKR_OK)
        return rv != CKR_SIGNATURE_INVALID || wrong("does not verify", &check, rv);
    /* Undisturbed: softokn calls a wrong MAC a DEVICE_ERROR, and such requests use up the retry budget. */
    signature[check.signature_len / 2] ^= 1;
    struct cuts cuts = cut_up(check.in_len, check.block);
    rv = run(&check, &cuts, false);
    return rv != CKR_OK || wrong("takes a wrong signature", &check, rv);
}

static bool digest(struct op op)
{
    CK_RV rv;
    op.out = result;
    op.kind = DIGEST;
    return alike(&op, false, &rv);
}

union param {
    CK_BYTE iv[16];
    CK_AES_CTR_PARAMS counter;
    CK_GCM_PARAMS gcm;
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_RC2_CBC_PARAMS rc2;
    CK_ULONG length;
};

static CK_MECHANISM with_param(const struct parts_mech *mech, union param *param)
{
    static CK_BYTE iv[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    CK_MECHANISM made = {mech->type, param, 0};
    memset(param, 0, sizeof(*param));
    switch (mech->param) {
    case PARAM_NOTHING:
        made.pParameter = NULL;
        break;
    case PARAM_IV8:
    case PARAM_IV16:
        memcpy(param->iv, iv, sizeof(iv));
        made.ulParameterLen = mech->param == PARAM_IV8 ? 8 : 16;
        break;
    case PARAM_COUNTER:
        param->counter.ulCounterBits = 128;
        memcpy(param->counter.cb, iv, sizeof(iv));
        made.ulParameterLen = sizeof(param->counter);
        break;
    case PARAM_AEAD:
        param->gcm = (CK_GCM_PARAMS){
            .pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .pAAD = iv, .ulAADLen = 16, .ulTagBits = 128};
        made.ulParameterLen = sizeof(param->gcm);
        break;
    case PARAM_PSS:
        param->pss = (CK_RSA_PKCS_PSS_PARAMS){mech->digest, mech->mgf, 20};
        made.ulParameterLen = sizeof(param->pss);
        break;
    case PARAM_LENGTH:
        param->length = 8;
        made.ulParameterLen = sizeof(param->length);
        break;
    case PARAM_RC2_IV:
        param->rc2.ulEffectiveBits = 128;
        memcpy(param->rc2.iv, iv, 8);
        made.ulParameterLen = sizeof(param->rc2);
        break;
    }
    return made;
}

static bool one_size(const struct parts_mech *mech, size_t size)
{
    union param param;
    struct op op = {.mech = with_param(mech, &param),
                    .key = key_in[mech->key],
                    .block = mech->block,
                    .in = text,
                    .in_len = size};
    if (mech->block)
        op.in_len -= size % mech->block;
    if (mech->does == CIPHER)
        return cipher(op, mech);
    return mech->does == SIGNER ? sign(op, mech) : digest(op);
}

/* Not offered in parts by this token: no case. An empty input is none for some. */
static bool is_offered(const struct parts_mech *mech)
{
    CK_MECHANISM_INFO info;
    CK_FLAGS flag = mech->does == CIPHER ? CKF_ENCRYPT : mech->does == SIGNER ? CKF_SIGN : CKF_DIGEST;
    CK_SESSION_INFO session;
    client_need("C_GetSessionInfo", client.p11->C_GetSessionInfo(client.session, &session));
    return client.p11->C_GetMechanismInfo(session.slotID, mech->type, &info) == CKR_OK && (info.flags & flag);
}

/* --- keys --- */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void make_secret(enum key_kind kind, CK_MECHANISM_TYPE type, CK_ULONG len)
{
    CK_MECHANISM mech = {type, NULL, 0};
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &yes, 1},       {CKA_ENCRYPT, &yes, 1},
                            {CKA_DECRYPT, &yes, 1},     {CKA_SIGN, &yes, 1},
                            {CKA_VERIFY, &yes, 1},      {CKA_SENSITIVE, &no, 1},
                            {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}};
    CK_ULONG count = COUNT(templ) - (len == 0);
    if (client.p11->C_GenerateKey(client.session, &mech, templ, count, &key_in[kind]) == CKR_OK)
        key_out[kind] = key_in[kind];
}

static void make_pair(enum key_kind kind, CK_MECHANISM_TYPE type, const CK_ATTRIBUTE *more, CK_ULONG count)
{
    CK_MECHANISM mech = {type, NULL, 0};
    CK_ATTRIBUTE public[8] = {{CKA_TOKEN, &yes, 1}, {CKA_VERIFY, &yes, 1}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_SENSITIVE, &yes, 1}};
    memcpy(public + 2, more, count * sizeof(*more));
    (void)client.p11->C_GenerateKeyPair(client.session, &mech, public, 2 + count, private, COUNT(private),
                                        &key_out[kind], &key_in[kind]);
}

static void make_dsa(void)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_G};
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_PRIME, CKA_SUBPRIME, CKA_BASE};
    CK_BYTE part[3][256];
    CK_ATTRIBUTE domain[3];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, NULL);
    EVP_PKEY *made = NULL;
    if (!ctx || EVP_PKEY_paramgen_init(ctx) != 1 || EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 1024) != 1 ||
        EVP_PKEY_paramgen(ctx, &made) != 1)
        client_die("DSA parameters", CKR_GENERAL_ERROR);
    for (int i = 0; i < 3; i++) {
        BIGNUM *n = NULL;
        if (EVP_PKEY_get_bn_param(made, names[i], &n) != 1)
            client_die("DSA parameters", CKR_GENERAL_ERROR);
        domain[i] = (CK_ATTRIBUTE){types[i], part[i], (CK_ULONG)BN_bn2bin(n, part[i])};
        BN_free(n);
    }
    make_pair(KEY_DSA, CKM_DSA_KEY_PAIR_GEN, domain, 3);
    EVP_PKEY_free(made);
    EVP_PKEY_CTX_free(ctx);
}

static void make_keys(void)
{
    CK_ULONG bits = 2048;
    CK_BYTE e[] = {1, 0, 1}, p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_ATTRIBUTE rsa[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_PUBLIC_EXPONENT, e, sizeof(e)}};
    CK_ATTRIBUTE ec[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}};
    make_secret(KEY_AES, CKM_AES_KEY_GEN, 32);
    make_secret(KEY_DES, CKM_DES_KEY_GEN, 0);
    make_secret(KEY_DES3, CKM_DES3_KEY_GEN, 0);
    make_secret(KEY_SECRET, CKM_GENERIC_SECRET_KEY_GEN, 64);
    make_secret(KEY_CAMELLIA, CKM_CAMELLIA_KEY_GEN, 32);
    make_secret(KEY_SEED, CKM_SEED_KEY_GEN, 0);
    make_secret(KEY_RC2, CKM_RC2_KEY_GEN, 16);
    make_secret(KEY_RC4, CKM_RC4_KEY_GEN, 16);
    make_pair(KEY_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa, 2);
    make_pair(KEY_EC, CKM_EC_KEY_PAIR_GEN, ec, 1);
    make_dsa();
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc - 3 > MEMBERS) {
        fprintf(stderr, "usage: parts MODULE TOKEN CONTROL...\n");
        return 2;
    }
    control = argv + 3;
    members = (unsigned)(argc - 3);
    client = client_open(argv[1], argv[2]);
    text = malloc(ROOM);
    result = malloc(ROOM);
    again = malloc(ROOM);
    signature = malloc(ROOM);
    if (!text || !result || !again || !signature)
        client_die("malloc", CKR_HOST_MEMORY);
    unsigned seed = getenv("PARTS_SEED") ? (unsigned)atoi(getenv("PARTS_SEED")) : (unsigned)getpid();
    srandom(seed);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = (uint8_t)random();
    make_keys();
    int failed = 0;
    unsigned cases = 0;
    for (size_t i = 0; i < COUNT(parts_mechs); i++) {
        const struct parts_mech *mech = &parts_mechs[i];
        const char *only = getenv("PARTS_ONLY");
        if ((only && strcmp(only, mech->name) != 0) || !is_offered(mech) ||
            (mech->key != KEY_NONE && key_in[mech->key] == CK_INVALID_HANDLE))
            continue;
        bool good = true;
        unsigned before = faults;
        worked = 0;
        for (size_t k = mech->some; k < COUNT(sizes) && good; k++)
            good = one_size(mech, sizes[k] ? sizes[k] - below(sizes[k] / 4) : 0);
        /* A member that cannot do it in parts at all. */
        if (good && worked == 0)
            continue;
        cases++;
        failed += !good;
        printf("%s - %s in parts%s\n", good ? "ok" : "not ok", mech->name,
               faults > before ? ", its member failing" : "");
        if (!good)
            printf("# %s; PARTS_SEED=%u\n", why, seed);
    }
    client_close(&client);
    printf("# %u mechanisms, %u failures of members, %u of them removals\n", cases, faults, removals);
    return failed || cases == 0;
}
