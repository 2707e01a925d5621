/*
 * rename MODULE TOKEN PREFIX COUNT: makes so many P-256 pairs without names on the token, gives each its
 * names at once and signs with it; as pk12util does with what it imports.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/clients/client.h"

static void name(const struct client *client, CK_OBJECT_HANDLE object, char *label)
{
    CK_ATTRIBUTE names[] = {{CKA_LABEL, label, strlen(label)}, {CKA_ID, label, strlen(label)}};
    client_need("C_SetAttributeValue", client->p11->C_SetAttributeValue(client->session, object, names, 2));
}

static void make(const struct client *client, char *label)
{
    static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
    CK_ATTRIBUTE open[] = {{CKA_TOKEN, &yes, 1}, {CKA_VERIFY, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof(p256)}};
    CK_ATTRIBUTE closed[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}};
    CK_OBJECT_HANDLE public_key, private_key;
    CK_BYTE data[32] = {1}, out[64];
    CK_ULONG len = sizeof(out);
    client_need("C_GenerateKeyPair", client->p11->C_GenerateKeyPair(client->session, &generate, open, 3,
                                                                    closed, 2, &public_key, &private_key));
    name(client, private_key, label);
    name(client, public_key, label);
    for (int i = 0; i < 6; i++) {
        client_need("C_SignInit", client->p11->C_SignInit(client->session, &ecdsa, private_key));
        client_need("C_Sign", client->p11->C_Sign(client->session, data, sizeof(data), out, &len));
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: rename MODULE TOKEN PREFIX COUNT\n");
        return 2;
    }
    struct client client = client_open(argv[1], argv[2]);
    for (int i = 0; i < atoi(argv[4]); i++) {
        char label[64];
        snprintf(label, sizeof(label), "%s-%d", argv[3], i);
        make(&client, label);
    }
    client_close(&client);
    return 0;
}
