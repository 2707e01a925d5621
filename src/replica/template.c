#include "replica/template.h"

#include <string.h>

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* Kept here and never given to a member, because there they would forbid us to copy or remove a replica. */
static const CK_ATTRIBUTE_TYPE kept_here[] = {CKA_COPYABLE, CKA_DESTROYABLE, CKA_MODIFIABLE};

/* Neither C_CreateObject nor C_UnwrapKey takes these: they follow from the key or are the token's. */
static const CK_ATTRIBUTE_TYPE never_given[] = {CKA_TOKEN,     CKA_MODULUS_BITS, CKA_CHECK_VALUE,
                                                CKA_UNIQUE_ID, CKA_VALUE_LEN,    CKA_PUBLIC_KEY_INFO,
                                                CKA_TRUSTED,   CKA_PRIME_BITS,   CKA_SUBPRIME_BITS};

/* A private or secret key that is unwrapped brings these itself. */
static const CK_ATTRIBUTE_TYPE in_the_blob[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT,
                                                CKA_PRIME,   CKA_SUBPRIME,        CKA_BASE,      CKA_VALUE};

static bool among(CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE_TYPE *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == type)
            return true;
    return false;
}

static void add(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    if (t->count < TEMPLATE_MAX)
        t->item[t->count++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}

/* Rare attributes at their default are left out: some tokens do not know them. */
static bool is_default(const CK_ATTRIBUTE *attr)
{
    static const CK_ATTRIBUTE_TYPE rare[] = {CKA_WRAP_WITH_TRUSTED, CKA_ALWAYS_AUTHENTICATE};
    if (among(attr->type, rare, ARRAY_LEN(rare)))
        return attr->ulValueLen == 1 && *(CK_BBOOL *)attr->pValue == CK_FALSE;
    const struct attr_info *info = attr_lookup(attr->type);
    if (attr->type == CKA_CERTIFICATE_CATEGORY || attr->type == CKA_JAVA_MIDP_SECURITY_DOMAIN ||
        attr->type == CKA_NAME_HASH_ALGORITHM)
        return true;
    return attr->ulValueLen == 0 && attr->type != CKA_SUBJECT && !(info && (info->flags & ATTR_USAGE));
}

void template_session(const struct attrs *attrs, bool unwrap, bool bare, struct template *ret)
{
    static const CK_ATTRIBUTE_TYPE core[] = {
        CKA_CLASS, CKA_KEY_TYPE, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_ID, CKA_LABEL, CKA_SUBJECT,
        CKA_VALUE, CKA_APPLICATION, CKA_OBJECT_ID, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_CERTIFICATE_TYPE,
        CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT, CKA_PRIME, CKA_SUBPRIME, CKA_BASE,
        /* limits: a replica without them could do more than the key */
        CKA_ALWAYS_AUTHENTICATE, CKA_WRAP_WITH_TRUSTED, CKA_ALLOWED_MECHANISMS};
    ret->count = 0;
    add(ret, CKA_TOKEN, &no, sizeof(no));
    for (size_t i = 0; i < attrs->count; i++) {
        const CK_ATTRIBUTE *attr = &attrs->item[i];
        const struct attr_info *info = attr_lookup(attr->type);
        bool usage = info && (info->flags & ATTR_USAGE);
        if ((info && (info->flags & ATTR_MADE)) || among(attr->type, never_given, ARRAY_LEN(never_given)) ||
            among(attr->type, kept_here, ARRAY_LEN(kept_here)) || is_default(attr))
            continue;
        if (unwrap && among(attr->type, in_the_blob, ARRAY_LEN(in_the_blob)))
            continue;
        if ((info && info->shape == ATTR_TEMPLATE) ||
            (bare && !usage && !among(attr->type, core, ARRAY_LEN(core))))
            continue;
        add(ret, attr->type, attr->pValue, attr->ulValueLen);
    }
}

void template_publish(const struct attrs *attrs, struct template *ret)
{
    (void)attrs;
    ret->count = 0;
    add(ret, CKA_TOKEN, &yes, sizeof(yes));
}

static bool same_value(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b)
{
    return a->ulValueLen == b->ulValueLen &&
           (a->ulValueLen == 0 || memcmp(a->pValue, b->pValue, a->ulValueLen) == 0);
}

void template_changes(const struct attrs *wanted, const struct attrs *there, struct template *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        const CK_ATTRIBUTE *attr = &wanted->item[i], *other = attrs_get(there, attr->type);
        const struct attr_info *info = attr_lookup(attr->type);
        if (!other || !info || (info->flags & (ATTR_MADE | ATTR_FIXED)) ||
            among(attr->type, kept_here, ARRAY_LEN(kept_here)))
            continue;
        if (!same_value(attr, other))
            add(ret, attr->type, attr->pValue, attr->ulValueLen);
    }
}

bool template_nests(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_info *info = attr_lookup(templ[i].type);
        if (info && info->shape == ATTR_TEMPLATE && templ[i].ulValueLen > 0)
            return true;
    }
    return false;
}

CK_RV template_tryout(const CK_ATTRIBUTE *templ, CK_ULONG count, bool extractable, struct attrs *ret)
{
    if (template_nests(templ, count))
        return CKR_ATTRIBUTE_TYPE_INVALID;
    CK_RV rv = attrs_merge(ret, templ, count);
    if (rv == CKR_OK)
        rv = attrs_set_bool(ret, CKA_TOKEN, false);
    if (rv == CKR_OK && extractable)
        rv = attrs_set_bool(ret, CKA_EXTRACTABLE, true);
    for (size_t i = 0; i < ARRAY_LEN(kept_here); i++)
        attrs_drop(ret, kept_here[i]);
    return rv;
}

CK_RV template_asked(const CK_ATTRIBUTE *templ, CK_ULONG count, struct template *ret)
{
    ret->count = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        if (among(templ[i].type, kept_here, ARRAY_LEN(kept_here)))
            continue;
        if (ret->count == TEMPLATE_MAX)
            return CKR_TEMPLATE_INCONSISTENT;
        ret->item[ret->count++] = templ[i];
    }
    return CKR_OK;
}

CK_RV template_logical(const CK_ATTRIBUTE *asked, CK_ULONG count, bool token, bool managed,
                       struct attrs *attrs)
{
    CK_OBJECT_CLASS class = attrs_ulong(attrs, CKA_CLASS, CKO_DATA);
    bool secret = class == CKO_SECRET_KEY || class == CKO_PRIVATE_KEY;
    CK_RV rv = attrs_set_bool(attrs, CKA_TOKEN, token);
    for (size_t i = 0; i < ARRAY_LEN(kept_here) && rv == CKR_OK; i++)
        rv = attrs_set_bool(attrs, kept_here[i], template_bool(asked, count, kept_here[i], true));
    if (rv != CKR_OK || !secret)
        return rv;
    for (size_t i = attrs->count; i-- > 0;) {
        const struct attr_info *info = attr_lookup(attrs->item[i].type);
        if (info && (info->flags & ATTR_SENSITIVE))
            attrs_drop(attrs, attrs->item[i].type);
    }
    attrs_drop(attrs, CKA_VALUE);
    /* As the entry has judged it: softokn calls a session key public, and every key on its token private. */
    if (managed)
        rv = attrs_set_bool(attrs, CKA_PRIVATE, template_bool(asked, count, CKA_PRIVATE, true));
    if (managed && rv == CKR_OK) {
        rv = attrs_set_bool(attrs, CKA_EXTRACTABLE, template_bool(asked, count, CKA_EXTRACTABLE, false));
        if (rv == CKR_OK)
            rv = attrs_set_bool(attrs, CKA_NEVER_EXTRACTABLE, false);
    }
    CK_ULONG len = template_ulong(asked, count, CKA_VALUE_LEN, 0);
    const CK_ATTRIBUTE *value = template_get(asked, count, CKA_VALUE);
    if (rv == CKR_OK && class == CKO_SECRET_KEY && (len || value))
        rv = attrs_set_ulong(attrs, CKA_VALUE_LEN, len ? len : value->ulValueLen);
    return rv;
}
