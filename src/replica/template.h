/* Templates for members, out of an object's attributes. Pure. What they point to belongs to the attributes.
 */
#ifndef REPLICA_TEMPLATE_H
#define REPLICA_TEMPLATE_H

#include "call/attrs.h"

#define TEMPLATE_MAX 64

struct template
{
    CK_ATTRIBUTE item[TEMPLATE_MAX];
    size_t count;
};

/* For C_UnwrapKey or C_CreateObject as a session object; every usage flag spelled out. `bare`: without what
 * some tokens do not know. */
void template_session(const struct attrs *attrs, bool unwrap, bool bare, struct template *ret);
/* For C_CopyObject of that session object to the token. */
void template_publish(const struct attrs *attrs, struct template *ret);
/* Attributes that differ and that C_SetAttributeValue may bring in line on a replica. */
void template_changes(const struct attrs *wanted, const struct attrs *there, struct template *ret);
/* Is there a template inside it? It would have to bind every replica, and cannot be read back from all
 * tokens: refused, not lost. */
bool template_nests(const CK_ATTRIBUTE *templ, CK_ULONG count);
/*
 * How an application's template becomes that of a session object that can be wrapped: TOKEN false,
 * EXTRACTABLE true for keys, and without the flags that are kept here (MODIFIABLE, COPYABLE, DESTROYABLE).
 */
MUST_USE CK_RV template_tryout(const CK_ATTRIBUTE *templ, CK_ULONG count, bool extractable,
                               struct attrs *ret);
/*
 * How an application's template of a session object that is made as asked goes to a member: without the flags
 * that are kept here. Values are the application's. CKR_TEMPLATE_INCONSISTENT if it is too long.
 */
MUST_USE CK_RV template_asked(const CK_ATTRIBUTE *templ, CK_ULONG count, struct template *ret);
/* What of an application's template is kept here, over what a member has told; made attributes as the design
 * wants them. */
MUST_USE CK_RV template_logical(const CK_ATTRIBUTE *asked, CK_ULONG count, bool token, bool managed,
                                struct attrs *attrs);

#endif
