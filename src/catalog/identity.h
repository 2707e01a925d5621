/*
 * How an object is known again on a token: class, type, CKA_ID, CKA_LABEL and the public part, where a token
 * is known to be able to tell. Pure. Never a position, never a handle.
 */
#ifndef CATALOG_IDENTITY_H
#define CATALOG_IDENTITY_H

#include "call/attrs.h"

#define IDENTITY_MAX 13

/* Fills templ (pointing into attrs) and returns how many there are. */
size_t identity_template(const struct attrs *attrs, CK_ATTRIBUTE templ[IDENTITY_MAX]);
uint64_t identity_hash(const struct attrs *attrs);

#endif
