/*
 * The wrapped functions, chaos_C_NAME, one a row of calls.h, and the way to write one. `at` is always the
 * first argument. IN steps run while rv is CKR_OK, OUT steps after the module answered.
 */
#ifndef CHAOS_WRAP_H
#define CHAOS_WRAP_H

#include "pkcs11-headers/pkcs11.h"
#include "test/chaos/calls.h"
#include "test/chaos/data.h"
#include "test/chaos/pass.h"

#define DECLARE(name, since, where, group) __typeof__(name) chaos_##name;
CHAOS_CALLS(DECLARE)
#undef DECLARE

#define WRAP(name, params, args, in, out)                                                 \
    CK_RV chaos_##name params                                                             \
    {                                                                                     \
        struct pass pass;                                                                 \
        CK_RV rv = pass_begin(&pass, CALL_##name, at);                                    \
        in;                                                                               \
        if (rv == CKR_OK)                                                                 \
            rv = pass_enter(&pass);                                                       \
        if (rv == CKR_OK) {                                                               \
            rv = pass.real->f.name ? pass.real->f.name args : CKR_FUNCTION_NOT_SUPPORTED; \
            out;                                                                          \
        }                                                                                 \
        return pass_end(&pass, rv);                                                       \
    }

#define P(...) (__VA_ARGS__)
#define NOTHING

#define IN_HANDLE(handle, stale) rv = rv == CKR_OK ? data_handle(&pass, &handle, stale) : rv
#define IN_KEY(handle)           IN_HANDLE(handle, CKR_KEY_HANDLE_INVALID)
#define IN_OBJECT(handle)        IN_HANDLE(handle, CKR_OBJECT_HANDLE_INVALID)
#define IN_MECHANISM(mechanism)  rv = rv == CKR_OK ? data_mechanism(&pass, &mechanism) : rv
#define OUT_BYTES(bytes, len)    data_bytes(&pass, rv, bytes, len)
#define OUT_HANDLE(handle)       data_handles(&pass, rv, handle, 1)

#endif
