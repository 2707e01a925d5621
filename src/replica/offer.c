#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "replica/store.h"

/* Their private keys cannot be wrapped or cannot be proved: made in a managed group they would live on one
 * token alone. */
static const CK_MECHANISM_TYPE unreplicable[] = {
    CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_DH_PKCS_KEY_PAIR_GEN,
    CKM_X9_42_DH_KEY_PAIR_GEN,   CKM_GOSTR3410_KEY_PAIR_GEN,     CKM_GOST28147_KEY_GEN,
    CKM_HSS_KEY_PAIR_GEN,        CKM_XMSS_KEY_PAIR_GEN,          CKM_XMSSMT_KEY_PAIR_GEN};

CK_RV store_may_generate(struct store *store, CK_MECHANISM_TYPE type)
{
    const struct config_group *config = store_group(store)->config;
    if (config->sync != SYNC_MANAGED || config->unreplicable != UNREPLICABLE_REFUSE)
        return CKR_OK;
    for (size_t i = 0; i < ARRAY_LEN(unreplicable); i++)
        if (unreplicable[i] == type)
            return CKR_MECHANISM_INVALID;
    return CKR_OK;
}

static bool by_members(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
    struct group *group = store_group(store);
    bool any = group->config->mechanisms == MECHANISMS_ANY, found = false;
    for (unsigned i = 0; i < group->count; i++) {
        if (!atomic_load(&group->member[i]->mechanisms))
            continue; /* never seen: it has no say */
        const CK_MECHANISM_INFO *info = member_mechanism(group->member[i], type);
        if (!info && !any)
            return false;
        if (!info)
            continue;
        if (!found) {
            *ret = *info;
        } else if (any) {
            ret->flags |= info->flags;
            ret->ulMinKeySize =
                info->ulMinKeySize < ret->ulMinKeySize ? info->ulMinKeySize : ret->ulMinKeySize;
            ret->ulMaxKeySize =
                info->ulMaxKeySize > ret->ulMaxKeySize ? info->ulMaxKeySize : ret->ulMaxKeySize;
        } else {
            ret->flags &= info->flags;
            ret->ulMinKeySize =
                info->ulMinKeySize > ret->ulMinKeySize ? info->ulMinKeySize : ret->ulMinKeySize;
            ret->ulMaxKeySize =
                info->ulMaxKeySize < ret->ulMaxKeySize ? info->ulMaxKeySize : ret->ulMaxKeySize;
        }
        found = true;
    }
    return found && store_may_generate(store, type) == CKR_OK;
}

/* Hash-and-sign that no token has, out of a hash made here and a raw signature made there. */
static bool by_splitting(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
    const struct mech_info *info = mech_lookup(type);
    if (!store_group(store)->config->local_digest || !info || info->raw == CK_UNAVAILABLE_INFORMATION ||
        !mech_digest_name(info->digest) || !by_members(store, info->raw, ret))
        return false;
    ret->flags &= ~(CK_FLAGS)(CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP | CKF_SIGN_RECOVER |
                              CKF_VERIFY_RECOVER | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY);
    return ret->flags & CKF_SIGN;
}

/* A digest made here needs no token: softokn digests in its first slot, and its keys' slot does not list it.
 */
static bool by_hashing(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
    bool digest = false;
    for (size_t i = 0; i < MECH_LOCAL_DIGESTS; i++)
        digest = digest || mech_local_digests[i] == type;
    if (!digest || !store_group(store)->config->local_digest)
        return false;
    *ret = (CK_MECHANISM_INFO){.flags = CKF_DIGEST};
    return true;
}

static bool is_offered(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
    return by_members(store, type, ret) || by_splitting(store, type, ret) || by_hashing(store, type, ret);
}

CK_RV store_mechanism_info(struct store *store, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
    CK_MECHANISM_INFO info;
    if (!is_offered(store, type, &info))
        return CKR_MECHANISM_INVALID;
    *ret = info;
    return CKR_OK;
}

static int by_number(const void *a, const void *b)
{
    CK_MECHANISM_TYPE x = *(const CK_MECHANISM_TYPE *)a, y = *(const CK_MECHANISM_TYPE *)b;
    return (x > y) - (x < y);
}

/* All that any member has, and what is done here or in part, sorted, each once. */
static CK_MECHANISM_TYPE *all_types(struct group *group, size_t *ret_count)
{
    size_t splits = 0, count = 0, kept = 0;
    const CK_MECHANISM_TYPE *split = mech_splits(&splits);
    size_t room = splits + MECH_LOCAL_DIGESTS;
    const struct member_mechanisms *known[CONFIG_MEMBERS_MAX];
    for (unsigned i = 0; i < group->count; i++) {
        known[i] = atomic_load(&group->member[i]->mechanisms);
        room += known[i] ? known[i]->count : 0;
    }
    CK_MECHANISM_TYPE *type = mem_new(room, sizeof(*type));
    if (!type)
        return NULL;
    for (unsigned i = 0; i < group->count; i++)
        for (size_t k = 0; known[i] && k < known[i]->count; k++)
            type[count++] = known[i]->item[k].type;
    for (size_t k = 0; k < splits; k++)
        type[count++] = split[k];
    for (size_t k = 0; k < MECH_LOCAL_DIGESTS; k++)
        type[count++] = mech_local_digests[k];
    qsort(type, count, sizeof(*type), by_number);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || type[i] != type[kept - 1])
            type[kept++] = type[i];
    *ret_count = kept;
    return type;
}

CK_RV store_mechanisms(struct store *store, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    size_t all = 0;
    CK_MECHANISM_TYPE *type = all_types(store_group(store), &all);
    CK_ULONG offered = 0;
    if (!type)
        return CKR_HOST_MEMORY;
    for (size_t i = 0; i < all; i++) {
        CK_MECHANISM_INFO info;
        if (is_offered(store, type[i], &info))
            type[offered++] = type[i];
    }
    CK_RV rv = list && *count < offered ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    if (list && rv == CKR_OK)
        memcpy(list, type, offered * sizeof(*list));
    *count = offered;
    mem_free(type);
    return rv;
}
