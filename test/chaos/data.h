/* What goes in and out of a call: object handles in their epoch, bits to flip. */
#ifndef CHAOS_DATA_H
#define CHAOS_DATA_H

#include "test/chaos/pass.h"

/* An object handle that goes in becomes the module's; `stale` if it is of an epoch before. */
CK_RV data_handle(const struct pass *pass, CK_OBJECT_HANDLE *handle, CK_RV stale);
/* The same for the handles inside a mechanism's parameter; the caller's memory is left alone. */
CK_RV data_mechanism(struct pass *pass, CK_MECHANISM **mechanism);

/* What comes out; nothing happens unless rv is CKR_OK. Handles that a module writes into SSL key material
 * stay its own. */
void data_handles(const struct pass *pass, CK_RV rv, CK_OBJECT_HANDLE *handles, CK_ULONG count);
void data_bytes(const struct pass *pass, CK_RV rv, CK_BYTE *bytes, const CK_ULONG *len);
void data_attributes(const struct pass *pass, CK_RV rv, CK_ATTRIBUTE *attributes, CK_ULONG count);

#endif
