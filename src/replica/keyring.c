#include "replica/keyring.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/secret.h"
#include "call/rv.h"
#include "member/signon.h"
#include "router/verdict.h"

#define CHECK_BLOB 24 /* RFC 5649 of a 16-byte key */

/* A key that everybody knows: wrapped under the group key it shows that a member's copy is right, and says
 * nothing else. */
static const uint8_t known_key[16] = "p11ha check key!";
static const uint8_t known_block[16] = "p11ha known text";
static const uint8_t seal_text[32] = "p11ha seal key check, version 1.";
static const CK_MECHANISM_TYPE wrap_candidates[] = {CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD};

static CK_RV make_key_object(const uint8_t id[16], const char *label, CK_KEY_TYPE type, unsigned members,
                             struct object **ret)
{
    struct object *object = object_new(members);
    struct attrs attrs = {0};
    CK_RV rv = object ? CKR_OK : CKR_HOST_MEMORY;
    if (rv == CKR_OK)
        rv = attrs_set_ulong(&attrs, CKA_CLASS, CKO_SECRET_KEY);
    if (rv == CKR_OK)
        rv = attrs_set_ulong(&attrs, CKA_KEY_TYPE, type);
    if (rv == CKR_OK)
        rv = attrs_set_bool(&attrs, CKA_TOKEN, true);
    if (rv == CKR_OK)
        rv = attrs_set(&attrs, CKA_ID, id, 16);
    if (rv == CKR_OK)
        rv = attrs_set(&attrs, CKA_LABEL, label, strlen(label));
    if (rv != CKR_OK) {
        attrs_free(&attrs);
        object_unref(object);
        return rv;
    }
    object_set_attrs(object, &attrs);
    object->internal = true;
    *ret = object;
    return CKR_OK;
}

CK_RV keyring_init(struct keyring *keyring, const struct vault_meta *meta, unsigned members)
{
    memset(keyring, 0, sizeof(*keyring));
    keyring->meta = meta;
    CK_RV rv = make_key_object(meta->kek_id, KEYRING_LABEL_KEK, CKK_AES, members, &keyring->kek);
    if (rv == CKR_OK)
        rv = make_key_object(meta->seal_id, KEYRING_LABEL_SEAL, CKK_GENERIC_SECRET, members, &keyring->seal);
    if (rv != CKR_OK)
        keyring_end(keyring);
    return rv;
}

void keyring_end(struct keyring *keyring)
{
    object_unref(keyring->kek);
    object_unref(keyring->seal);
    keyring->kek = keyring->seal = NULL;
}

bool keyring_owns(const struct keyring *keyring, const struct object *object)
{
    return object == keyring->kek || object == keyring->seal;
}

bool keyring_is_hidden(const struct attrs *attrs)
{
    const CK_ATTRIBUTE *label = attrs_get(attrs, CKA_LABEL);
    if (!label || attrs_ulong(attrs, CKA_CLASS, CKO_DATA) != CKO_SECRET_KEY)
        return false;
    static const char *const names[] = {KEYRING_LABEL_KEK, KEYRING_LABEL_SEAL};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (label->ulValueLen == strlen(names[i]) && memcmp(label->pValue, names[i], label->ulValueLen) == 0)
            return true;
    return false;
}

CK_RV keyring_find(struct keyring *keyring, const struct object *object, struct remote remote,
                   CK_OBJECT_HANDLE *ret)
{
    struct object *own = object == keyring->kek ? keyring->kek : keyring->seal;
    uint32_t epoch = member_epoch(remote.member);
    if (object_replica(own, remote.member->index, epoch, ret))
        return CKR_OK;
    uint64_t generation = signon_generation(remote.member->signon);
    CK_OBJECT_HANDLE found[2];
    size_t count = 0;
    CK_RV rv = remote_find(remote, own->attrs.item, own->attrs.count, found, 2, &count);
    if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && count != 1)) {
        /* After a logout no private key is seen: nobody's fault. */
        if (generation == 0 || generation != signon_generation(remote.member->signon))
            return CKR_USER_NOT_LOGGED_IN;
        /* It had it when it was taken in: the module has lost sight of its store, and only a new start brings
         * it back. */
        if (health_usable(member_state(remote.member)) && epoch == member_epoch(remote.member))
            member_event(remote.member, HEALTH_TRANSPORT, RV_MISFIT);
        return RV_MISFIT;
    }
    if (rv != CKR_OK)
        return rv;
    object_set_replica(own, remote.member->index, epoch, found[0]);
    *ret = found[0];
    return CKR_OK;
}

/* Unwraps the known key by that mechanism and looks whether it is the known key. */
static CK_RV try_wrap_mech(struct keyring *keyring, struct remote remote, CK_OBJECT_HANDLE kek,
                           CK_MECHANISM_TYPE type)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE key_type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &key_type, sizeof(key_type)},
                            {CKA_TOKEN, &no, sizeof(no)},       {CKA_PRIVATE, &yes, sizeof(yes)},
                            {CKA_SENSITIVE, &yes, sizeof(yes)}, {CKA_EXTRACTABLE, &no, sizeof(no)},
                            {CKA_ENCRYPT, &yes, sizeof(yes)}};
    CK_MECHANISM mech = {.mechanism = type}, ecb = {.mechanism = CKM_AES_ECB};
    CK_OBJECT_HANDLE key;
    CK_RV rv = remote_unwrap(remote, &mech, kek, keyring->meta->kek_check, CHECK_BLOB, templ,
                             ARRAY_LEN(templ), &key);
    if (rv != CKR_OK)
        return rv;
    uint8_t block[16], wanted[16];
    size_t len = sizeof(block);
    rv = remote_crypt(remote, OP_ENCRYPT, &ecb, key, known_block, sizeof(known_block), block, &len, false);
    (void)!remote_destroy(remote, key);
    if (rv != CKR_OK)
        return rv;
    int n = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool right = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, known_key, NULL) == 1 &&
                 EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                 EVP_EncryptUpdate(ctx, wanted, &n, known_block, sizeof(known_block)) == 1 &&
                 len == sizeof(block) && memcmp(block, wanted, sizeof(block)) == 0;
    EVP_CIPHER_CTX_free(ctx);
    return right ? CKR_OK : RV_MISFIT;
}

static bool is_unreachable(CK_RV rv)
{
    struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    enum error_class class = verdict_class(rv, &facts);
    return class == ERROR_TRANSPORT || class == ERROR_SESSION_LOST || class == ERROR_STALE_HANDLE ||
           class == ERROR_FULL;
}

static CK_RV prove_kek(struct keyring *keyring, struct remote remote)
{
    CK_OBJECT_HANDLE kek;
    CK_RV rv = keyring_find(keyring, keyring->kek, remote, &kek);
    if (rv != CKR_OK)
        return rv;
    CK_RV said = RV_MISFIT;
    for (size_t i = 0; i < ARRAY_LEN(wrap_candidates); i++) {
        if (!member_mechanism(remote.member, wrap_candidates[i]))
            continue;
        rv = try_wrap_mech(keyring, remote, kek, wrap_candidates[i]);
        if (rv == CKR_OK) {
            atomic_store(&keyring->wrap_mech[remote.member->index], wrap_candidates[i]);
            return CKR_OK;
        }
        if (is_unreachable(rv))
            return rv;
        said = rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED ? RV_MISFIT : said;
    }
    return said;
}

CK_RV keyring_mac(struct keyring *keyring, struct remote remote, const uint8_t text[32], uint8_t ret[32])
{
    CK_MECHANISM mech = {.mechanism = CKM_SHA256_HMAC};
    struct verdict_facts facts = {.logged_in = true, .needs_handles = true};
    for (bool again = false;; again = true) {
        CK_OBJECT_HANDLE seal;
        uint8_t mac[64];
        size_t len = sizeof(mac);
        CK_RV rv = keyring_find(keyring, keyring->seal, remote, &seal);
        if (rv == CKR_OK)
            rv = remote_crypt(remote, OP_SIGN, &mech, seal, text, 32, mac, &len, false);
        if (rv == CKR_OK && len != 32)
            rv = CKR_DEVICE_ERROR;
        if (rv == CKR_OK)
            memcpy(ret, mac, 32);
        if (again || verdict_class(rv, &facts) != ERROR_STALE_HANDLE)
            return rv;
        object_drop_replica(keyring->seal, remote.member->index);
    }
}

static CK_RV prove_seal(struct keyring *keyring, struct remote remote)
{
    uint8_t mac[32];
    CK_RV rv = keyring_mac(keyring, remote, seal_text, mac);
    if (rv != CKR_OK)
        return rv;
    return secret_equal(mac, keyring->meta->seal_check, 32) ? CKR_OK : RV_MISFIT;
}

CK_RV keyring_prove(struct keyring *keyring, struct remote remote)
{
    struct member *member = remote.member;
    CK_RV rv = prove_seal(keyring, remote);
    if (rv != CKR_OK)
        return rv;
    if (atomic_load(&keyring->wrap_mech[member->index]) != 0 && remote.epoch != 0 &&
        atomic_load(&member->proved) == remote.epoch)
        return CKR_OK;
    rv = prove_kek(keyring, remote);
    if (rv == CKR_OK)
        atomic_store(&member->proved, remote.epoch);
    return rv;
}

static CK_RV place_one(struct remote remote, const uint8_t id[16], const char *label, CK_KEY_TYPE type,
                       const uint8_t *value, bool wraps)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_BBOOL *wrap = wraps ? &yes : &no, *sign = wraps ? &no : &yes;
    CK_ATTRIBUTE templ[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_VALUE, (void *)(uintptr_t)value, GROUP_KEY_BYTES},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},
        {CKA_WRAP, wrap, sizeof(yes)},
        {CKA_UNWRAP, wrap, sizeof(yes)},
        {CKA_SIGN, sign, sizeof(yes)},
        {CKA_VERIFY, sign, sizeof(yes)},
        {CKA_ENCRYPT, &no, sizeof(no)},
        {CKA_DECRYPT, &no, sizeof(no)},
        {CKA_DERIVE, &no, sizeof(no)},
        {CKA_ID, (void *)(uintptr_t)id, 16},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
    };
    CK_OBJECT_HANDLE made;
    return remote_create(remote, templ, ARRAY_LEN(templ), &made);
}

CK_RV keyring_place(struct remote remote, const struct vault_meta *meta, const uint8_t *kek,
                    const uint8_t *seal)
{
    CK_RV rv = place_one(remote, meta->kek_id, KEYRING_LABEL_KEK, CKK_AES, kek, true);
    return rv == CKR_OK
               ? place_one(remote, meta->seal_id, KEYRING_LABEL_SEAL, CKK_GENERIC_SECRET, seal, false)
               : rv;
}

CK_RV keyring_checks(const uint8_t *kek, const uint8_t *seal, struct vault_meta *meta)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;
    memset(meta->kek_check, 0, sizeof(meta->kek_check));
    bool good = false;
    if (ctx) {
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
        good = EVP_EncryptInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, kek, NULL) == 1 &&
               EVP_EncryptUpdate(ctx, meta->kek_check, &len, known_key, sizeof(known_key)) == 1 &&
               len == CHECK_BLOB;
    }
    EVP_CIPHER_CTX_free(ctx);
    size_t mac_len = 0;
    good = good && EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, seal, GROUP_KEY_BYTES, seal_text,
                             sizeof(seal_text), meta->seal_check, sizeof(meta->seal_check), &mac_len) != NULL;
    return good ? CKR_OK : CKR_FUNCTION_FAILED;
}
