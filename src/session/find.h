/* C_FindObjects*: what matches is listed at Init and handed out from there. */
#ifndef SESSION_FIND_H
#define SESSION_FIND_H

#include "session/session.h"

MUST_USE CK_RV find_init(struct session *session, const CK_ATTRIBUTE *templ, CK_ULONG count);
MUST_USE CK_RV find_next(struct session *session, CK_OBJECT_HANDLE *into, CK_ULONG max, CK_ULONG *ret_count);
MUST_USE CK_RV find_final(struct session *session);

#endif
