#include "replica/naming.h"

#include <openssl/rand.h>
#include <string.h>

#include "replica/proof.h"
#include "router/verdict.h"

enum { UNKNOWN, KEEPS_APART, OVERWRITES };

static CK_RV make(struct remote remote, uint8_t id[16], CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE;
    uint8_t value[16];
    if (RAND_bytes(value, sizeof(value)) != 1)
        return CKR_FUNCTION_FAILED;
    CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
                            {CKA_VALUE, value, sizeof(value)},  {CKA_TOKEN, &yes, sizeof(yes)},
                            {CKA_PRIVATE, &yes, sizeof(yes)},   {CKA_SENSITIVE, &yes, sizeof(yes)},
                            {CKA_ENCRYPT, &yes, sizeof(yes)},   {CKA_ID, id, 16},
                            {CKA_LABEL, "p11ha trial", 11}};
    return remote_create(remote, templ, ARRAY_LEN(templ), ret);
}

CK_RV naming_find_out(struct managed *managed, struct remote remote, bool *ret)
{
    _Atomic uint8_t *known = &managed->naming[remote.member->index];
    struct verdict_facts facts = {.logged_in = true};
    uint8_t id[16];
    CK_OBJECT_HANDLE one, two;
    *ret = atomic_load(known) == OVERWRITES;
    if (atomic_load(known) != UNKNOWN)
        return CKR_OK;
    if (RAND_bytes(id, sizeof(id)) != 1)
        return CKR_FUNCTION_FAILED;
    CK_RV rv = make(remote, id, &one);
    if (rv == CKR_OK) {
        rv = make(remote, id, &two);
        *ret = rv != CKR_OK || one == two;
        if (rv == CKR_OK && one != two)
            (void)!remote_destroy(remote, two);
        (void)!remote_destroy(remote, one);
    } else {
        *ret = true;
    }
    /* One that refuses such a key, or the second, is given none with a CKA_ID that it has. */
    if (rv != CKR_OK && verdict_class(rv, &facts) != ERROR_APPLICATION)
        return rv;
    atomic_store(known, *ret ? OVERWRITES : KEEPS_APART);
    return CKR_OK;
}

bool naming_is_uuid(const struct record *record)
{
    return record->wrap != WRAP_NONE && record->flags & RECORD_OWN_ID && !proof_tells(record);
}

CK_RV naming_settle(struct managed *managed, struct remote remote, struct record *view)
{
    bool overwrites = false;
    if (!(view->flags & RECORD_OWN_ID) || naming_is_uuid(view))
        return CKR_OK;
    CK_RV rv = naming_find_out(managed, remote, &overwrites);
    if (!overwrites)
        view->flags &= ~(unsigned)RECORD_OWN_ID;
    return rv;
}

size_t naming_apply(const struct record *record, CK_ATTRIBUTE *templ, size_t count, size_t max)
{
    const CK_ATTRIBUTE own = {CKA_ID, (void *)(uintptr_t)record->uuid, UUID_LEN};
    bool there = false;
    for (size_t i = 0; i < count && record->flags & RECORD_OWN_ID; i++)
        if (templ[i].type == CKA_ID) {
            templ[i] = own;
            there = true;
        }
    if (!there && count < max && naming_is_uuid(record))
        templ[count++] = own;
    return count;
}
