#include "test/chaos/data.h"

#include <stdatomic.h>
#include <string.h>

/* Epoch 0, before anything was lost, leaves all handles as the module made them. */
#define EPOCH_SHIFT 32

static const struct {
    CK_MECHANISM_TYPE type;
    CK_ULONG size; /* of the parameter */
    size_t handle[2];
    size_t count;
} inner_handles[] = {
    {CKM_CONCATENATE_BASE_AND_KEY, sizeof(CK_OBJECT_HANDLE), {0}, 1},
    {CKM_ECMQV_DERIVE,
     sizeof(CK_ECMQV_DERIVE_PARAMS),
     {offsetof(CK_ECMQV_DERIVE_PARAMS, hPrivateData), offsetof(CK_ECMQV_DERIVE_PARAMS, publicKey)},
     2},
    {CKM_X9_42_DH_HYBRID_DERIVE,
     sizeof(CK_X9_42_DH2_DERIVE_PARAMS),
     {offsetof(CK_X9_42_DH2_DERIVE_PARAMS, hPrivateData)},
     1},
    {CKM_X9_42_MQV_DERIVE,
     sizeof(CK_X9_42_MQV_DERIVE_PARAMS),
     {offsetof(CK_X9_42_MQV_DERIVE_PARAMS, hPrivateData), offsetof(CK_X9_42_MQV_DERIVE_PARAMS, publicKey)},
     2},
    {CKM_HKDF_DERIVE, sizeof(CK_HKDF_PARAMS), {offsetof(CK_HKDF_PARAMS, hSaltKey)}, 1},
};

CK_RV data_handle(const struct pass *pass, CK_OBJECT_HANDLE *handle, CK_RV stale)
{
    if (!pass->epoch || *handle == CK_INVALID_HANDLE)
        return CKR_OK;
    if (*handle >> EPOCH_SHIFT != pass->epoch)
        return stale;
    *handle &= (UINT64_C(1) << EPOCH_SHIFT) - 1;
    return CKR_OK;
}

static CK_RV translate(struct pass *pass, const CK_MECHANISM *given, const size_t *at, size_t count)
{
    pass->mechanism = *given;
    pass->mechanism.pParameter = memcpy(pass->param, given->pParameter, given->ulParameterLen);
    for (size_t i = 0; i < count; i++) {
        CK_OBJECT_HANDLE handle;
        memcpy(&handle, pass->param + at[i], sizeof(handle));
        CK_RV rv = data_handle(pass, &handle, CKR_KEY_HANDLE_INVALID);
        if (rv != CKR_OK)
            return rv;
        memcpy(pass->param + at[i], &handle, sizeof(handle));
    }
    return CKR_OK;
}

CK_RV data_mechanism(struct pass *pass, CK_MECHANISM **mechanism)
{
    const CK_MECHANISM *given = *mechanism;
    if (!pass->epoch || !given || !given->pParameter)
        return CKR_OK;
    for (size_t i = 0; i < sizeof(inner_handles) / sizeof(inner_handles[0]); i++) {
        if (inner_handles[i].type != given->mechanism || inner_handles[i].size != given->ulParameterLen)
            continue;
        *mechanism = &pass->mechanism;
        return translate(pass, given, inner_handles[i].handle, inner_handles[i].count);
    }
    return CKR_OK;
}

void data_handles(const struct pass *pass, CK_RV rv, CK_OBJECT_HANDLE *handles, CK_ULONG count)
{
    if (rv != CKR_OK || !pass->epoch || !handles)
        return;
    for (CK_ULONG i = 0; i < count; i++)
        handles[i] |= (CK_ULONG)pass->epoch << EPOCH_SHIFT;
}

void data_bytes(const struct pass *pass, CK_RV rv, CK_BYTE *bytes, const CK_ULONG *len)
{
    if (rv == CKR_OK && pass->corrupt && bytes && *len)
        bytes[*len / 2] ^= 1;
}

void data_attributes(const struct pass *pass, CK_RV rv, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if (rv != CKR_OK || !pass->corrupt)
        return;
    for (CK_ULONG i = 0; i < count; i++) {
        if (attributes[i].pValue && attributes[i].ulValueLen) {
            data_bytes(pass, rv, attributes[i].pValue, &attributes[i].ulValueLen);
            return;
        }
    }
}
