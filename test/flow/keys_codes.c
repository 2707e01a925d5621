/* C_WrapKey, C_UnwrapKey and C_DeriveKey answer what a bare token answers, request by request. */
#include "test/lib/keys_world.h"

#include <string.h>

#define NOBODY 999999 /* no object has that handle */

/* The keys of one side. */
struct keys {
    const struct side *side;
    CK_OBJECT_HANDLE kek, free, fixed, idle, data;
    CK_BYTE blob[40];
};
static struct keys both[2];

static CK_MECHANISM key_wrap = {CKM_AES_KEY_WRAP, NULL, 0}, unknown = {0x7ffffff0UL, NULL, 0},
                    ecb = {CKM_AES_ECB, NULL, 0}, odd = {CKM_AES_KEY_WRAP, "xyz", 3};

static CK_RV wrap(const struct keys *keys, CK_MECHANISM *mech, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key,
                  CK_ULONG room, CK_ULONG *ret_len)
{
    CK_BYTE out[256];
    *ret_len = room;
    return keys->side->f->C_WrapKey(keys->side->session, mech, with, key, room ? out : NULL, ret_len);
}

static CK_RV unwrap(const struct keys *keys, CK_MECHANISM *mech, CK_OBJECT_HANDLE with, const CK_BYTE *blob,
                    CK_ULONG len, CK_ATTRIBUTE *templ, CK_ULONG count)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    return keys->side->f->C_UnwrapKey(keys->side->session, mech, with, (CK_BYTE *)(uintptr_t)blob, len, templ,
                                      count, &key);
}

static CK_RV derive(const struct keys *keys, CK_MECHANISM *mech, CK_OBJECT_HANDLE base, CK_ATTRIBUTE *templ,
                    CK_ULONG count)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    return keys->side->f->C_DeriveKey(keys->side->session, mech, base, templ, count, &key);
}

static CK_OBJECT_HANDLE make(const struct keys *keys, bool extractable, bool used, const char *label)
{
    CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32), TRUTH(CKA_EXTRACTABLE, extractable),
                            TRUTH(CKA_WRAP, used),     TRUTH(CKA_UNWRAP, used),
                            TRUTH(CKA_DERIVE, used),   BYTES(CKA_LABEL, label, strlen(label))};
    CK_OBJECT_HANDLE key;
    NEED(keys->side->f->C_GenerateKey(keys->side->session, &mech, templ, COUNT(templ), &key));
    return key;
}

#define CASES 64
struct answers {
    const char *name[CASES];
    CK_RV rv[CASES];
    CK_ULONG len[CASES];
    unsigned count;
};

static void note(struct answers *answers, const char *name, CK_RV rv, CK_ULONG len)
{
    assert_true(answers->count < CASES);
    answers->name[answers->count] = name;
    answers->rv[answers->count] = rv;
    answers->len[answers->count++] = len;
}

static void compare(const struct answers *ours, const struct answers *theirs)
{
    assert_int_equal(ours->count, theirs->count);
    for (unsigned i = 0; i < ours->count; i++) {
        if (ours->rv[i] != theirs->rv[i] || ours->len[i] != theirs->len[i])
            fail_msg("%s: 0x%lx, %lu bytes; bare: 0x%lx, %lu bytes", ours->name[i], ours->rv[i], ours->len[i],
                     theirs->rv[i], theirs->len[i]);
    }
}

#define WRAP(name, mech, with, key, room)                  \
    do {                                                   \
        CK_ULONG len_;                                     \
        CK_RV rv_ = wrap(k, mech, with, key, room, &len_); \
        note(ret, name, rv_, len_);                        \
    } while (0)

static void wrappings(const struct keys *k, struct answers *ret)
{
    WRAP("fine", &key_wrap, k->kek, k->free, 256);
    WRAP("how long", &key_wrap, k->kek, k->free, 0);
    WRAP("just enough", &key_wrap, k->kek, k->free, 40);
    WRAP("too little", &key_wrap, k->kek, k->free, 39);
    WRAP("nobody's wrapping key", &key_wrap, NOBODY, k->free, 256);
    WRAP("nobody's key", &key_wrap, k->kek, NOBODY, 256);
    WRAP("no key at all", &key_wrap, 0, 0, 256);
    WRAP("CKA_WRAP is false", &key_wrap, k->idle, k->free, 256);
    WRAP("not extractable", &key_wrap, k->kek, k->fixed, 256);
    WRAP("neither", &key_wrap, k->idle, k->fixed, 256);
    WRAP("how long, not extractable", &key_wrap, k->kek, k->fixed, 0);
    WRAP("unknown mechanism", &unknown, k->kek, k->free, 256);
    WRAP("unknown mechanism, nobody's key", &unknown, NOBODY, NOBODY, 256);
    WRAP("mechanism that wraps nothing", &ecb, k->kek, k->free, 256);
    WRAP("parameter where none belongs", &odd, k->kek, k->free, 256);
    note(ret, "no mechanism",
         k->side->f->C_WrapKey(k->side->session, NULL, k->kek, k->free, NULL, &(CK_ULONG){0}), 0);
    note(ret, "no length", k->side->f->C_WrapKey(k->side->session, &key_wrap, k->kek, k->free, NULL, NULL),
         0);
    note(ret, "no session", k->side->f->C_WrapKey(NOBODY, &key_wrap, k->kek, k->free, NULL, &(CK_ULONG){0}),
         0);
}

static void unwrappings(const struct keys *k, struct answers *ret)
{
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            TRUTH(CKA_EXTRACTABLE, CK_TRUE)};
    CK_ATTRIBUTE made[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                           TRUTH(CKA_LOCAL, CK_TRUE)};
    CK_ATTRIBUTE rsa[] = {NUMBER(CKA_CLASS, CKO_PRIVATE_KEY), NUMBER(CKA_KEY_TYPE, CKK_RSA)};
    CK_BYTE spoilt[40];
    memcpy(spoilt, k->blob, 40);
    spoilt[7] ^= 1;
    note(ret, "fine", unwrap(k, &key_wrap, k->kek, k->blob, 40, templ, 3), 0);
    note(ret, "nobody's key", unwrap(k, &key_wrap, NOBODY, k->blob, 40, templ, 3), 0);
    note(ret, "CKA_UNWRAP is false", unwrap(k, &key_wrap, k->idle, k->blob, 40, templ, 3), 0);
    note(ret, "unknown mechanism", unwrap(k, &unknown, k->kek, k->blob, 40, templ, 3), 0);
    note(ret, "mechanism that unwraps nothing", unwrap(k, &ecb, k->kek, k->blob, 40, templ, 3), 0);
    note(ret, "parameter where none belongs", unwrap(k, &odd, k->kek, k->blob, 40, templ, 3), 0);
    note(ret, "odd length", unwrap(k, &key_wrap, k->kek, k->blob, 37, templ, 3), 0);
    note(ret, "too short", unwrap(k, &key_wrap, k->kek, k->blob, 8, templ, 3), 0);
    note(ret, "spoilt", unwrap(k, &key_wrap, k->kek, spoilt, 40, templ, 3), 0);
    note(ret, "another key's", unwrap(k, &key_wrap, k->free, k->blob, 40, templ, 3), 0);
    note(ret, "not an RSA key", unwrap(k, &key_wrap, k->kek, k->blob, 40, rsa, 2), 0);
    note(ret, "no class", unwrap(k, &key_wrap, k->kek, k->blob, 40, templ + 1, 2), 0);
    note(ret, "class alone", unwrap(k, &key_wrap, k->kek, k->blob, 40, templ, 1), 0);
    note(ret, "empty template", unwrap(k, &key_wrap, k->kek, k->blob, 40, templ, 0), 0);
    note(ret, "no template", unwrap(k, &key_wrap, k->kek, k->blob, 40, NULL, 0), 0);
    note(ret, "what a token makes", unwrap(k, &key_wrap, k->kek, k->blob, 40, made, 3), 0);
    note(ret, "nothing", unwrap(k, &key_wrap, k->kek, NULL, 0, templ, 3), 0);
}

static void derivations(const struct keys *k, struct answers *ret)
{
    CK_BYTE data[32] = {5};
    CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)}, odd_string = {data, 31};
    CK_MECHANISM good = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)},
                 uneven = {CKM_AES_ECB_ENCRYPT_DATA, &odd_string, sizeof(odd_string)},
                 cut = {CKM_AES_ECB_ENCRYPT_DATA, &string, 5}, none = {CKM_AES_ECB_ENCRYPT_DATA, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            NUMBER(CKA_VALUE_LEN, 32)};
    CK_ATTRIBUTE longer[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                             NUMBER(CKA_VALUE_LEN, 64)};
    note(ret, "fine", derive(k, &good, k->kek, templ, 3), 0);
    note(ret, "CKA_DERIVE is false", derive(k, &good, k->idle, templ, 3), 0);
    note(ret, "unknown mechanism", derive(k, &unknown, k->kek, templ, 3), 0);
    note(ret, "mechanism that derives nothing", derive(k, &key_wrap, k->kek, templ, 3), 0);
    note(ret, "uneven data", derive(k, &uneven, k->kek, templ, 3), 0);
    note(ret, "half a parameter", derive(k, &cut, k->kek, templ, 3), 0);
    note(ret, "no parameter", derive(k, &none, k->kek, templ, 3), 0);
    note(ret, "more than there is", derive(k, &good, k->kek, longer, 3), 0);
    note(ret, "no length", derive(k, &good, k->kek, templ, 2), 0);
    note(ret, "class alone", derive(k, &good, k->kek, templ, 1), 0);
    note(ret, "no place for it", k->side->f->C_DeriveKey(k->side->session, &good, k->kek, templ, 3, NULL), 0);
    note(ret, "no mechanism", derive(k, NULL, k->kek, templ, 3), 0);
}

static void run(void (*cases)(const struct keys *k, struct answers *ret))
{
    struct answers ours = {.count = 0}, theirs = {.count = 0};
    cases(&both[0], &ours);
    cases(&both[1], &theirs);
    assert_true(ours.count > 10);
    compare(&ours, &theirs);
}

static void wrapping(void **state)
{
    (void)state;
    run(wrappings);
}

static void unwrapping(void **state)
{
    (void)state;
    run(unwrappings);
}

static void deriving(void **state)
{
    (void)state;
    run(derivations);
}

/* SoftHSM says CKR_OBJECT_HANDLE_INVALID, which the standard does not have for C_DeriveKey. */
static void nobodys_base(void **state)
{
    (void)state;
    CK_BYTE data[16] = {5};
    CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
    CK_MECHANISM mech = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)};
    assert_int_equal(derive(&both[0], &mech, NOBODY, NULL, 0), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(derive(&both[0], &mech, both[0].data, NULL, 0), CKR_KEY_HANDLE_INVALID);
    CK_ULONG len;
    assert_int_equal(wrap(&both[0], &key_wrap, both[0].data, both[0].free, 256, &len),
                     CKR_WRAPPING_KEY_HANDLE_INVALID);
    assert_int_equal(wrap(&both[0], &key_wrap, both[0].kek, both[0].data, 256, &len), CKR_KEY_HANDLE_INVALID);
}

static CK_RV store_rv(const struct keys *k, CK_SESSION_HANDLE session, bool token, bool private)
{
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES),
                            TRUTH(CKA_TOKEN, token), TRUTH(CKA_PRIVATE, private)};
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE blob[40];
    memcpy(blob, k->blob, 40);
    return k->side->f->C_UnwrapKey(session, &key_wrap, k->kek, blob, 40, templ, COUNT(templ), &key);
}

/* What the session allows. */
static void read_only(void **state)
{
    (void)state;
    CK_RV rv[2];
    for (int i = 0; i < 2; i++) {
        const struct keys *k = &both[i];
        CK_SESSION_HANDLE session;
        NEED(k->side->f->C_OpenSession(k->side->slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        rv[i] = store_rv(k, session, true, true);
        NEED(store_rv(k, session, false, true));
        NEED(k->side->f->C_CloseSession(session));
    }
    assert_int_equal(rv[0], CKR_SESSION_READ_ONLY);
    assert_int_equal(rv[0], rv[1]);
}

/* These tokens have no functions of 3.2: each says so, and none is thought to be in trouble. */
static void what_no_member_has(void **state)
{
    (void)state;
    CK_FUNCTION_LIST_3_2 *f = keys_world_32();
    CK_MECHANISM kem = {CKM_RSA_PKCS, NULL, 0};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_CLASS, CKO_SECRET_KEY), NUMBER(CKA_KEY_TYPE, CKK_AES)};
    const struct keys *k = &both[0];
    CK_BYTE out[256] = {0};
    CK_ULONG len = sizeof(out);
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    const CK_RV none = CKR_FUNCTION_NOT_SUPPORTED;
    assert_int_equal(f->C_EncapsulateKey(ha.session, &kem, k->free, templ, 2, out, &len, &made), none);
    assert_int_equal(f->C_EncapsulateKey(ha.session, &kem, k->free, templ, 2, NULL, &len, NULL), none);
    assert_int_equal(f->C_DecapsulateKey(ha.session, &kem, k->free, templ, 2, out, 256, &made), none);
    assert_int_equal(f->C_WrapKeyAuthenticated(ha.session, &key_wrap, k->kek, k->free, out, 5, out + 8, &len),
                     none);
    assert_int_equal(
        f->C_UnwrapKeyAuthenticated(ha.session, &key_wrap, k->kek, out, 40, templ, 2, out, 5, &made), none);
    assert_int_equal(made, CK_INVALID_HANDLE);
}

/* Lengths that nothing of the application can have: told, and nothing is read. */
static void what_cannot_be_copied(void **state)
{
    (void)state;
    CK_BYTE byte = 0, iv[12] = {0};
    CK_ULONG lengths[] = {(256ul << 20) + 1, CK_UNAVAILABLE_INFORMATION - 7, CK_UNAVAILABLE_INFORMATION};
    CK_ATTRIBUTE templ[] = {NUMBER(CKA_VALUE_LEN, 32)};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CK_GCM_PARAMS params = {iv, 12, 96, &byte, lengths[i], 128};
        CK_MECHANISM gcm = {CKM_AES_GCM, &params, sizeof(params)}, gen = {CKM_AES_KEY_GEN, &byte, lengths[i]};
        CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
        assert_int_equal(ha.f->C_EncryptInit(ha.session, &gcm, both[0].free), CKR_MECHANISM_PARAM_INVALID);
        assert_int_equal(ha.f->C_GenerateKey(ha.session, &gen, templ, 1, &made), CKR_MECHANISM_PARAM_INVALID);
    }
}

/* Room that nobody has is not made here either. */
static void all_the_room_there_is(void **state)
{
    (void)state;
    const struct keys *k = &both[0];
    CK_BYTE blob[64];
    CK_ULONG len = CK_UNAVAILABLE_INFORMATION - 1;
    NEED(ha.f->C_WrapKey(ha.session, &key_wrap, k->kek, k->free, blob, &len));
    assert_int_equal(len, 40);
}

/* More additional data than fit into anything but memory. */
static void a_long_parameter(void **state)
{
    (void)state;
    CK_ULONG aad_len = 17ul << 20;
    CK_BYTE iv[12] = {0}, out[2][64], *aad = test_malloc(aad_len);
    memset(aad, 7, aad_len);
    for (int i = 0; i < 2; i++) {
        const struct keys *k = &both[i];
        CK_GCM_PARAMS params = {iv, 12, 96, aad, aad_len, 128};
        CK_MECHANISM gcm = {CKM_AES_GCM, &params, sizeof(params)};
        CK_ULONG len = sizeof(out[i]);
        NEED(k->side->f->C_EncryptInit(k->side->session, &gcm, k->free));
        NEED(k->side->f->C_Encrypt(k->side->session, iv, 12, out[i], &len));
        assert_int_equal(len, 28);
        NEED(k->side->f->C_DecryptInit(k->side->session, &gcm, k->free));
        NEED(k->side->f->C_Decrypt(k->side->session, out[i], len, out[i] + 32, &len));
        assert_memory_equal(out[i] + 32, iv, 12);
    }
    test_free(aad);
}

static void a_request_costs_no_member(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        keys_world_fault(i, "ok");
    assert_false(keys_world_logged("to=down"));
}

static int begin(void **state)
{
    (void)state;
    static const CK_BYTE value[] = "data";
    keys_world_up("--chaos --timeout 5s", NULL);
    both[0].side = &ha;
    both[1].side = &bare;
    for (int i = 0; i < 2; i++) {
        struct keys *k = &both[i];
        CK_ATTRIBUTE object[] = {NUMBER(CKA_CLASS, CKO_DATA), BYTES(CKA_VALUE, value, 4)};
        CK_ULONG len = sizeof(k->blob);
        k->kek = make(k, false, true, "kek-codes");
        k->free = make(k, true, true, "free-codes");
        k->fixed = make(k, false, true, "fixed-codes");
        k->idle = make(k, true, false, "idle-codes");
        NEED(k->side->f->C_CreateObject(k->side->session, object, COUNT(object), &k->data));
        NEED(k->side->f->C_WrapKey(k->side->session, &key_wrap, k->kek, k->free, k->blob, &len));
        assert_int_equal(len, 40);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    keys_world_down();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrapping),
        cmocka_unit_test(unwrapping),
        cmocka_unit_test(deriving),
        cmocka_unit_test(nobodys_base),
        cmocka_unit_test(read_only),
        cmocka_unit_test(what_no_member_has),
        cmocka_unit_test(what_cannot_be_copied),
        cmocka_unit_test(a_long_parameter),
        cmocka_unit_test(all_the_room_there_is),
        cmocka_unit_test(a_request_costs_no_member),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
