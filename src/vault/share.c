#include "vault/share.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/secret.h"
#include "vault/envelope.h"

#define SHARE_TEXT                               \
    "p11ha share of a master secret, format 1\n" \
    "group %36s\n"                               \
    "threshold %3u\n"                            \
    "shares %3u\n"                               \
    "number %3u\n"                               \
    "value %64s\n"                               \
    "check %64s\n"

int share_check(const uint8_t *master, const uint8_t group[UUID_LEN], uint8_t **ret)
{
    return master_derive(master, group, "share check", 0, ret);
}

size_t share_print(const struct share *share, char out[SHARE_TEXT_MAX])
{
    struct {
        char value[2 * MASTER_LEN + 1];
    } *secret = secret_alloc(sizeof *secret);
    char uuid[37], check[2 * MASTER_LEN + 1], sum[2 * SHARE_SUM_LEN + 1];
    uint8_t digest[SHARE_SUM_LEN];
    int len = -1, end = -1;

    if (!secret)
        return 0;
    uuid_text(share->group, uuid);
    hex_encode(secret->value, share->value, MASTER_LEN);
    hex_encode(check, share->check, MASTER_LEN);
    len = snprintf(out, SHARE_TEXT_MAX, SHARE_TEXT, uuid, share->threshold, share->count, share->number,
                   secret->value, check);
    secret_free(secret);
    if (len < 0 || len >= SHARE_TEXT_MAX ||
        EVP_Digest(out, (size_t)len, digest, NULL, EVP_sha256(), NULL) != 1)
        return 0;
    hex_encode(sum, digest, sizeof digest);
    end = snprintf(out + len, SHARE_TEXT_MAX - (size_t)len, "sum %s\n", sum);
    return end < 0 || end >= SHARE_TEXT_MAX - len ? 0 : (size_t)(len + end);
}

static bool uuid_parse(uint8_t out[UUID_LEN], const char *text)
{
    char hex[2 * UUID_LEN + 1], *to = hex;

    for (; *text && to < hex + sizeof hex - 1; text++)
        if (*text != '-')
            *to++ = *text;
    *to = '\0';
    return hex_decode(out, UUID_LEN, hex);
}

/* Read loosely, then printed again and compared: only the text that share_print makes passes, checksum and
 * all. */
static bool parse_into(struct share *share, const char *text, size_t len, char *again)
{
    char uuid[37] = "", check[2 * MASTER_LEN + 1] = "";
    char *value = again; /* secret memory, and free until the text is printed there */

    if (sscanf(text, SHARE_TEXT, uuid, &share->threshold, &share->count, &share->number, value, check) != 6)
        return false;
    if (!uuid_parse(share->group, uuid) || !hex_decode(share->value, MASTER_LEN, value) ||
        !hex_decode(share->check, MASTER_LEN, check))
        return false;
    return share->threshold >= 1 && share->threshold <= share->count && share->count <= 255 &&
           share->number >= 1 && share->number <= share->count && share_print(share, again) == len &&
           secret_equal(text, again, len);
}

bool share_parse(struct share *ret, const char *text, size_t len)
{
    AUTO(secret_free) char *again = secret_alloc(SHARE_TEXT_MAX);
    AUTO(secret_free) struct share *share = secret_alloc(sizeof *share);

    if (!again || !share || len >= SHARE_TEXT_MAX || !parse_into(share, text, len, again))
        return false;
    *ret = *share;
    return true;
}

static int passphrase_get(const char *file, char **ret, char **ret_why)
{
    return file ? envelope_passphrase(file, ret, ret_why) : 0;
}

int share_open(const char *file, const char *certificate, const char *key_file, const char *passphrase_file,
               struct share **ret, char **ret_why)
{
    AUTO(secret_free) char *passphrase = NULL;
    AUTO(secret_free) char *text = secret_alloc(SHARE_TEXT_MAX);
    AUTO(secret_free) struct share *share = secret_alloc(sizeof *share);
    size_t len = 0;
    int rc;

    *ret_why = NULL;
    if (!text || !share)
        return -ENOMEM;
    if (!key_file && !passphrase_file) {
        *ret_why = mem_printf("%s: neither a private key nor a passphrase was given", file);
        return -EINVAL;
    }
    rc = passphrase_get(passphrase_file, &passphrase, ret_why);
    /* One byte is left, so that the text always ends. */
    if (rc == 0)
        rc = envelope_open(file, certificate, key_file, passphrase, text, SHARE_TEXT_MAX - 1, &len, ret_why);
    if (rc != 0)
        return rc;
    if (!share_parse(share, text, len)) {
        *ret_why =
            mem_printf("%s: it opens, but what is inside is not a share of p11ha, or is damaged", file);
        return -EBADMSG;
    }
    *ret = TAKE(share);
    return 0;
}

void share_free(struct share *share)
{
    secret_free(share);
}

const uint8_t *share_group(const struct share *share)
{
    return share->group;
}

unsigned share_threshold(const struct share *share)
{
    return share->threshold;
}

unsigned share_number(const struct share *share)
{
    return share->number;
}
