#include "templ.h"

#include <stdlib.h>
#include <string.h>

void templ_set(struct templ *templ, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    CK_ULONG i = 0;
    while (i < templ->count && templ->at[i].type != type)
        i++;
    if (i == TEMPL_MAX || len > TEMPL_ROOM - templ->used)
        abort();
    if (i == templ->count)
        templ->count++;
    /* Aligned, as a CK_ULONG must be. */
    CK_BYTE *into = templ->room + templ->used;
    templ->used += (len + 7) / 8 * 8;
    if (len)
        memcpy(into, value, len);
    templ->at[i] = (CK_ATTRIBUTE){type, into, len};
}

void templ_bool(struct templ *templ, CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
    templ_set(templ, type, &value, sizeof(value));
}

void templ_ulong(struct templ *templ, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
    templ_set(templ, type, &value, sizeof(value));
}

void templ_text(struct templ *templ, CK_ATTRIBUTE_TYPE type, const char *value)
{
    templ_set(templ, type, value, strlen(value));
}

void templ_drop(struct templ *templ, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG kept = 0;
    for (CK_ULONG i = 0; i < templ->count; i++)
        if (templ->at[i].type != type)
            templ->at[kept++] = templ->at[i];
    templ->count = kept;
}
