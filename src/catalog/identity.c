#include "catalog/identity.h"

#include <string.h>

#include "base/map.h"

/* An EC private key has no public part that SoftHSM would tell: its CKA_ID stands for it, and the proof
 * decides. */
static const CK_ATTRIBUTE_TYPE of_key[] = {
    CKA_CLASS,           CKA_TOKEN,     CKA_KEY_TYPE, CKA_ID,       CKA_LABEL, CKA_MODULUS,
    CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_PRIME,    CKA_SUBPRIME, CKA_BASE};
static const CK_ATTRIBUTE_TYPE of_public_key[] = {
    CKA_CLASS,     CKA_TOKEN,    CKA_KEY_TYPE, CKA_ID,       CKA_LABEL, CKA_MODULUS, CKA_PUBLIC_EXPONENT,
    CKA_EC_PARAMS, CKA_EC_POINT, CKA_PRIME,    CKA_SUBPRIME, CKA_BASE,  CKA_VALUE};
static const CK_ATTRIBUTE_TYPE of_certificate[] = {CKA_CLASS, CKA_TOKEN, CKA_CERTIFICATE_TYPE,
                                                   CKA_ID,    CKA_LABEL, CKA_VALUE};
static const CK_ATTRIBUTE_TYPE of_data[] = {CKA_CLASS,       CKA_TOKEN,     CKA_LABEL,
                                            CKA_APPLICATION, CKA_OBJECT_ID, CKA_VALUE};

static const CK_ATTRIBUTE_TYPE *types_of(CK_OBJECT_CLASS class, size_t *count)
{
    switch (class) {
    case CKO_CERTIFICATE:
        *count = ARRAY_LEN(of_certificate);
        return of_certificate;
    case CKO_DATA:
        *count = ARRAY_LEN(of_data);
        return of_data;
    case CKO_PUBLIC_KEY:
        *count = ARRAY_LEN(of_public_key);
        return of_public_key;
    default:
        *count = ARRAY_LEN(of_key);
        return of_key;
    }
}

size_t identity_template(const struct attrs *attrs, CK_ATTRIBUTE templ[IDENTITY_MAX])
{
    size_t types = 0, count = 0;
    const CK_ATTRIBUTE_TYPE *type = types_of(attrs_ulong(attrs, CKA_CLASS, CKO_DATA), &types);
    for (size_t i = 0; i < types; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(attrs, type[i]);
        if (attr)
            templ[count++] = *attr;
    }
    return count;
}

uint64_t identity_hash(const struct attrs *attrs)
{
    CK_ATTRIBUTE templ[IDENTITY_MAX];
    size_t count = identity_template(attrs, templ);
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++) {
        hash = map_hash(&templ[i].type, sizeof(templ[i].type), hash);
        hash = map_hash(templ[i].pValue, templ[i].ulValueLen, hash);
    }
    return hash;
}
