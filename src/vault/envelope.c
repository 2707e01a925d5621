#include "vault/envelope.h"

#include <errno.h>
#include <string.h>

/* Before cms.h, which declares its PEM functions only then. */
#include <openssl/pem.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"

#define FILE_MAX      (64 * 1024)
#define PBKDF2_ROUNDS 1300000 /* what OWASP asks of HMAC-SHA-1 */
#define RSA_BITS_MIN  2048
#define SEAL_FLAGS    (CMS_PARTIAL | CMS_BINARY)

#define OPENSSL_AUTO(type)                               \
    static inline UNUSED void type##_free_auto(type **p) \
    {                                                    \
        type##_free(*p);                                 \
    }
OPENSSL_AUTO(BIO)
OPENSSL_AUTO(X509)
OPENSSL_AUTO(EVP_PKEY)
OPENSSL_AUTO(CMS_ContentInfo)
static inline UNUSED void BIO_free_all_auto(BIO **p)
{
    BIO_free_all(*p);
}

static int fail(int rc, char **ret_why, const char *file, const char *what)
{
    *ret_why = mem_printf("%s: %s", file, what);
    ERR_clear_error();
    return rc;
}

static int fail_openssl(char **ret_why, const char *doing)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    *ret_why = mem_printf("%s: %s", doing, reason ? reason : "OpenSSL gave no reason");
    ERR_clear_error();
    return -EIO;
}

/* The file in secret memory, and a BIO that reads it there. */
static int file_bio(const char *file, char **ret_data, BIO **ret_bio, char **ret_why)
{
    AUTO(secret_free) char *data = NULL;
    size_t len = 0;
    int rc = file_read_secret(file, FILE_MAX, &data, &len);

    if (rc != 0)
        return fail(rc, ret_why, file, strerror(-rc));
    *ret_bio = BIO_new_mem_buf(data, (int)len);
    if (!*ret_bio)
        return -ENOMEM;
    *ret_data = TAKE(data);
    return 0;
}

int envelope_passphrase(const char *file, char **ret, char **ret_why)
{
    AUTO(secret_free) char *data = NULL;
    size_t len = 0;
    int rc = file_read_secret(file, FILE_MAX, &data, &len);

    if (rc != 0)
        return fail(rc, ret_why, file, strerror(-rc));
    data[strcspn(data, "\r\n")] = '\0';
    if (!data[0])
        return fail(-EINVAL, ret_why, file, "its first line, the passphrase, is empty");
    *ret = TAKE(data);
    return 0;
}

static int certificate_read(const char *file, X509 **ret, char **ret_why)
{
    AUTO(secret_free) char *data = NULL;
    AUTO(BIO_free) BIO *bio = NULL;
    int rc = file_bio(file, &data, &bio, ret_why);

    if (rc != 0)
        return rc;
    *ret = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    return *ret ? 0 : fail(-EINVAL, ret_why, file, "it is not a certificate in PEM");
}

/* A certificate that its custodian could not decrypt with is found out now, not on the day of need. */
static int certificate_check(const char *file, X509 *certificate, char **ret_why)
{
    uint32_t usage = X509_get_key_usage(certificate);
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    int type = key ? EVP_PKEY_get_base_id(key) : 0;

    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
        return fail(-EINVAL, ret_why, file,
                    "its key is neither RSA nor EC, so nothing can be encrypted to it");
    if (type == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
        return fail(-EINVAL, ret_why, file, "its RSA key has less than 2048 bits");
    if (type == EVP_PKEY_RSA && !(usage & X509v3_KU_KEY_ENCIPHERMENT))
        return fail(-EINVAL, ret_why, file, "its key usage does not allow key encipherment");
    if (type == EVP_PKEY_EC && !(usage & X509v3_KU_KEY_AGREEMENT))
        return fail(-EINVAL, ret_why, file, "its key usage does not allow key agreement");
    return 0;
}

static bool recipient_tune(CMS_RecipientInfo *recipient, X509 *certificate)
{
    EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(recipient);

    if (!ctx)
        return false;
    if (EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_EC)
        return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) > 0;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0;
}

static int certificate_add(CMS_ContentInfo *cms, const char *file, char **ret_why)
{
    AUTO(X509_free) X509 *certificate = NULL;
    CMS_RecipientInfo *recipient;
    int rc = certificate_read(file, &certificate, ret_why);

    if (rc == 0)
        rc = certificate_check(file, certificate, ret_why);
    if (rc != 0)
        return rc;
    recipient = CMS_add1_recipient_cert(cms, certificate, CMS_KEY_PARAM);
    return recipient && recipient_tune(recipient, certificate) ? 0 : fail_openssl(ret_why, file);
}

/* OpenSSL would free a passphrase that it was given: lent only while the content key is wrapped, it stays
 * ours. */
static BIO *content_bio(CMS_ContentInfo *cms, CMS_RecipientInfo *password, const char *passphrase)
{
    BIO *bio;

    if (!password)
        return CMS_dataInit(cms, NULL);
    CMS_RecipientInfo_set0_password(password, (unsigned char *)passphrase, (ossl_ssize_t)strlen(passphrase));
    bio = CMS_dataInit(cms, NULL);
    CMS_RecipientInfo_set0_password(password, NULL, 0);
    return bio;
}

static bool pem_write(CMS_ContentInfo *cms, struct buf *out)
{
    AUTO(BIO_free) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len;

    if (!bio || PEM_write_bio_CMS(bio, cms) != 1)
        return false;
    len = BIO_get_mem_data(bio, &text);
    if (len <= 0)
        return false;
    buf_bytes(out, text, (size_t)len);
    return !out->failed;
}

int envelope_seal(const char *certificate, const char *passphrase, const void *data, size_t len,
                  struct buf *out, char **ret_why)
{
    AUTO(CMS_ContentInfo_free)
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(), SEAL_FLAGS);
    AUTO(BIO_free_all) BIO *content = NULL;
    CMS_RecipientInfo *password = NULL;
    int rc;

    if (!cms)
        return fail_openssl(ret_why, "CMS");
    if (certificate) {
        rc = certificate_add(cms, certificate, ret_why);
        if (rc != 0)
            return rc;
    } else {
        password = CMS_add0_recipient_password(cms, PBKDF2_ROUNDS, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, NULL,
                                               0, EVP_aes_256_cbc());
        if (!password)
            return fail_openssl(ret_why, "CMS passphrase");
    }
    /* Not CMS_final: that leads the plaintext through buffers which are never wiped. */
    content = content_bio(cms, password, passphrase);
    if (!content || BIO_write(content, data, (int)len) != (int)len || BIO_flush(content) != 1 ||
        CMS_dataFinal(cms, content) != 1 || !pem_write(cms, out))
        return fail_openssl(ret_why, "CMS encryption");
    return 0;
}

static int key_passphrase(char *buf, int size, int writing, void *passphrase)
{
    size_t len = passphrase ? strlen(passphrase) : 0;

    /* Without one this fails: OpenSSL must not ask at a terminal. */
    if (writing || !len || len > (size_t)size)
        return -1;
    memcpy(buf, passphrase, len);
    return (int)len;
}

static int key_read(const char *file, const char *passphrase, EVP_PKEY **ret, char **ret_why)
{
    AUTO(secret_free) char *data = NULL;
    AUTO(BIO_free) BIO *bio = NULL;
    int rc = file_bio(file, &data, &bio, ret_why);

    if (rc != 0)
        return rc;
    *ret = PEM_read_bio_PrivateKey(bio, NULL, key_passphrase, (void *)passphrase);
    return *ret
               ? 0
               : fail(-EINVAL, ret_why, file, "it is not a private key in PEM, or its passphrase is another");
}

static int cms_read(const char *file, CMS_ContentInfo **ret, char **ret_why)
{
    AUTO(secret_free) char *data = NULL;
    AUTO(BIO_free) BIO *bio = NULL;
    int rc = file_bio(file, &data, &bio, ret_why);

    if (rc != 0)
        return rc;
    *ret = PEM_read_bio_CMS(bio, NULL, NULL, NULL);
    if (!*ret || OBJ_obj2nid(CMS_get0_type(*ret)) != NID_pkcs7_enveloped)
        return fail(-EBADMSG, ret_why, file, "it is not an encrypted CMS file, or damaged");
    return 0;
}

static int key_unlock(CMS_ContentInfo *cms, const char *file, const char *certificate, const char *key_file,
                      const char *passphrase, char **ret_why)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    AUTO(X509_free) X509 *own = NULL;
    int rc = key_read(key_file, passphrase, &key, ret_why);

    if (rc == 0 && certificate)
        rc = certificate_read(certificate, &own, ret_why);
    if (rc != 0)
        return rc;
    if (own && X509_check_private_key(own, key) != 1)
        return fail(-EINVAL, ret_why, key_file, "it is not the private key of that certificate");
    if (CMS_decrypt_set1_pkey(cms, key, own) != 1)
        return fail(-EACCES, ret_why, file, "that private key does not open it");
    return 0;
}

static int content_read(CMS_ContentInfo *cms, void *out, size_t max, size_t *ret_len)
{
    AUTO(BIO_free_all) BIO *content = CMS_dataInit(cms, NULL);
    size_t len = 0;
    int n = 0;

    if (!content)
        return -EBADMSG;
    while (len < max && (n = BIO_read(content, (char *)out + len, (int)(max - len))) > 0)
        len += (size_t)n;
    if (n < 0 || BIO_get_cipher_status(content) != 1)
        return -EBADMSG;
    *ret_len = len;
    return 0;
}

int envelope_open(const char *file, const char *certificate, const char *key_file, const char *passphrase,
                  void *out, size_t max, size_t *ret_len, char **ret_why)
{
    AUTO(CMS_ContentInfo_free) CMS_ContentInfo *cms = NULL;
    int rc = cms_read(file, &cms, ret_why);

    if (rc != 0)
        return rc;
    if (key_file) {
        rc = key_unlock(cms, file, certificate, key_file, passphrase, ret_why);
        if (rc != 0)
            return rc;
    } else if (CMS_decrypt_set1_password(cms, (unsigned char *)passphrase,
                                         (ossl_ssize_t)strlen(passphrase)) != 1) {
        return fail(-EACCES, ret_why, file, "that passphrase does not open it");
    }
    rc = content_read(cms, out, max, ret_len);
    if (rc != 0) {
        /* A wrong key and a damaged file look alike, by intention of CMS. */
        secret_wipe(out, max);
        return fail(rc, ret_why, file,
                    key_file ? "that private key does not open it, or it is damaged"
                             : "that passphrase does not open it, or it is damaged");
    }
    return 0;
}
