/* Object search. */
#include "session/find.h"

#include "entry/enter.h"

CK_RV entry_C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR templ, CK_ULONG count)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_FindObjectsInit, session);
    entry.trace.in = count;
    if (rv == CKR_OK && !templ && count)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = find_init(entry.session, templ, count);
    return entry_end(&entry, rv);
}

CK_RV entry_C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max,
                          CK_ULONG_PTR count)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_FindObjects, session);
    if (rv == CKR_OK && (!count || (!objects && max)))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = find_next(entry.session, objects, max, count);
    if (rv == CKR_OK)
        entry.trace.out = *count;
    return entry_end(&entry, rv);
}

CK_RV entry_C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_FindObjectsFinal, session);
    if (rv == CKR_OK)
        rv = find_final(entry.session);
    return entry_end(&entry, rv);
}
