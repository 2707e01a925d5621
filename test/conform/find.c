/* Object search. */
#include "keys.h"

enum { MANY = 64 };

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* A small population: session and token objects, private and public. */
static void populate(void)
{
    static const struct {
        enum key key;
        CK_BBOOL token, private;
    } all[] = {{KEY_AES128, CK_FALSE, CK_TRUE},     {KEY_AES256, CK_TRUE, CK_TRUE},
               {KEY_DES3, CK_TRUE, CK_FALSE},       {KEY_RSA_PUBLIC, CK_TRUE, CK_FALSE},
               {KEY_EC256, CK_FALSE, CK_TRUE},      {KEY_EC256_PUBLIC, CK_FALSE, CK_FALSE},
               {KEY_CERTIFICATE, CK_TRUE, CK_FALSE}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct templ with = {.count = 0};
        templ_bool(&with, CKA_TOKEN, all[i].token);
        templ_bool(&with, CKA_PRIVATE, all[i].private);
        /* On softokn's token the key would take the place of the one before. */
        if (all[i].key == KEY_DES3)
            templ_text(&with, CKA_ID, "other");
        (void)keys_make(all[i].key, &with);
    }
}

static void count(CK_ATTRIBUTE *templ, CK_ULONG attributes)
{
    CK_OBJECT_HANDLE found[MANY];
    CK_ULONG number = 0;
    DO(FindObjectsInit, world.session, templ, attributes);
    DO(FindObjects, world.session, found, MANY, &number);
    record_say("count=%lu", number);
    (void)world.p11->C_FindObjectsFinal(world.session);
}

static void all(const void *arg)
{
    (void)arg;
    populate();
    count(NULL, 0);
}

static void all_logged_out(const void *arg)
{
    (void)arg;
    populate();
    DO(Logout, world.session);
    count(NULL, 0);
}

static void nothing(const void *arg)
{
    (void)arg;
    count(NULL, 0);
}

static void by(const void *arg)
{
    populate();
    count((CK_ATTRIBUTE *)arg, 1);
}

static void by_two(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &no, 1}};
    populate();
    count(templ, 2);
}

static void by_wrong_value(const void *arg)
{
    (void)arg;
    CK_ATTRIBUTE templ[] = {{CKA_LABEL, "AES128", 6}, {CKA_TOKEN, &yes, 1}};
    populate();
    count(templ, 2);
}

static void in_pieces(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE found[MANY];
    CK_ULONG number;
    populate();
    DO(FindObjectsInit, world.session, NULL, 0);
    for (int i = 0; i < 5; i++) {
        DO(FindObjects, world.session, found, 2, &number);
        record_say("%lu", number);
    }
    DO(FindObjectsFinal, world.session);
    DO(FindObjectsFinal, world.session);
}

static void none_wanted(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE found[MANY];
    CK_ULONG number = 7;
    DO(FindObjectsInit, world.session, NULL, 0);
    DO(FindObjects, world.session, found, 0, &number);
    record_say("%lu", number);
    DO(FindObjects, world.session, NULL, 0, &number);
    DO(FindObjects, world.session, NULL, 4, &number);
    DO(FindObjects, world.session, found, 4, NULL);
}

static void no_search(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE found;
    CK_ULONG number;
    DO(FindObjects, world.session, &found, 1, &number);
    DO(FindObjectsFinal, world.session);
}

static void twice(const void *arg)
{
    (void)arg;
    DO(FindObjectsInit, world.session, NULL, 0);
    DO(FindObjectsInit, world.session, NULL, 0);
    DO(FindObjectsFinal, world.session);
}

static void null_template(const void *arg)
{
    (void)arg;
    DO(FindObjectsInit, world.session, NULL, 1);
}

static void made_meanwhile(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE found[MANY];
    CK_ULONG number;
    DO(FindObjectsInit, world.session, NULL, 0);
    (void)keys_make(KEY_AES128, NULL);
    DO(FindObjects, world.session, found, MANY, &number);
    record_say("%lu", number);
}

static void destroyed_meanwhile(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE found[MANY];
    CK_ULONG number;
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL);
    DO(FindObjectsInit, world.session, NULL, 0);
    DO(DestroyObject, world.session, key);
    DO(FindObjects, world.session, found, MANY, &number);
    record_say("%lu", number);
}

static void of_another_session(const void *arg)
{
    (void)arg;
    populate();
    world.session = world_open(0);
    count(NULL, 0);
}

static void same_handle(const void *arg)
{
    (void)arg;
    CK_OBJECT_HANDLE key = keys_make(KEY_AES128, NULL), one = 0, two = 0;
    CK_ULONG number;
    CK_ATTRIBUTE templ = {CKA_LABEL, "AES128", 6};
    for (int i = 0; i < 2; i++) {
        DO(FindObjectsInit, world.session, &templ, 1);
        DO(FindObjects, world.session, i ? &two : &one, 1, &number);
        DO(FindObjectsFinal, world.session);
    }
    record_say("same:%d", key == one && one == two);
}

void chapter_find(void)
{
    static const struct test tests[] = {
        {"C_FindObjects", "all", SETUP_TOKEN, all},
        {"C_FindObjects", "all-logged-out", SETUP_TOKEN, all_logged_out},
        {"C_FindObjects", "nothing", SETUP_USER, nothing},
        {"C_FindObjects", "by-two", SETUP_TOKEN, by_two},
        {"C_FindObjects", "by-wrong-value", SETUP_TOKEN, by_wrong_value},
        {"C_FindObjects", "in-pieces", SETUP_TOKEN, in_pieces},
        {"C_FindObjects", "none-wanted", SETUP_USER, none_wanted},
        {"C_FindObjects", "no-search", SETUP_USER, no_search},
        {"C_FindObjects", "made-meanwhile", SETUP_USER, made_meanwhile},
        {"C_FindObjects", "destroyed-meanwhile", SETUP_USER, destroyed_meanwhile},
        {"C_FindObjects", "of-another-session", SETUP_TOKEN, of_another_session},
        {"C_FindObjects", "same-handle", SETUP_USER, same_handle},
        {"C_FindObjectsInit", "twice", SETUP_USER, twice},
        {"C_FindObjectsInit", "null-template", SETUP_USER, null_template},
    };
    static CK_OBJECT_CLASS secret = CKO_SECRET_KEY, private = CKO_PRIVATE_KEY, data = CKO_DATA;
    static CK_KEY_TYPE aes = CKK_AES;
    static struct {
        const char *name;
        CK_ATTRIBUTE at;
    } wanted[] = {
        {"by-class", {CKA_CLASS, &secret, sizeof(secret)}},
        {"by-class-private", {CKA_CLASS, &private, sizeof(private)}},
        {"by-class-none", {CKA_CLASS, &data, sizeof(data)}},
        {"by-label", {CKA_LABEL, "DES3", 4}},
        {"by-part-of-label", {CKA_LABEL, "DES", 3}},
        {"by-id", {CKA_ID, "id", 2}},
        {"by-token", {CKA_TOKEN, &yes, 1}},
        {"by-session", {CKA_TOKEN, &no, 1}},
        {"by-private", {CKA_PRIVATE, &yes, 1}},
        {"by-key-type", {CKA_KEY_TYPE, &aes, sizeof(aes)}},
        {"by-sensitive", {CKA_SENSITIVE, &no, 1}},
        {"by-unknown-type", {0x12345678, "x", 1}},
        {"by-value", {CKA_VALUE, "x", 1}},
        {"by-bad-length", {CKA_TOKEN, "xyz", 3}},
        {"by-empty-label", {CKA_LABEL, "", 0}},
    };
    world_run_all("find", tests, ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        world_run("find", &(struct test){"C_FindObjects", wanted[i].name, SETUP_TOKEN, by}, &wanted[i].at);
}
