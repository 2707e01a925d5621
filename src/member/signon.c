#include "member/signon.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/secret.h"

CK_RV signon_init(struct signon *signon)
{
    memset(signon, 0, sizeof(*signon));
    lock_init(&signon->lock, LOCK_SIGNON);
    return RAND_bytes(signon->salt, sizeof(signon->salt)) == 1 ? CKR_OK : CKR_FUNCTION_FAILED;
}

void signon_end(struct signon *signon)
{
    secret_free(signon->pin);
    secret_free(signon->name);
    signon->pin = signon->name = NULL;
    lock_end(&signon->lock);
}

CK_RV signon_set(struct signon *signon, CK_USER_TYPE user, const uint8_t *pin, size_t len,
                 uint64_t *ret_generation)
{
    uint8_t *copy = pin ? secret_copy(pin, len) : NULL;
    if (pin && !copy)
        return CKR_HOST_MEMORY;
    lock_take(&signon->lock);
    uint8_t *old = signon->pin;
    signon->user = user;
    signon->pin = copy;
    signon->pin_len = len;
    signon->generation = ++signon->last;
    *ret_generation = signon->generation;
    lock_drop(&signon->lock);
    secret_free(old);
    return CKR_OK;
}

void signon_clear(struct signon *signon)
{
    lock_take(&signon->lock);
    uint8_t *old = signon->pin, *name = signon->name;
    signon->pin = signon->name = NULL;
    signon->pin_len = signon->name_len = 0;
    signon->generation = 0;
    lock_drop(&signon->lock);
    secret_free(old);
    secret_free(name);
}

CK_RV signon_set_name(struct signon *signon, const uint8_t *name, size_t len)
{
    uint8_t *copy = len ? secret_copy(name, len) : NULL;
    if (len && !copy)
        return CKR_HOST_MEMORY;
    lock_take(&signon->lock);
    uint8_t *old = signon->name;
    signon->name = copy;
    signon->name_len = len;
    lock_drop(&signon->lock);
    secret_free(old);
    return CKR_OK;
}

CK_RV signon_get_name(struct signon *signon, uint8_t **ret_name, size_t *ret_len)
{
    lock_take(&signon->lock);
    size_t len = signon->name_len;
    uint8_t *copy = len ? secret_copy(signon->name, len) : NULL;
    lock_drop(&signon->lock);
    if (len && !copy)
        return CKR_HOST_MEMORY;
    *ret_name = copy;
    *ret_len = len;
    return CKR_OK;
}

CK_RV signon_change_pin(struct signon *signon, const uint8_t *pin, size_t len)
{
    uint8_t *copy = secret_copy(pin, len), *old = NULL;
    if (!copy)
        return CKR_HOST_MEMORY;
    lock_take(&signon->lock);
    if (signon->generation != 0) {
        old = signon->pin;
        signon->pin = TAKE(copy);
        signon->pin_len = len;
    }
    lock_drop(&signon->lock);
    secret_free(old);
    secret_free(copy);
    return CKR_OK;
}

uint64_t signon_generation(struct signon *signon)
{
    lock_take(&signon->lock);
    uint64_t generation = signon->generation;
    lock_drop(&signon->lock);
    return generation;
}

CK_RV signon_get(struct signon *signon, CK_USER_TYPE *ret_user, uint8_t **ret_pin, size_t *ret_len,
                 uint64_t *ret_generation)
{
    CK_RV rv = CKR_USER_NOT_LOGGED_IN;
    lock_take(&signon->lock);
    if (signon->generation != 0) {
        uint8_t *copy = signon->pin ? secret_copy(signon->pin, signon->pin_len) : NULL;
        rv = signon->pin && !copy ? CKR_HOST_MEMORY : CKR_OK;
        if (rv == CKR_OK) {
            *ret_user = signon->user;
            *ret_pin = copy;
            *ret_len = signon->pin_len;
            *ret_generation = signon->generation;
        }
    }
    lock_drop(&signon->lock);
    return rv;
}

void signon_mark(struct signon *signon, const uint8_t *pin, size_t len, uint8_t ret[32])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    memset(ret, 0, 32);
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1) {
        EVP_DigestUpdate(ctx, signon->salt, sizeof(signon->salt));
        EVP_DigestUpdate(ctx, pin, len);
        EVP_DigestFinal_ex(ctx, ret, NULL);
    }
    EVP_MD_CTX_free(ctx);
}
