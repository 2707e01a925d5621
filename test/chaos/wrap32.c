/*
 * The key functions that PKCS#11 3.2 added, for modules that have none: made of the wrapped module's own
 * of 2.40, on its real keys. An encapsulation is an ECDH with a key pair of the moment, whose public point is
 * the ciphertext; an authenticated wrap is one by AES-GCM with the associated data in the mechanism's
 * parameter.
 */
#include <string.h>

#include "test/chaos/wrap.h"

#define POINT_MAX   160
#define WRAPPED_MAX 4096
#define TAG         16

static CK_RV derive(const struct pass *pass, const CK_MECHANISM *asked, CK_OBJECT_HANDLE key, CK_BYTE *point,
                    CK_ULONG point_len, CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *made)
{
    CK_ECDH1_DERIVE_PARAMS params;
    CK_MECHANISM mech = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
    if (asked->mechanism != CKM_ECDH1_DERIVE)
        return CKR_MECHANISM_INVALID;
    if (!asked->pParameter || asked->ulParameterLen != sizeof(params))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(&params, asked->pParameter, sizeof(params));
    params.pPublicData = point;
    params.ulPublicDataLen = point_len;
    return pass->real->f.C_DeriveKey(pass->at, &mech, key, templ, count, made);
}

static CK_RV pair_of_the_moment(const struct pass *pass, CK_ATTRIBUTE *curve, CK_OBJECT_HANDLE *public,
                                CK_OBJECT_HANDLE *private)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM mech = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE shown[] = {*curve, {CKA_TOKEN, &no, sizeof(no)}, {CKA_PRIVATE, &no, sizeof(no)}};
    CK_ATTRIBUTE hidden[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_DERIVE, &yes, sizeof(yes)}};
    return pass->real->f.C_GenerateKeyPair(pass->at, &mech, shown, 3, hidden, 2, public, private);
}

static CK_RV encapsulate(const struct pass *pass, const CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                         CK_ATTRIBUTE *templ, CK_ULONG count, CK_BYTE *out, CK_ULONG *out_len,
                         CK_OBJECT_HANDLE *made)
{
    const CK_FUNCTION_LIST_3_0 *f = &pass->real->f;
    CK_BYTE params[POINT_MAX], theirs[POINT_MAX], mine[POINT_MAX];
    CK_ATTRIBUTE peer[] = {{CKA_EC_PARAMS, params, sizeof(params)}, {CKA_EC_POINT, theirs, sizeof(theirs)}};
    CK_ATTRIBUTE own = {CKA_EC_POINT, mine, sizeof(mine)};
    CK_OBJECT_HANDLE public, private;
    CK_RV rv = f->C_GetAttributeValue(pass->at, key, peer, 2);
    if (rv != CKR_OK)
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : CKR_KEY_TYPE_INCONSISTENT;
    /* Points of one curve are of one length. */
    CK_ULONG room = *out_len;
    *out_len = peer[1].ulValueLen;
    if (!out || room < *out_len)
        return out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    rv = pair_of_the_moment(pass, &peer[0], &public, &private);
    if (rv != CKR_OK)
        return rv;
    rv = f->C_GetAttributeValue(pass->at, public, &own, 1);
    if (rv == CKR_OK)
        rv = derive(pass, mech, private, theirs, peer[1].ulValueLen, templ, count, made);
    if (rv == CKR_OK)
        memcpy(out, mine, *out_len);
    f->C_DestroyObject(pass->at, public);
    f->C_DestroyObject(pass->at, private);
    return rv;
}

/* The mechanism with the associated data in its parameter. */
static CK_RV with_aad(const CK_MECHANISM *asked, CK_BYTE *aad, CK_ULONG aad_len, CK_GCM_PARAMS *params,
                      CK_MECHANISM *ret)
{
    if (asked->mechanism != CKM_AES_GCM)
        return CKR_MECHANISM_INVALID;
    if (!asked->pParameter || asked->ulParameterLen != sizeof(*params))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(params, asked->pParameter, sizeof(*params));
    params->pAAD = aad;
    params->ulAADLen = aad_len;
    *ret = (CK_MECHANISM){CKM_AES_GCM, params, sizeof(*params)};
    return CKR_OK;
}

/* With padding; tokens have it under one of two numbers. */
static CK_MECHANISM_TYPE wrap_of(const struct pass *pass)
{
    CK_SESSION_INFO session;
    CK_MECHANISM_INFO info;
    const CK_FUNCTION_LIST_3_0 *f = &pass->real->f;
    bool kwp = f->C_GetSessionInfo(pass->at, &session) == CKR_OK &&
               f->C_GetMechanismInfo(session.slotID, CKM_AES_KEY_WRAP_KWP, &info) == CKR_OK;
    return kwp ? CKM_AES_KEY_WRAP_KWP : CKM_AES_KEY_WRAP_PAD;
}

static CK_RV wrap(const struct pass *pass, CK_MECHANISM *gcm, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key,
                  CK_BYTE *out, CK_ULONG *out_len)
{
    const CK_FUNCTION_LIST_3_0 *f = &pass->real->f;
    CK_MECHANISM mech = {wrap_of(pass), NULL, 0};
    CK_BYTE blob[WRAPPED_MAX];
    CK_ULONG len = sizeof(blob), room = *out_len;
    CK_RV rv = f->C_WrapKey(pass->at, &mech, with, key, blob, &len);
    if (rv != CKR_OK)
        return rv;
    *out_len = len + TAG;
    if (!out || room < *out_len)
        return out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    rv = f->C_EncryptInit(pass->at, gcm, with);
    return rv == CKR_OK ? f->C_Encrypt(pass->at, blob, len, out, out_len) : rv;
}

static CK_RV unwrap(const struct pass *pass, CK_MECHANISM *gcm, CK_OBJECT_HANDLE with, CK_BYTE *in,
                    CK_ULONG in_len, CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *made)
{
    const CK_FUNCTION_LIST_3_0 *f = &pass->real->f;
    CK_MECHANISM mech = {wrap_of(pass), NULL, 0};
    CK_BYTE blob[WRAPPED_MAX];
    CK_ULONG len = sizeof(blob);
    CK_RV rv = f->C_DecryptInit(pass->at, gcm, with);
    if (rv == CKR_OK)
        rv = f->C_Decrypt(pass->at, in, in_len, blob, &len);
    return rv == CKR_OK ? f->C_UnwrapKey(pass->at, &mech, with, blob, len, templ, count, made) : rv;
}

CK_RV chaos_C_EncapsulateKey(CK_SESSION_HANDLE at, CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                             CK_ATTRIBUTE *templ, CK_ULONG count, CK_BYTE *out, CK_ULONG *out_len,
                             CK_OBJECT_HANDLE *made)
{
    struct pass pass;
    CK_RV rv = pass_begin(&pass, CALL_C_EncapsulateKey, at);
    IN_KEY(key);
    if (rv == CKR_OK)
        rv = pass_enter(&pass);
    if (rv == CKR_OK) {
        rv = encapsulate(&pass, mech, key, templ, count, out, out_len, made);
        OUT_BYTES(out, out_len);
        if (out)
            OUT_HANDLE(made);
    }
    return pass_end(&pass, rv);
}

CK_RV chaos_C_DecapsulateKey(CK_SESSION_HANDLE at, CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
                             CK_ATTRIBUTE *templ, CK_ULONG count, CK_BYTE *in, CK_ULONG in_len,
                             CK_OBJECT_HANDLE *made)
{
    struct pass pass;
    CK_RV rv = pass_begin(&pass, CALL_C_DecapsulateKey, at);
    IN_KEY(key);
    if (rv == CKR_OK)
        rv = pass_enter(&pass);
    if (rv == CKR_OK) {
        rv = derive(&pass, mech, key, in, in_len, templ, count, made);
        OUT_HANDLE(made);
    }
    return pass_end(&pass, rv);
}

CK_RV chaos_C_WrapKeyAuthenticated(CK_SESSION_HANDLE at, CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                                   CK_OBJECT_HANDLE key, CK_BYTE *aad, CK_ULONG aad_len, CK_BYTE *out,
                                   CK_ULONG *out_len)
{
    struct pass pass;
    CK_GCM_PARAMS params;
    CK_MECHANISM gcm;
    CK_RV rv = pass_begin(&pass, CALL_C_WrapKeyAuthenticated, at);
    IN_HANDLE(with, CKR_WRAPPING_KEY_HANDLE_INVALID);
    IN_KEY(key);
    if (rv == CKR_OK)
        rv = pass_enter(&pass);
    if (rv == CKR_OK)
        rv = with_aad(mech, aad, aad_len, &params, &gcm);
    if (rv == CKR_OK) {
        rv = wrap(&pass, &gcm, with, key, out, out_len);
        OUT_BYTES(out, out_len);
    }
    return pass_end(&pass, rv);
}

CK_RV chaos_C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE at, CK_MECHANISM *mech, CK_OBJECT_HANDLE with,
                                     CK_BYTE *in, CK_ULONG in_len, CK_ATTRIBUTE *templ, CK_ULONG count,
                                     CK_BYTE *aad, CK_ULONG aad_len, CK_OBJECT_HANDLE *made)
{
    struct pass pass;
    CK_GCM_PARAMS params;
    CK_MECHANISM gcm;
    CK_RV rv = pass_begin(&pass, CALL_C_UnwrapKeyAuthenticated, at);
    IN_HANDLE(with, CKR_UNWRAPPING_KEY_HANDLE_INVALID);
    if (rv == CKR_OK)
        rv = pass_enter(&pass);
    if (rv == CKR_OK)
        rv = with_aad(mech, aad, aad_len, &params, &gcm);
    if (rv == CKR_OK) {
        rv = unwrap(&pass, &gcm, with, in, in_len, templ, count, made);
        OUT_HANDLE(made);
    }
    return pass_end(&pass, rv);
}
