/*
 * Sequences of C_ calls with arguments right and wild, from one application, over three members whose
 * chaos.so fails as told: no crash, no hang, no leak, and no answer that is not the standard's.
 */
#include <stdio.h>
#include <unistd.h>

#include "call/names.h"
#include "entry/entry.h"
#include "test/fuzz/make.h"
#include "test/lib/chaos_ctl.h"

#define STEPS    40
#define SESSIONS 4
#define HANDLES  16
#define KEYS     6
#define ARGS     12
#define MEMBERS  3
#define LOGINS   100 /* tries, 100 ms apart */

/* Every function takes its arguments as words, and more words than it takes do no harm. */
typedef CK_RV (*call_fn)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                         CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG);

static const struct call {
    const char *name;
    size_t offset;
    const char *args;
} calls[] = {
#define CALL(name, args) {#name, offsetof(CK_FUNCTION_LIST_3_2, C_##name), args},
#include "test/fuzz/calls_args.def"
};

/* What a member does for its next calls. */
static const char *const faults[] = {
    "* rv=CKR_DEVICE_ERROR times=3",
    "* rv=CKR_GENERAL_ERROR times=2",
    "crypto rv=CKR_OBJECT_HANDLE_INVALID times=1",
    "* rv=CKR_SESSION_HANDLE_INVALID times=2",
    "* rv=CKR_DEVICE_MEMORY times=1",
    "* delay=20 times=1",
    "* lose-sessions",
    "* lose-login",
    "* lose-objects",
};

static struct world {
    char dir[64];
    CK_FUNCTION_LIST_3_2 *p11;
    CK_SESSION_HANDLE session[SESSIONS];
    CK_OBJECT_HANDLE object[HANDLES];
    unsigned objects;
} world;

static int shell(const char *what)
{
    char command[512];
    const char *source = getenv("P11HA_SOURCE");
    snprintf(command, sizeof(command), "%s/test/rig/rig %s %s/rig %s >/dev/null", source ? source : ".", what,
             world.dir, strcmp(what, "up") == 0 ? "--chaos --timeout 3s" : "");
    return system(command);
}

static void tear_down(void)
{
    (void)world.p11->C_Finalize(NULL);
    (void)shell("down");
    (void)rmdir(world.dir);
}

static void need(CK_RV rv, const char *what)
{
    struct name_buf buf;
    if (rv == CKR_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, name_rv(rv, &buf));
    abort();
}

static void control(unsigned member, const char *rules)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/rig/hsm-%u.chaos", world.dir, member + 1);
    if (chaos_set(path, rules) != 0)
        abort();
}

/* Whatever the last sequence did to the members is over. */
static void open_all(void)
{
    CK_BYTE pin[] = "1234";
    CK_RV rv = CKR_OK;
    for (unsigned i = 0; i < MEMBERS; i++)
        control(i, "");
    (void)world.p11->C_CloseAllSessions(1);
    for (int i = 0; i < SESSIONS; i++)
        need(world.p11->C_OpenSession(1, CKF_SERIAL_SESSION | (i < 3 ? CKF_RW_SESSION : 0), NULL, NULL,
                                      &world.session[i]),
             "C_OpenSession");
    for (int i = 0; i < LOGINS; i++) {
        rv = world.p11->C_Login(world.session[0], CKU_USER, pin, 4);
        if (rv == CKR_OK)
            return;
        usleep(100000);
    }
    need(rv, "C_Login");
}

static void keep(CK_OBJECT_HANDLE handle)
{
    world.object[world.objects++ % HANDLES] = handle;
}

static CK_OBJECT_HANDLE keys[KEYS];

static bool are_there(void)
{
    for (int i = 0; i < KEYS; i++) {
        CK_ULONG class;
        CK_ATTRIBUTE attr = {CKA_CLASS, &class, sizeof(class)};
        if (world.p11->C_GetAttributeValue(world.session[0], keys[i], &attr, 1) != CKR_OK)
            return false;
    }
    return true;
}

/* One key of each kind, so that there is something to work with; anew when a sequence has destroyed one. */
static void make_keys(void)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG len = 16, bits = 1024;
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_ATTRIBUTE secret[] = {{CKA_TOKEN, &yes, 1},      {CKA_VALUE_LEN, &len, sizeof(len)},
                             {CKA_ENCRYPT, &yes, 1},    {CKA_DECRYPT, &yes, 1},
                             {CKA_SIGN, &yes, 1},       {CKA_WRAP, &yes, 1},
                             {CKA_UNWRAP, &yes, 1},     {CKA_DERIVE, &yes, 1},
                             {CKA_EXTRACTABLE, &yes, 1}};
    CK_ATTRIBUTE rsa[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_VERIFY, &yes, 1}};
    CK_ATTRIBUTE ec[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof(p256)}, {CKA_VERIFY, &yes, 1}};
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_DERIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}};
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0}, generic = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_MECHANISM rsa_gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, ec_gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_SESSION_HANDLE session = world.session[0];
    if (!are_there()) {
        for (int i = 0; i < KEYS; i++)
            (void)world.p11->C_DestroyObject(session, keys[i]);
        need(world.p11->C_GenerateKey(session, &aes, secret, ARRAY_LEN(secret), &keys[0]), "AES");
        need(world.p11->C_GenerateKey(session, &generic, secret, ARRAY_LEN(secret), &keys[1]), "secret");
        need(world.p11->C_GenerateKeyPair(session, &ec_gen, ec, 3, private, 4, &keys[2], &keys[3]), "EC");
        need(world.p11->C_GenerateKeyPair(session, &rsa_gen, rsa, 3, private, 4, &keys[4], &keys[5]), "RSA");
    }
    world.objects = 0;
    for (int i = 0; i < KEYS; i++)
        keep(keys[i]);
}

static void set_up(void)
{
    char conf[128];
    strcpy(world.dir, "/tmp/p11ha-fuzz-XXXXXX");
    if (!mkdtemp(world.dir) || shell("up") != 0)
        abort();
    snprintf(conf, sizeof(conf), "%s/rig/p11ha.conf", world.dir);
    setenv("P11HA_CONF", conf, 1);
    CK_INTERFACE *interface = NULL;
    CK_VERSION v32 = {3, 2};
    need(C_GetInterface(NULL, &v32, &interface, 0), "C_GetInterface");
    world.p11 = interface->pFunctionList;
    need(world.p11->C_Initialize(NULL), "C_Initialize");
    open_all();
    if (atexit(tear_down) != 0)
        abort();
}

static void set_fault(struct bytes *in)
{
    static unsigned number; /* makes each rule a new one */
    char rules[128];
    uint8_t how = bytes_one(in);
    snprintf(rules, sizeof(rules), "* %s id=%u\n", faults[how / MEMBERS % ARRAY_LEN(faults)], number++);
    control(how % MEMBERS, rules);
}

struct made {
    CK_ULONG arg[ARGS];
    int count;
    CK_OBJECT_HANDLE *handle_out;
};

static void push(struct made *made, CK_ULONG value)
{
    if (made->count < ARGS)
        made->arg[made->count++] = value;
}

static void push_at(struct made *made, const void *pointer)
{
    push(made, (CK_ULONG)(uintptr_t)pointer);
}

static CK_ULONG any(struct bytes *in, const CK_ULONG *pool, unsigned count)
{
    uint8_t how = bytes_one(in);
    return how < 240 ? pool[how % count] : how < 250 ? how : bytes_ulong(in);
}

/* Room with its length beside it or behind a pointer; sometimes NULL, which asks for the length. */
static void push_room(struct bytes *in, struct made *made, bool behind, size_t unit)
{
    uint8_t how = bytes_one(in);
    CK_ULONG count = how % 3 == 0 ? how / 8 : 600;
    void *room = how < 40 ? NULL : bytes_room(in, count * unit);
    CK_ULONG *len = bytes_room(in, sizeof(*len));
    push_at(made, room);
    if (len)
        *len = count;
    if (behind)
        push_at(made, how == 255 ? NULL : len);
    else
        push(made, room ? count : 0);
}

static void push_in(struct bytes *in, struct made *made, bool odd)
{
    uint8_t how = bytes_one(in);
    CK_ULONG len = how == 255 ? 3000 : how % 64;
    /* A parameter of the length of a structure is taken for one, and what it points to must be there. */
    if (odd)
        len |= 1;
    push_at(made, how == 254 ? NULL : bytes_block(in, len));
    push(made, len);
}

static void push_template(struct bytes *in, struct made *made, bool with_room)
{
    CK_ULONG count = 0;
    CK_ATTRIBUTE *templ = make_template(in, &count);
    for (CK_ULONG i = 0; templ && i < count; i++) {
        if (with_room && templ[i].ulValueLen > 4096) {
            templ[i].ulValueLen = 0;
            templ[i].pValue = NULL;
        }
        /* Token objects pile up. */
        if (!with_room && templ[i].type == CKA_TOKEN)
            templ[i].type = CKA_LABEL;
    }
    push_at(made, bytes_one(in) == 255 ? NULL : templ);
    push(made, count);
}

static void push_arg(struct bytes *in, struct made *made, char kind)
{
    switch (kind) {
    case 's':
        push(made, any(in, world.session, SESSIONS));
        return;
    case 'l':
        push(made, bytes_one(in) < 250 ? 1 : bytes_ulong(in));
        return;
    case 'k':
        push(made, any(in, world.object, HANDLES));
        return;
    case 'm':
        push_at(made, make_mechanism(in));
        return;
    case 'e':
    case 'u':
        push(made, bytes_one(in) % 4 ? bytes_one(in) : bytes_ulong(in));
        return;
    case 'b':
        push(made, bytes_one(in) % 2);
        return;
    case 'd':
        push(made, CKF_DONT_BLOCK);
        return;
    case 't':
    case 'g':
        push_template(in, made, kind == 'g');
        return;
    case 'i':
    case 'p':
        push_in(in, made, kind == 'p');
        return;
    case 'o':
        push_room(in, made, true, 1);
        return;
    case 'w':
        push_room(in, made, true, sizeof(CK_ULONG));
        return;
    case 'r':
        push_room(in, made, false, 1);
        return;
    case 'c':
        push_room(in, made, false, sizeof(CK_OBJECT_HANDLE));
        push_at(made, bytes_one(in) == 255 ? NULL : bytes_room(in, sizeof(CK_ULONG)));
        return;
    case 'h':
        made->handle_out = bytes_one(in) == 255 ? NULL : bytes_room(in, sizeof(*made->handle_out));
        push_at(made, made->handle_out);
        return;
    case 'y':
        push_at(made, bytes_one(in) == 255 ? NULL : bytes_room(in, 512));
        return;
    case 'x': {
        char *text = bytes_one(in) == 255 ? NULL : bytes_block(in, 40);
        if (text)
            text[39] = 0;
        push_at(made, text);
        return;
    }
    default:
        push_at(made, bytes_one(in) == 255 ? bytes_room(in, 8) : NULL);
    }
}

/* Ours alone, never an application's. */
static void check_answer(const struct call *call, CK_RV rv)
{
    struct name_buf buf;
    if (strncmp(name_rv(rv, &buf), "CKR_", 4) == 0)
        return;
    fprintf(stderr, "C_%s answered 0x%lx\n", call->name, rv);
    abort();
}

static void step(struct bytes *in)
{
    uint8_t which = bytes_one(in);
    if (which >= 250) {
        set_fault(in);
        return;
    }
    const struct call *call = &calls[which % ARRAY_LEN(calls)];
    struct made made = {0};
    for (const char *kind = call->args; *kind; kind++)
        push_arg(in, &made, *kind);
    call_fn function;
    memcpy(&function, (const char *)world.p11 + call->offset, sizeof(function));
    const CK_ULONG *a = made.arg;
    CK_RV rv = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
    check_answer(call, rv);
    if (rv == CKR_OK && made.handle_out)
        keep(*made.handle_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.p11)
        set_up();
    struct bytes in = {.data = data, .len = size};
    open_all();
    make_keys();
    for (int i = 0; i < STEPS && in.len > 0; i++) {
        step(&in);
        /* Blocks are counted; each call's are its own. */
        bytes_release(&in);
    }
    return 0;
}
