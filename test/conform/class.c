/* Every class and key type: made, read whole, found, copied to the token, changed there, destroyed. */
#include <stdio.h>

#include "call/attrs.h"
#include "keys.h"

static CK_OBJECT_HANDLE make(const void *arg, CK_BBOOL token)
{
    return keys_make_with(*(const enum key *)arg, CKA_TOKEN, token);
}

static void kind_of(CK_OBJECT_HANDLE object, CK_OBJECT_CLASS *class, CK_ULONG *subtype)
{
    CK_ATTRIBUTE ask[] = {{CKA_CLASS, class, sizeof(*class)}, {CKA_KEY_TYPE, subtype, sizeof(*subtype)}};
    (void)world.p11->C_GetAttributeValue(world.session, object, ask, 1);
    if (*class == CKO_CERTIFICATE)
        ask[1].type = CKA_CERTIFICATE_TYPE;
    if (*class != CKO_DATA)
        (void)world.p11->C_GetAttributeValue(world.session, object, &ask[1], 1);
}

static void read_whole(CK_OBJECT_HANDLE object)
{
    CK_OBJECT_CLASS class = 0;
    CK_ULONG subtype = 0;
    size_t count;
    kind_of(object, &class, &subtype);
    const CK_ATTRIBUTE_TYPE *types = attrs_of_class(class, subtype, &count);
    world_read(object, types, count);
}

static void session_object(const void *arg)
{
    CK_OBJECT_HANDLE object = make(arg, CK_FALSE);
    if (object)
        read_whole(object);
}

static void token_object(const void *arg)
{
    CK_OBJECT_HANDLE object = make(arg, CK_TRUE);
    if (object)
        read_whole(object);
}

static void copied(const void *arg)
{
    CK_BBOOL yes = CK_TRUE;
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE, object = make(arg, CK_FALSE);
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, "copied", 6}};
    if (DO(CopyObject, world.session, object, templ, 2, &copy) == CKR_OK)
        read_whole(copy);
}

static void changed(const void *arg)
{
    CK_OBJECT_HANDLE object = make(arg, CK_TRUE);
    CK_ATTRIBUTE templ = {CKA_LABEL, "changed", 7};
    CK_BYTE label[64];
    CK_ATTRIBUTE ask = {CKA_LABEL, label, sizeof(label)};
    DO(SetAttributeValue, world.session, object, &templ, 1);
    if (DO(GetAttributeValue, world.session, object, &ask, 1) == CKR_OK)
        record_bytes("label", label, ask.ulValueLen);
}

static void found(const void *arg)
{
    struct templ templ;
    CK_OBJECT_HANDLE object = make(arg, CK_TRUE), seen = 0;
    CK_ULONG count = 0;
    keys_templ(*(const enum key *)arg, &templ);
    DO(FindObjectsInit, world.session, templ.at, 2);
    DO(FindObjects, world.session, &seen, 1, &count);
    record_say("count=%lu", count);
    /* CKA_TOKEN is false in that template, so what was made is not what it means. */
    (void)world.p11->C_FindObjectsFinal(world.session);
    templ_bool(&templ, CKA_TOKEN, CK_TRUE);
    DO(FindObjectsInit, world.session, templ.at, 3);
    DO(FindObjects, world.session, &seen, 1, &count);
    record_say("count=%lu same:%d", count, seen == object);
}

static void destroyed(const void *arg)
{
    CK_OBJECT_HANDLE object = make(arg, CK_TRUE);
    CK_ULONG size;
    DO(DestroyObject, world.session, object);
    DO(GetObjectSize, world.session, object, &size);
}

void chapter_class(void)
{
    static const struct {
        const char *function, *name;
        void (*run)(const void *arg);
    } steps[] = {
        {"C_CreateObject", "session", session_object},
        {"C_CreateObject", "token", token_object},
        {"C_CopyObject", "to-token", copied},
        {"C_SetAttributeValue", "label", changed},
        {"C_FindObjects", "found", found},
        {"C_DestroyObject", "destroyed", destroyed},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        for (enum key key = KEY_NONE + 1; key < KEYS; key++) {
            char name[60];
            snprintf(name, sizeof(name), "%s.%s", keys_name(key), steps[i].name);
            world_run("class", &(struct test){steps[i].function, name, SETUP_TOKEN, steps[i].run}, &key);
        }
}
