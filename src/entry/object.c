/* Object management. */
#include "entry/enter.h"

/* CKA_PRIVATE where a template does not say: what tokens commonly do. */
static bool private_by_default(CK_OBJECT_CLASS class)
{
    return class != CKO_CERTIFICATE && class != CKO_PUBLIC_KEY;
}

static CK_RV may_create(const struct session *session, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    bool token = template_bool(templ, count, CKA_TOKEN, false);
    if (!template_get(templ, count, CKA_CLASS))
        return CKR_TEMPLATE_INCOMPLETE;
    CK_OBJECT_CLASS class = template_ulong(templ, count, CKA_CLASS, CKO_DATA);
    return session_may_write(session, token,
                             template_bool(templ, count, CKA_PRIVATE, private_by_default(class)));
}

CK_RV entry_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR templ, CK_ULONG count,
                           CK_OBJECT_HANDLE_PTR object)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_CreateObject, session);
    entry.trace.in = count;
    if (rv == CKR_OK && (!object || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = may_create(entry.session, templ, count);
    if (rv == CKR_OK)
        rv = store_create(entry.session->token->store, (uint32_t)session, templ, count, object);
    return entry_end(&entry, rv);
}

/* The object behind a handle of the application. */
static CK_RV find(const struct entry *entry, CK_OBJECT_HANDLE handle, struct object **ret)
{
    struct token *token = entry->session->token;
    return store_object(token->store, handle, token_user_in(token), ret);
}

static CK_RV copy(struct entry *entry, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *templ, CK_ULONG count,
                  CK_OBJECT_HANDLE *ret)
{
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = find(entry, handle, &object);
    if (rv != CKR_OK)
        return rv;
    rv = session_may_write(entry->session, template_bool(templ, count, CKA_TOKEN, object->token),
                           template_bool(templ, count, CKA_PRIVATE, object->private));
    if (rv != CKR_OK)
        return rv;
    return store_copy(entry->session->token->store, entry->session->item.handle, object, templ, count, ret);
}

CK_RV entry_C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR templ,
                         CK_ULONG count, CK_OBJECT_HANDLE_PTR made)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_CopyObject, session);
    entry.trace.in = count;
    if (rv == CKR_OK && (!made || (!templ && count)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = copy(&entry, object, templ, count, made);
    return entry_end(&entry, rv);
}

/* An object that exists and may be changed in this session. */
static CK_RV find_to_change(const struct entry *entry, CK_OBJECT_HANDLE handle, struct object **ret)
{
    CK_RV rv = find(entry, handle, ret);
    return rv == CKR_OK ? session_may_write(entry->session, (*ret)->token, (*ret)->private) : rv;
}

CK_RV entry_C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    struct entry entry;
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = entry_take(&entry, CALL_DestroyObject, session);
    if (rv == CKR_OK)
        rv = find_to_change(&entry, handle, &object);
    if (rv == CKR_OK)
        rv = store_destroy(entry.session->token->store, object);
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ULONG_PTR size)
{
    struct entry entry;
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = entry_take(&entry, CALL_GetObjectSize, session);
    if (rv == CKR_OK && !size)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = find(&entry, handle, &object);
    if (rv == CKR_OK)
        rv = store_size(entry.session->token->store, object, size);
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_PTR templ,
                                CK_ULONG count)
{
    struct entry entry;
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = entry_look(&entry, CALL_GetAttributeValue, session);
    entry.trace.in = count;
    if (rv == CKR_OK && !templ)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = find(&entry, handle, &object);
    if (rv == CKR_OK)
        rv = store_get(entry.session->token->store, object, templ, count);
    return entry_end(&entry, rv);
}

CK_RV entry_C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_PTR templ,
                                CK_ULONG count)
{
    struct entry entry;
    AUTO(object_unref) struct object *object = NULL;
    CK_RV rv = entry_take(&entry, CALL_SetAttributeValue, session);
    entry.trace.in = count;
    if (rv == CKR_OK && !templ)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = find_to_change(&entry, handle, &object);
    if (rv == CKR_OK)
        rv = store_set(entry.session->token->store, object, templ, count);
    return entry_end(&entry, rv);
}
