#include "client.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_die(const char *what, CK_RV rv)
{
    fprintf(stderr, "%s: 0x%lx\n", what, rv);
    exit(1);
}

void client_need(const char *what, CK_RV rv)
{
    if (rv != CKR_OK)
        client_die(what, rv);
}

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *p11, const char *token)
{
    CK_SLOT_ID slot[64];
    CK_ULONG count = sizeof(slot) / sizeof(*slot);
    client_need("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slot, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        size_t len = strlen(token);
        if (p11->C_GetTokenInfo(slot[i], &info) == CKR_OK && memcmp(info.label, token, len) == 0 &&
            (len == sizeof(info.label) || info.label[len] == ' '))
            return slot[i];
    }
    client_die("no such token", CKR_TOKEN_NOT_PRESENT);
}

struct client client_open(const char *module, const char *token)
{
    struct client client = {0};
    const char *pin = getenv("CLIENT_PIN");
    void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "C_GetFunctionList") : NULL;
    CK_RV (*get)(CK_FUNCTION_LIST **);
    if (!symbol || !pin) {
        fprintf(stderr, "%s\n", pin ? dlerror() : "CLIENT_PIN is not set");
        exit(1);
    }
    memcpy(&get, &symbol, sizeof(get));
    client_need("C_GetFunctionList", get(&client.p11));
    /* What `rig direct` says of members that want something in pReserved. */
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .pReserved = getenv("P11_INIT_ARGS")};
    client_need("C_Initialize", client.p11->C_Initialize(args.pReserved ? &args : NULL));
    client_need("C_OpenSession",
                client.p11->C_OpenSession(slot_of(client.p11, token), CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                          NULL, NULL, &client.session));
    client_need("C_Login", client.p11->C_Login(client.session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)));
    return client;
}

static size_t search(const struct client *client, CK_ATTRIBUTE *want, CK_ULONG wants, CK_OBJECT_HANDLE *ret,
                     size_t room)
{
    size_t found = 0;
    CK_ULONG some;
    client_need("C_FindObjectsInit", client->p11->C_FindObjectsInit(client->session, want, wants));
    do {
        CK_OBJECT_HANDLE handle[64];
        client_need("C_FindObjects", client->p11->C_FindObjects(client->session, handle, 64, &some));
        for (CK_ULONG i = 0; i < some; i++, found++)
            if (found < room)
                ret[found] = handle[i];
    } while (some);
    client_need("C_FindObjectsFinal", client->p11->C_FindObjectsFinal(client->session));
    return found;
}

CK_OBJECT_HANDLE client_find(const struct client *client, CK_OBJECT_CLASS class, const char *label)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_ATTRIBUTE want[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, (void *)label, strlen(label)}};
    if (search(client, want, 2, &handle, 1) > 1)
        client_die("more than one of that label", CKR_GENERAL_ERROR);
    return handle;
}

size_t client_list(const struct client *client, CK_OBJECT_HANDLE *ret, size_t room)
{
    return search(client, NULL, 0, ret, room);
}

void client_close(const struct client *client)
{
    client_need("C_Finalize", client->p11->C_Finalize(NULL));
}
