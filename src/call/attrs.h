/*
 * Attribute sets: owned, sorted by type, in one block of secret memory or ordinary memory. Pure but for
 * allocation. A nested template (CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE) is kept as its
 * encoding (attrs_encode) and unfolded only on the way to a member or an application (frame.h).
 */
#ifndef CALL_ATTRS_H
#define CALL_ATTRS_H

#include "base/buf.h"
#include "pkcs11-headers/pkcs11.h"

/* NSS's own: the public value of a private key, wanted when it is unwrapped there. */
#define CKA_NSS_DB 0xd5a0db00UL

struct attrs {
    CK_ATTRIBUTE *item; /* values are owned */
    size_t count, cap;
};

/* What is known of an attribute type (attrs.def). ATTR_MECHS: an array of CK_ULONG. */
enum attr_shape { ATTR_BYTES, ATTR_BOOL, ATTR_ULONG, ATTR_DATE, ATTR_BIGINT, ATTR_MECHS, ATTR_TEMPLATE };
enum attr_flags {
    ATTR_SENSITIVE = 1 << 0, /* of a key: never readable when CKA_SENSITIVE or not CKA_EXTRACTABLE */
    ATTR_MADE = 1 << 1,  /* told by the token, may not be given in a template: LOCAL, ALWAYS_SENSITIVE, ... */
    ATTR_FIXED = 1 << 2, /* cannot be changed after creation */
    ATTR_USAGE = 1 << 3, /* a usage flag: spelled out for every replica */
};
struct attr_info {
    CK_ATTRIBUTE_TYPE type;
    const char *name; /* "CKA_LABEL" */
    enum attr_shape shape;
    unsigned flags;
};
/* NULL if not known. */
const struct attr_info *attr_lookup(CK_ATTRIBUTE_TYPE type);

/* The attribute types that an object of this class and key type (or certificate type) may have, to read it
 * whole. Static; ends by count. */
const CK_ATTRIBUTE_TYPE *attrs_of_class(CK_OBJECT_CLASS class, CK_ULONG subtype, size_t *ret_count);

void attrs_free(struct attrs *attrs);
static inline UNUSED void attrs_free_auto(struct attrs *attrs)
{
    attrs_free(attrs);
}
/* Sets (replaces) one. CKR_HOST_MEMORY or CKR_OK. Values live in secret memory if `ATTR_SENSITIVE`. */
MUST_USE CK_RV attrs_set(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value, size_t len);
MUST_USE CK_RV attrs_set_bool(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value);
MUST_USE CK_RV attrs_set_ulong(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void attrs_drop(struct attrs *attrs, CK_ATTRIBUTE_TYPE type);
/*
 * All of an application's template over what is there, or nothing of it. CKR_HOST_MEMORY;
 * CKR_ATTRIBUTE_VALUE_INVALID for a length of CK_UNAVAILABLE_INFORMATION or a nested template that is none or
 * nests too deep; CKR_ARGUMENTS_BAD for NULL with a length, CKR_TEMPLATE_INCONSISTENT for a type twice with
 * different values.
 */
MUST_USE CK_RV attrs_merge(struct attrs *attrs, const CK_ATTRIBUTE *templ, CK_ULONG count);
/* All of `from` over what is there, or nothing of it. */
MUST_USE CK_RV attrs_copy(struct attrs *into, const struct attrs *from);

/* NULL if not there. */
const CK_ATTRIBUTE *attrs_get(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type);
bool attrs_bool(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type, bool if_missing);
CK_ULONG attrs_ulong(const struct attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG if_missing);
/* The same on a raw template. */
const CK_ATTRIBUTE *template_get(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type);
bool template_bool(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type, bool if_missing);
CK_ULONG template_ulong(const CK_ATTRIBUTE *templ, CK_ULONG count, CK_ATTRIBUTE_TYPE type,
                        CK_ULONG if_missing);

/*
 * Values are equal if they mean the same: any true is true, leading zeros of big integers do not count.
 * True if every attribute of the template is in `attrs` with an equal value (an empty template matches
 * everything).
 */
bool attrs_match(const struct attrs *attrs, const CK_ATTRIBUTE *templ, CK_ULONG count);
bool attrs_equal(const struct attrs *a, const struct attrs *b);

/* A stable, machine-independent encoding (CK_ULONG, booleans and mechanism lists included), and back (false:
 * malformed or no memory; *ret is then untouched). */
void attrs_encode(const struct attrs *attrs, struct buf *out);
MUST_USE bool attrs_decode(struct attrs *ret, const uint8_t *data, size_t len);

#endif
