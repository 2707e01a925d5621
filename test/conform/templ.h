/* A template that is put together step by step; values are copied into it. */
#ifndef CONFORM_TEMPL_H
#define CONFORM_TEMPL_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

enum { TEMPL_MAX = 40, TEMPL_ROOM = 8192 };

struct templ {
    CK_ATTRIBUTE at[TEMPL_MAX];
    CK_ULONG count;
    CK_BYTE room[TEMPL_ROOM];
    CK_ULONG used;
};

/* Sets or replaces. Ends the program if the template is full. */
void templ_set(struct templ *templ, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len);
void templ_bool(struct templ *templ, CK_ATTRIBUTE_TYPE type, CK_BBOOL value);
void templ_ulong(struct templ *templ, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void templ_text(struct templ *templ, CK_ATTRIBUTE_TYPE type, const char *value);
void templ_drop(struct templ *templ, CK_ATTRIBUTE_TYPE type);

#endif
