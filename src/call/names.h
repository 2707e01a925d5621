/* Names of numbers, for logs, traces and people. Static strings; an unknown number becomes e.g.
 * "CKR_0x80000123". */
#ifndef CALL_NAMES_H
#define CALL_NAMES_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

/* The buffer is used for unknown numbers only. */
struct name_buf {
    char text[40];
};
const char *name_rv(CK_RV rv, struct name_buf *buf);
const char *name_mech(CK_MECHANISM_TYPE type, struct name_buf *buf);
const char *name_attr(CK_ATTRIBUTE_TYPE type, struct name_buf *buf);
const char *name_class(CK_OBJECT_CLASS class, struct name_buf *buf);
const char *name_key_type(CK_KEY_TYPE type, struct name_buf *buf);
/* From "CKR_DEVICE_ERROR" or a number; false if neither. */
MUST_USE bool name_to_rv(const char *name, CK_RV *ret);
MUST_USE bool name_to_mech(const char *name, CK_MECHANISM_TYPE *ret);

#endif
