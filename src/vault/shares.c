#include "vault/shares.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libgfshare.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "base/secret.h"
#include "vault/disk.h"
#include "vault/envelope.h"
#include "vault/share.h"

#define SHARES_MAX 255

/*
 * libgfshare asks this for its coefficients, and to overwrite its memory before it frees it. Until then a
 * copy of the master secret (or of the shares, when they are combined) lies in its plain heap, where it is
 * neither locked nor kept out of a core file.
 */
static _Thread_local struct {
    bool failed;
    size_t filled;
} randomness;

static void random_fill(unsigned char *data, unsigned int len)
{
    if (RAND_priv_bytes(data, (int)len) == 1) {
        randomness.filled += len;
        return;
    }
    secret_wipe(data, len);
    randomness.failed = true;
}

static void randomness_use(void)
{
    /* A variable of the library: another user of it in this process may have set its own. */
    __atomic_store_n(&gfshare_fill_rand, random_fill, __ATOMIC_RELAXED);
    randomness.failed = false;
    randomness.filled = 0;
}

static void numbers_set(unsigned char number[SHARES_MAX], size_t count)
{
    for (size_t i = 0; i < count; i++)
        number[i] = (unsigned char)(i + 1);
}

/* value[i] is share i + 1, MASTER_LEN bytes each. */
static int secret_split(const uint8_t *master, size_t count, unsigned threshold, uint8_t *value)
{
    unsigned char number[SHARES_MAX];
    gfshare_ctx *ctx;
    bool random_enough;

    numbers_set(number, count);
    randomness_use();
    ctx = gfshare_ctx_init_enc(number, (unsigned)count, (unsigned char)threshold, MASTER_LEN);
    if (!ctx)
        return -ENOMEM;
    randomness_use();
    gfshare_ctx_enc_setsecret(ctx, (unsigned char *)master);
    random_enough = !randomness.failed && randomness.filled >= (size_t)(threshold - 1) * MASTER_LEN;
    for (size_t i = 0; random_enough && i < count; i++)
        gfshare_ctx_enc_getshare(ctx, (unsigned char)i, value + i * MASTER_LEN);
    gfshare_ctx_free(ctx);
    return random_enough ? 0 : -EIO;
}

/* Without share number `without` of the list (SIZE_MAX: with all). */
static int secret_join(struct share *const *share, size_t count, size_t without, uint8_t *master)
{
    unsigned char number[SHARES_MAX];
    unsigned used = 0;
    gfshare_ctx *ctx;

    for (size_t i = 0; i < count; i++)
        if (i != without)
            number[used++] = (unsigned char)share[i]->number;
    randomness_use();
    ctx = gfshare_ctx_init_dec(number, used, MASTER_LEN);
    if (!ctx)
        return -ENOMEM;
    used = 0;
    for (size_t i = 0; i < count; i++)
        if (i != without)
            gfshare_ctx_dec_giveshare(ctx, (unsigned char)used++, share[i]->value);
    gfshare_ctx_dec_extract(ctx, master);
    gfshare_ctx_free(ctx);
    return 0;
}

static bool name_valid(const char *name)
{
    size_t len = strlen(name);

    if (!len || len > 200 || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isascii((unsigned char)name[i]) || (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])))
            return false;
    return true;
}

static int custodians_check(const struct custodian *custodian, size_t count, unsigned threshold,
                            char **ret_why)
{
    if (threshold < 1 || threshold > count || count > SHARES_MAX) {
        *ret_why =
            mem_printf("%u of %zu shares is not possible: 1 <= M <= N <= %d", threshold, count, SHARES_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name_valid(custodian[i].name)) {
            *ret_why = mem_printf("a custodian's name has letters, digits, '.', '_', '-', and starts with a "
                                  "letter, digit or '_'");
            return -EINVAL;
        }
        if (!custodian[i].certificate == !custodian[i].passphrase_file) {
            *ret_why = mem_printf("custodian %s: either a certificate or a passphrase", custodian[i].name);
            return -EINVAL;
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(custodian[i].name, custodian[j].name) == 0) {
                *ret_why = mem_printf("custodian %s is named twice", custodian[i].name);
                return -EINVAL;
            }
    }
    return 0;
}

static int share_seal(const struct share *share, const struct custodian *custodian, struct buf *out,
                      char **ret_why)
{
    AUTO(secret_free) char *passphrase = NULL;
    AUTO(secret_free) char *text = secret_alloc(SHARE_TEXT_MAX);
    size_t len;
    int rc = 0;

    if (!text)
        return -ENOMEM;
    len = share_print(share, text);
    if (!len)
        return -ENOMEM;
    if (custodian->passphrase_file)
        rc = envelope_passphrase(custodian->passphrase_file, &passphrase, ret_why);
    return rc == 0 ? envelope_seal(custodian->certificate, passphrase, text, len, out, ret_why) : rc;
}

/* Every share is sealed before the first file is written: most failures then leave nothing. */
static int shares_seal(const uint8_t *master, const uint8_t group[UUID_LEN],
                       const struct custodian *custodian, size_t count, unsigned threshold,
                       struct buf *sealed, char **ret_why)
{
    AUTO(secret_free) uint8_t *value = secret_alloc(count * MASTER_LEN);
    AUTO(secret_free) struct share *share = secret_alloc(sizeof *share);
    AUTO(secret_free) uint8_t *check = NULL;
    int rc = value && share ? share_check(master, group, &check) : -ENOMEM;

    if (rc == 0)
        rc = secret_split(master, count, threshold, value);
    if (rc != 0)
        return rc;
    share->threshold = threshold;
    share->count = (unsigned)count;
    memcpy(share->group, group, UUID_LEN);
    memcpy(share->check, check, MASTER_LEN);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        share->number = (unsigned)i + 1;
        memcpy(share->value, value + i * MASTER_LEN, MASTER_LEN);
        rc = share_seal(share, &custodian[i], &sealed[i], ret_why);
    }
    return rc;
}

static void files_remove(const char *dir, const struct custodian *custodian, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s.share.p7m", dir, custodian[i].name);
        if (path)
            (void)unlink(path);
    }
}

static int files_write(const char *dir, const struct custodian *custodian, const struct buf *sealed,
                       size_t count, char **ret_why)
{
    size_t made = 0;
    int rc = 0;

    while (rc == 0 && made < count) {
        AUTO(mem_free) char *path = mem_printf("%s/%s.share.p7m", dir, custodian[made].name);
        rc = path ? disk_write_new(path, sealed[made].data, sealed[made].len) : -ENOMEM;
        if (rc == 0)
            made++;
        else if (path)
            *ret_why = mem_printf("%s: %s", path, strerror(-rc));
    }
    if (rc != 0)
        files_remove(dir, custodian, made);
    return rc;
}

int shares_write(const uint8_t *master, const uint8_t group[UUID_LEN], const struct custodian *custodian,
                 size_t count, unsigned threshold, const char *dir, char **ret_why)
{
    struct buf *sealed;
    int rc;

    *ret_why = NULL;
    rc = custodians_check(custodian, count, threshold, ret_why);
    if (rc != 0)
        return rc;
    sealed = mem_new(count, sizeof *sealed);
    if (!sealed)
        return -ENOMEM;
    rc = shares_seal(master, group, custodian, count, threshold, sealed, ret_why);
    if (rc == 0)
        rc = files_write(dir, custodian, sealed, count, ret_why);
    for (size_t i = 0; i < count; i++)
        buf_free(&sealed[i]);
    mem_free(sealed);
    return rc;
}

static int shares_compare(struct share *const *share, size_t count, char **ret_why)
{
    const struct share *first = share[0];

    for (size_t i = 1; i < count; i++) {
        const struct share *one = share[i];
        if (memcmp(one->group, first->group, UUID_LEN) != 0) {
            char here[37], there[37];
            uuid_text(one->group, here);
            uuid_text(first->group, there);
            *ret_why = mem_printf("share %u belongs to group %s, share %u to group %s", one->number, here,
                                  first->number, there);
            return -EINVAL;
        }
        if (one->threshold != first->threshold || one->count != first->count ||
            !secret_equal(one->check, first->check, MASTER_LEN)) {
            *ret_why = mem_printf("share %u and share %u were not made together", one->number, first->number);
            return -EINVAL;
        }
        for (size_t j = 0; j < i; j++)
            if (share[j]->number == one->number) {
                *ret_why = mem_printf("share %u was given twice", one->number);
                return -EINVAL;
            }
    }
    if (count < first->threshold) {
        *ret_why = mem_printf("%zu of the %u shares needed: %zu more", count, first->threshold,
                              first->threshold - count);
        return -EINVAL;
    }
    return 0;
}

/* 1: these give the master secret; 0: they do not; -errno. */
static int join_proved(struct share *const *share, size_t count, size_t without, uint8_t *master)
{
    AUTO(secret_free) uint8_t *check = NULL;
    int rc = secret_join(share, count, without, master);

    if (rc == 0)
        rc = share_check(master, share[0]->group, &check);
    return rc == 0 ? secret_equal(check, share[0]->check, MASTER_LEN) : rc;
}

/* With one share more than needed, leaving out each in turn shows which one was altered. */
static int altered_name(struct share *const *share, size_t count, uint8_t *scratch, char **ret_why)
{
    for (size_t i = 0; count > share[0]->threshold && i < count; i++) {
        int rc = join_proved(share, count, i, scratch);
        if (rc < 0)
            return rc;
        if (rc == 1) {
            *ret_why = mem_printf("share %u was altered: leave it out", share[i]->number);
            return -EINVAL;
        }
    }
    *ret_why = mem_printf("these shares do not give the master secret: at least one was altered");
    return -EINVAL;
}

int shares_combine(struct share *const *share, size_t count, uint8_t **ret_master, char **ret_why)
{
    AUTO(secret_free) uint8_t *master = NULL;
    int rc;

    *ret_why = NULL;
    if (!count || count > SHARES_MAX) {
        *ret_why = mem_printf("%zu shares were given, 1 to %d are possible", count, SHARES_MAX);
        return -EINVAL;
    }
    rc = shares_compare(share, count, ret_why);
    if (rc != 0)
        return rc;
    master = secret_alloc(MASTER_LEN);
    if (!master)
        return -ENOMEM;
    rc = join_proved(share, count, SIZE_MAX, master);
    if (rc == 0)
        return altered_name(share, count, master, ret_why);
    if (rc < 0)
        return rc;
    *ret_master = TAKE(master);
    return 0;
}
