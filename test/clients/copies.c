/*
 * copies LABEL ROUNDS MODULE TOKEN [MODULE TOKEN]...: modules side by side in one application, two copies of
 * one file, p11-kit's proxy beside the module behind it, a member's module beside the group. In each round
 * all of them are loaded, sign with the key of that label, are finalised and unloaded, in the order in which
 * they came or, every other round, the other way round.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static void sign(const struct client *client, const char *label)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_BYTE data[32] = "thirty-two bytes to be signed", out[64];
    CK_ULONG len = sizeof(out);
    client_need("C_SignInit", client->p11->C_SignInit(client->session, &ecdsa,
                                                      client_find(client, CKO_PRIVATE_KEY, label)));
    client_need("C_Sign", client->p11->C_Sign(client->session, data, sizeof(data), out, &len));
    client_need("C_VerifyInit", client->p11->C_VerifyInit(client->session, &ecdsa,
                                                          client_find(client, CKO_PUBLIC_KEY, label)));
    client_need("C_Verify", client->p11->C_Verify(client->session, data, sizeof(data), out, len));
}

/* client_open keeps its own count of the file; this one gives it back, as an application with plugins does.
 */
static void unload(const char *module)
{
    void *library = dlopen(module, RTLD_NOW | RTLD_NOLOAD);
    if (!library)
        client_die("not loaded any more", CKR_GENERAL_ERROR);
    dlclose(library);
    dlclose(library);
}

int main(int argc, char **argv)
{
    enum { MODULES = 8 };
    struct client client[MODULES];
    int rounds = argc > 4 ? atoi(argv[2]) : 0, modules = (argc - 3) / 2;
    if (rounds < 1 || argc % 2 == 0 || modules > MODULES)
        client_die("usage: copies LABEL ROUNDS MODULE TOKEN [MODULE TOKEN]...", CKR_ARGUMENTS_BAD);
    char **pair = argv + 3;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < modules; i++)
            client[i] = client_open(pair[2 * i], pair[2 * i + 1]);
        for (int i = 0; i < 3 * modules; i++)
            sign(&client[i % modules], argv[1]);
        for (int i = 0; i < modules; i++) {
            int last = round % 2 ? modules - 1 - i : i;
            client_close(&client[last]);
            unload(pair[2 * last]);
            /* Those that stay work on. */
            for (int k = 0; k < modules; k++)
                if (round % 2 ? k < last : k > last)
                    sign(&client[k], argv[1]);
        }
    }
    puts("worked");
    return 0;
}
