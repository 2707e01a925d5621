/*
 * leaves MODULE finalized|running|signing: an application that ends while members' answers are still to come,
 * and whose end takes as long as they do.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static unsigned rest;

/* After the namespaces' libraries have been taken down, if they are. */
__attribute__((destructor)) static void end_slowly(void)
{
    sleep(rest);
}

static CK_FUNCTION_LIST *load(const char *module)
{
    CK_RV (*get)(CK_FUNCTION_LIST **);
    CK_FUNCTION_LIST *p11 = NULL;
    void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "C_GetFunctionList") : NULL;
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    memcpy(&get, &symbol, sizeof(get));
    client_need("C_GetFunctionList", get(&p11));
    return p11;
}

/* Every member keeps it waiting. */
static void sign(const char *module)
{
    CK_BYTE digest[32] = {1}, signature[64];
    CK_ULONG len = sizeof(signature);
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    struct client client = client_open(module, "rig");
    CK_OBJECT_HANDLE key = client_find(&client, CKO_PRIVATE_KEY, "leaver");
    puts("ready");
    fflush(stdout);
    (void)getchar();
    if (client.p11->C_SignInit(client.session, &ecdsa, key) == CKR_OK &&
        client.p11->C_Sign(client.session, digest, sizeof(digest), signature, &len) == CKR_OK)
        client_die("C_Sign was not to end", CKR_OK);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: leaves MODULE finalized|running|signing\n");
        return 2;
    }
    if (strcmp(argv[2], "signing") == 0) {
        sign(argv[1]);
    } else {
        CK_FUNCTION_LIST *p11 = load(argv[1]);
        client_need("C_Initialize", p11->C_Initialize(NULL));
        if (strcmp(argv[2], "finalized") == 0)
            client_need("C_Finalize", p11->C_Finalize(NULL));
    }
    rest = 3;
    return 0;
}
