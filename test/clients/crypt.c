/*
 * crypt MODULE TOKEN LABEL KEY: does the AES key of that label do what OpenSSL does with the key in the file
 * KEY? CBC, CBC-PAD, CTR and GCM, both directions, in one part and in several. Prints each mechanism that is
 * fine.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { ROOM = 1024, TAG = 16 };

struct mode {
    const char *name, *cipher; /* for OpenSSL: with the bits of the key before */
    CK_MECHANISM_TYPE type;
    size_t len;
    int padded, sealed;
};

static const struct mode MODES[] = {
    {"AES-CBC", "CBC", CKM_AES_CBC, 160, 0, 0},
    {"AES-CBC-PAD", "CBC", CKM_AES_CBC_PAD, 167, 1, 0},
    {"AES-CTR", "CTR", CKM_AES_CTR, 333, 0, 0},
    {"AES-GCM", "GCM", CKM_AES_GCM, 333, 0, 1},
};

static unsigned char key[32], iv[16] = "initial value 16", aad[] = "not secret, yet sealed";
static size_t key_len;

static CK_MECHANISM mechanism_of(const struct mode *mode)
{
    static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
    static CK_GCM_PARAMS gcm = {
        .pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .pAAD = aad, .ulAADLen = sizeof(aad), .ulTagBits = 128};
    memcpy(ctr.cb, iv, sizeof(ctr.cb));
    switch (mode->type) {
    case CKM_AES_CTR:
        return (CK_MECHANISM){mode->type, &ctr, sizeof(ctr)};
    case CKM_AES_GCM:
        return (CK_MECHANISM){mode->type, &gcm, sizeof(gcm)};
    default:
        return (CK_MECHANISM){mode->type, iv, sizeof(iv)};
    }
}

/* What OpenSSL makes of it; the tag behind the ciphertext, as PKCS#11 has it. */
static size_t expected(const struct mode *mode, const unsigned char *plain, unsigned char *out)
{
    char name[32];
    int n = 0, more = 0;
    snprintf(name, sizeof(name), "AES-%zu-%s", key_len * 8, mode->cipher);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) || !EVP_CIPHER_CTX_set_padding(ctx, mode->padded) ||
        (mode->sealed && !EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad))) ||
        !EVP_EncryptUpdate(ctx, out, &n, plain, (int)mode->len) ||
        !EVP_EncryptFinal_ex(ctx, out + n, &more) ||
        (mode->sealed && !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + n + more)))
        client_die(name, CKR_GENERAL_ERROR);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return (size_t)(n + more) + (mode->sealed ? TAG : 0);
}

static void same(const char *what, const unsigned char *got, size_t got_len, const unsigned char *want,
                 size_t want_len)
{
    if (got_len != want_len || memcmp(got, want, want_len) != 0)
        client_die(what, CKR_DATA_INVALID);
}

/* In parts of 16, 48 and the rest. */
static size_t in_parts(const struct client *client, int encrypt, unsigned char *in, size_t len,
                       unsigned char *out)
{
    size_t at = 0, done = 0;
    static const size_t sizes[] = {16, 48, ROOM};
    for (size_t i = 0; i < 3; i++) {
        size_t part = len - at < sizes[i] ? len - at : sizes[i];
        CK_ULONG n = ROOM - done;
        CK_RV rv = encrypt ? client->p11->C_EncryptUpdate(client->session, in + at, part, out + done, &n)
                           : client->p11->C_DecryptUpdate(client->session, in + at, part, out + done, &n);
        client_need("Update", rv);
        at += part;
        done += n;
    }
    CK_ULONG n = ROOM - done;
    client_need("Final", encrypt ? client->p11->C_EncryptFinal(client->session, out + done, &n)
                                 : client->p11->C_DecryptFinal(client->session, out + done, &n));
    return done + n;
}

static void try_mode(const struct client *client, const struct mode *mode, CK_OBJECT_HANDLE handle)
{
    unsigned char plain[ROOM], sealed[ROOM], out[ROOM];
    CK_MECHANISM mechanism = mechanism_of(mode);
    for (size_t i = 0; i < mode->len; i++)
        plain[i] = (unsigned char)(i * 7);
    size_t len = expected(mode, plain, sealed);
    CK_ULONG n = sizeof(out);

    client_need("C_EncryptInit", client->p11->C_EncryptInit(client->session, &mechanism, handle));
    client_need("C_Encrypt", client->p11->C_Encrypt(client->session, plain, mode->len, out, &n));
    same("encrypted", out, n, sealed, len);
    n = sizeof(out);
    client_need("C_DecryptInit", client->p11->C_DecryptInit(client->session, &mechanism, handle));
    client_need("C_Decrypt", client->p11->C_Decrypt(client->session, sealed, len, out, &n));
    same("decrypted", out, n, plain, mode->len);

    client_need("C_EncryptInit", client->p11->C_EncryptInit(client->session, &mechanism, handle));
    same("encrypted in parts", out, in_parts(client, 1, plain, mode->len, out), sealed, len);
    client_need("C_DecryptInit", client->p11->C_DecryptInit(client->session, &mechanism, handle));
    same("decrypted in parts", out, in_parts(client, 0, sealed, len, out), plain, mode->len);

    if (mode->sealed) {
        sealed[3] ^= 1;
        n = sizeof(out);
        client_need("C_DecryptInit", client->p11->C_DecryptInit(client->session, &mechanism, handle));
        if (client->p11->C_Decrypt(client->session, sealed, len, out, &n) == CKR_OK)
            client_die("what was changed is decrypted", CKR_OK);
    }
    puts(mode->name);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 5 ? fopen(argv[4], "rb") : NULL;
    if (!file)
        client_die("usage: crypt MODULE TOKEN LABEL KEY", CKR_ARGUMENTS_BAD);
    key_len = fread(key, 1, sizeof(key), file);
    fclose(file);
    struct client client = client_open(argv[1], argv[2]);
    CK_OBJECT_HANDLE handle = client_find(&client, CKO_SECRET_KEY, argv[3]);
    if (handle == CK_INVALID_HANDLE)
        client_die("no key of that label", CKR_KEY_HANDLE_INVALID);
    for (size_t i = 0; i < sizeof(MODES) / sizeof(*MODES); i++) {
        fprintf(stderr, "%s\n", MODES[i].name);
        try_mode(&client, &MODES[i], handle);
    }
    client_close(&client);
    return 0;
}
