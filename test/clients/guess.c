/*
 * guess MODULE TOKEN LAST: which objects can an application reach that it was not told of? Tries every handle
 * up to LAST, and around each that enumeration gives: reads it, uses it, wraps it, copies it and at last
 * destroys it. Prints a line for whatever works on a handle that enumeration does not give, and the label of
 * every object that it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

enum { ROOM = 4096, NEAR = 64 };

static CK_OBJECT_HANDLE listed[ROOM];
static size_t listed_count;
static unsigned long reached;

static int is_listed(CK_OBJECT_HANDLE handle)
{
    for (size_t i = 0; i < listed_count; i++)
        if (listed[i] == handle)
            return 1;
    return 0;
}

static void says(CK_RV rv, const char *call, CK_OBJECT_HANDLE handle)
{
    if (rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID ||
        rv == CKR_WRAPPING_KEY_HANDLE_INVALID || rv == CKR_UNWRAPPING_KEY_HANDLE_INVALID ||
        rv == CKR_FUNCTION_NOT_SUPPORTED)
        return;
    printf("reached %s handle=%lu answer=0x%lx\n", call, handle, rv);
    reached++;
}

static void try_handle(const struct client *client, CK_OBJECT_HANDLE handle)
{
    CK_FUNCTION_LIST *p11 = client->p11;
    CK_SESSION_HANDLE session = client->session;
    CK_BYTE iv[16] = {0}, out[256];
    CK_ULONG len = sizeof(out), size;
    CK_OBJECT_HANDLE other;
    CK_OBJECT_CLASS class;
    CK_ATTRIBUTE attr = {CKA_CLASS, &class, sizeof(class)};
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0}, cbc = {CKM_AES_CBC, iv, sizeof(iv)},
                 wrap = {CKM_AES_KEY_WRAP, NULL, 0}, oaep = {CKM_RSA_PKCS, NULL, 0};
    if (is_listed(handle))
        return;
    says(p11->C_GetAttributeValue(session, handle, &attr, 1), "C_GetAttributeValue", handle);
    says(p11->C_GetObjectSize(session, handle, &size), "C_GetObjectSize", handle);
    says(p11->C_SignInit(session, &hmac, handle), "C_SignInit", handle);
    says(p11->C_VerifyInit(session, &hmac, handle), "C_VerifyInit", handle);
    says(p11->C_EncryptInit(session, &cbc, handle), "C_EncryptInit", handle);
    says(p11->C_DecryptInit(session, &oaep, handle), "C_DecryptInit", handle);
    for (size_t i = 0; i < listed_count && i < 2; i++) {
        says(p11->C_WrapKey(session, &wrap, handle, listed[i], out, &len), "C_WrapKey with it", handle);
        says(p11->C_WrapKey(session, &wrap, listed[i], handle, out, &len), "C_WrapKey of it", handle);
    }
    says(p11->C_UnwrapKey(session, &wrap, handle, out, 24, &attr, 1, &other), "C_UnwrapKey", handle);
    says(p11->C_CopyObject(session, handle, NULL, 0, &other), "C_CopyObject", handle);
    says(p11->C_SetAttributeValue(session, handle, &attr, 1), "C_SetAttributeValue", handle);
    says(p11->C_DestroyObject(session, handle), "C_DestroyObject", handle);
}

static void print_label(const struct client *client, CK_OBJECT_HANDLE handle)
{
    char label[256];
    CK_ATTRIBUTE attr = {CKA_LABEL, label, sizeof(label)};
    if (client->p11->C_GetAttributeValue(client->session, handle, &attr, 1) != CKR_OK)
        attr.ulValueLen = 0;
    printf("listed %.*s\n", (int)attr.ulValueLen, label);
}

static void search(const struct client *client, CK_OBJECT_CLASS class, const char *label)
{
    CK_OBJECT_HANDLE handle = client_find(client, class, label);
    if (handle == CK_INVALID_HANDLE)
        return;
    printf("found class=%lu label=%s\n", class, label);
    reached++;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        client_die("usage: guess MODULE TOKEN LAST", CKR_ARGUMENTS_BAD);
    struct client client = client_open(argv[1], argv[2]);
    unsigned long last = strtoul(argv[3], NULL, 10);
    static const char *labels[] = {"p11ha group key", "p11ha seal key", "p11ha transport key"};
    static const CK_OBJECT_CLASS classes[] = {CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_DATA};
    for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++)
        for (size_t k = 0; k < sizeof(classes) / sizeof(*classes); k++)
            search(&client, classes[k], labels[i]);
    listed_count = client_list(&client, listed, ROOM);
    for (size_t i = 0; i < listed_count; i++)
        print_label(&client, listed[i]);
    for (CK_OBJECT_HANDLE handle = 1; handle <= last; handle++)
        try_handle(&client, handle);
    for (size_t i = 0; i < listed_count; i++)
        for (CK_OBJECT_HANDLE d = 1; d <= NEAR; d++) {
            try_handle(&client, listed[i] + d);
            try_handle(&client, listed[i] - d);
        }
    client_close(&client);
    printf("reached %lu\n", reached);
    return reached != 0;
}
