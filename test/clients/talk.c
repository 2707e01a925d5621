/*
 * talk MODULE TOKEN: an application that stays, and does what it reads, a line each; answers with one line
 * each. make LABEL      a P-256 pair on the token sign LABEL      with its private key, checked with its
 * public one destroy LABEL   both halves count LABEL     how many objects have that label "ok", "ok NUMBER"
 * or the CKR_ number in hex. Ends with its input.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"

enum { LINE = 200 };

static CK_RV make(const struct client *client, char *label)
{
    static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE open[] = {{CKA_TOKEN, &yes, 1},
                           {CKA_VERIFY, &yes, 1},
                           {CKA_EC_PARAMS, p256, sizeof(p256)},
                           {CKA_LABEL, label, strlen(label)},
                           {CKA_ID, label, strlen(label)}};
    CK_ATTRIBUTE closed[] = {{CKA_TOKEN, &yes, 1},
                             {CKA_PRIVATE, &yes, 1},
                             {CKA_SENSITIVE, &yes, 1},
                             {CKA_SIGN, &yes, 1},
                             {CKA_LABEL, label, strlen(label)},
                             {CKA_ID, label, strlen(label)}};
    CK_OBJECT_HANDLE public_key, private_key;
    return client->p11->C_GenerateKeyPair(client->session, &generate, open, 5, closed, 6, &public_key,
                                          &private_key);
}

static CK_RV sign(const struct client *client, const char *label)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_BYTE data[32] = "thirty-two bytes to be signed", out[64];
    CK_ULONG len = sizeof(out);
    CK_OBJECT_HANDLE private_key = client_find(client, CKO_PRIVATE_KEY, label);
    CK_RV rv = client->p11->C_SignInit(client->session, &ecdsa, private_key);
    if (rv == CKR_OK)
        rv = client->p11->C_Sign(client->session, data, sizeof(data), out, &len);
    if (rv == CKR_OK)
        rv = client->p11->C_VerifyInit(client->session, &ecdsa, client_find(client, CKO_PUBLIC_KEY, label));
    if (rv == CKR_OK)
        rv = client->p11->C_Verify(client->session, data, sizeof(data), out, len);
    return rv;
}

static CK_RV destroy(const struct client *client, const char *label)
{
    CK_RV rv = client->p11->C_DestroyObject(client->session, client_find(client, CKO_PRIVATE_KEY, label));
    CK_RV other = client->p11->C_DestroyObject(client->session, client_find(client, CKO_PUBLIC_KEY, label));
    return rv == CKR_OK ? other : rv;
}

int main(int argc, char **argv)
{
    char line[LINE], verb[LINE], label[LINE];
    if (argc != 3)
        client_die("usage: talk MODULE TOKEN", CKR_ARGUMENTS_BAD);
    struct client client = client_open(argv[1], argv[2]);
    setlinebuf(stdout);
    puts("ready");
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%199s %199s", verb, label) != 2)
            continue;
        CK_RV rv = CKR_OK;
        if (strcmp(verb, "make") == 0)
            rv = make(&client, label);
        else if (strcmp(verb, "sign") == 0)
            rv = sign(&client, label);
        else if (strcmp(verb, "destroy") == 0)
            rv = destroy(&client, label);
        else {
            printf("ok %d\n", (client_find(&client, CKO_PRIVATE_KEY, label) != CK_INVALID_HANDLE) +
                                  (client_find(&client, CKO_PUBLIC_KEY, label) != CK_INVALID_HANDLE));
            continue;
        }
        if (rv == CKR_OK)
            puts("ok");
        else
            printf("0x%lx\n", rv);
    }
    client_close(&client);
    return 0;
}
