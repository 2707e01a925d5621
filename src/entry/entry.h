/* The C_ functions, by names that no vendor's library can bind to. */
#ifndef ENTRY_ENTRY_H
#define ENTRY_ENTRY_H

#include "call/calls.h"
#include "pkcs11-headers/pkcs11.h"

#define CALL(name, since, kind, repeat) extern __typeof__(*(CK_C_##name)NULL) entry_C_##name;
#include "call/calls.def"

#endif
