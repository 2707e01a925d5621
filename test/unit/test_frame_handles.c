/* Handles and outputs inside a mechanism's parameter: on the way to a member and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "call/frame.h"

static struct frame *frame_with(const CK_MECHANISM *mech)
{
    struct frame *frame = frame_new(VERB_DERIVE, frame_room_mech(mech), 0);
    assert_non_null(frame);
    frame_set_mech(frame, mech);
    return frame;
}

static void a_handle_alone(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE other = 17;
    CK_MECHANISM mech = {CKM_CONCATENATE_BASE_AND_KEY, &other, sizeof(other)};
    struct frame *frame = frame_with(&mech);
    assert_int_equal(frame->inners, 1);
    assert_int_equal(frame_inner(frame, 0), 17);
    frame_set_inner(frame, 0, 99);
    assert_int_equal(*(CK_OBJECT_HANDLE *)frame->mech.pParameter, 99);
    assert_int_equal(other, 17);
    struct frame *clone = frame_clone(frame, 0);
    assert_non_null(clone);
    assert_int_equal(clone->inners, 1);
    frame_set_inner(clone, 0, 5);
    assert_int_equal(*(CK_OBJECT_HANDLE *)clone->mech.pParameter, 5);
    assert_int_equal(frame_inner(frame, 0), 99);
    frame_unref(clone);
    frame_unref(frame);
}

/* One that does not count must not reach a member: there it could be anything. */
static void a_handle_that_does_not_count(void **state)
{
    (void)state;
    CK_HKDF_PARAMS hkdf = {.ulSaltType = CKF_HKDF_SALT_NULL, .hSaltKey = 17};
    CK_MECHANISM mech = {CKM_HKDF_DERIVE, &hkdf, sizeof(hkdf)};
    struct frame *frame = frame_with(&mech);
    assert_int_equal(frame->inners, 0);
    assert_int_equal(((CK_HKDF_PARAMS *)frame->mech.pParameter)->hSaltKey, CK_INVALID_HANDLE);
    frame_unref(frame);
    hkdf.ulSaltType = CKF_HKDF_SALT_KEY;
    frame = frame_with(&mech);
    assert_int_equal(frame->inners, 1);
    assert_int_equal(frame_inner(frame, 0), 17);
    frame_unref(frame);

    CK_IKE2_PRF_PLUS_DERIVE_PARAMS ike = {.bHasSeedKey = CK_FALSE, .hSeedKey = 17};
    mech = (CK_MECHANISM){CKM_IKE2_PRF_PLUS_DERIVE, &ike, sizeof(ike)};
    frame = frame_with(&mech);
    assert_int_equal(frame->inners, 0);
    frame_unref(frame);
    ike.bHasSeedKey = CK_TRUE;
    frame = frame_with(&mech);
    assert_int_equal(frame->inners, 1);
    frame_unref(frame);
}

static void several_handles(void **state)
{
    (void)state;
    CK_BYTE point[65] = {4};
    CK_ECMQV_DERIVE_PARAMS mqv = {
        .hPrivateData = 3, .publicKey = 4, .pPublicData = point, .ulPublicDataLen = sizeof(point)};
    CK_MECHANISM mech = {CKM_ECMQV_DERIVE, &mqv, sizeof(mqv)};
    struct frame *frame = frame_with(&mech);
    assert_int_equal(frame->inners, 2);
    frame_set_inner(frame, 0, 30);
    frame_set_inner(frame, 1, 40);
    assert_int_equal(((CK_ECMQV_DERIVE_PARAMS *)frame->mech.pParameter)->hPrivateData, 30);
    assert_int_equal(((CK_ECMQV_DERIVE_PARAMS *)frame->mech.pParameter)->publicKey, 40);
    assert_false(frame->writes);
    frame_unref(frame);
}

/* As a member does: handles and IVs into the structure that the parameter points to. */
static void what_comes_back(void **state)
{
    (void)state;
    CK_BYTE client[32], server[32], iv_client[8] = {0}, iv_server[8] = {0};
    CK_SSL3_KEY_MAT_OUT out = {.hClientKey = 77, .pIVClient = iv_client, .pIVServer = iv_server};
    CK_SSL3_KEY_MAT_PARAMS params = {.ulIVSizeInBits = 64,
                                     .RandomInfo = {client, sizeof(client), server, sizeof(server)},
                                     .pReturnedKeyMaterial = &out};
    CK_MECHANISM mech = {CKM_SSL3_KEY_AND_MAC_DERIVE, &params, sizeof(params)};
    assert_true(frame_mech_makes(&mech));
    struct frame *frame = frame_with(&mech);
    assert_int_equal(frame->mades, 4);
    assert_int_equal(frame->inners, 0);
    assert_true(frame->writes);
    /* What the application left there is not what a member made. */
    assert_int_equal(frame_made_inside(frame, 2), CK_INVALID_HANDLE);

    CK_SSL3_KEY_MAT_OUT *there = ((CK_SSL3_KEY_MAT_PARAMS *)frame->mech.pParameter)->pReturnedKeyMaterial;
    assert_ptr_not_equal(there, &out);
    there->hClientMacSecret = 1;
    there->hServerMacSecret = 2;
    there->hClientKey = 3;
    there->hServerKey = 4;
    memset(there->pIVClient, 0xc1, 8);
    memset(there->pIVServer, 0x5e, 8);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(frame_made_inside(frame, i), i + 1);
    const CK_OBJECT_HANDLE made[] = {101, 102, 103, 104};
    frame_give_back(frame, &mech, made);
    assert_int_equal(out.hClientMacSecret, 101);
    assert_int_equal(out.hServerMacSecret, 102);
    assert_int_equal(out.hClientKey, 103);
    assert_int_equal(out.hServerKey, 104);
    assert_int_equal(iv_client[7], 0xc1);
    assert_int_equal(iv_server[0], 0x5e);
    assert_ptr_equal(out.pIVClient, iv_client);
    frame_unref(frame);
}

/* The length that comes back must not say how much is copied: the buffer is as large as it was. */
static void a_length_and_its_bytes(void **state)
{
    (void)state;
    CK_BYTE seed[4] = {1}, output[20];
    CK_ULONG len = sizeof(output);
    CK_TLS_PRF_PARAMS prf = {.pSeed = seed, .ulSeedLen = 4, .pOutput = output, .pulOutputLen = &len};
    CK_MECHANISM mech = {CKM_TLS_PRF, &prf, sizeof(prf)};
    struct frame *frame = frame_with(&mech);
    CK_TLS_PRF_PARAMS *there = frame->mech.pParameter;
    memset(there->pOutput, 0xee, sizeof(output));
    *there->pulOutputLen = 1000;
    frame_give_back(frame, &mech, NULL);
    assert_int_equal(output[19], 0xee);
    assert_int_equal(len, 1000);
    frame_unref(frame);
}

static void flat_parameters(void **state)
{
    (void)state;
    CK_BYTE iv[16] = {7};
    CK_MECHANISM mech = {CKM_AES_CBC, iv, sizeof(iv)};
    struct frame *frame = frame_with(&mech);
    assert_false(frame_mech_makes(&mech));
    assert_int_equal(frame->inners + frame->mades, 0);
    memset(frame->mech.pParameter, 0xff, sizeof(iv));
    frame_give_back(frame, &mech, NULL);
    assert_int_equal(iv[0], 7);
    frame_unref(frame);
    mech = (CK_MECHANISM){CKM_SSL3_KEY_AND_MAC_DERIVE, NULL, 0};
    assert_false(frame_mech_makes(&mech));
}

static void what_a_parameter_has(void **state)
{
    (void)state;
    CK_HKDF_PARAMS hkdf = {0};
    CK_MECHANISM mech = {CKM_HKDF_DERIVE, &hkdf, sizeof(hkdf)};
    assert_true(frame_mech_handles(&mech));
    mech.ulParameterLen = 3; /* not that structure: flat */
    assert_false(frame_mech_handles(&mech));
    mech.pParameter = NULL;
    assert_false(frame_mech_handles(&mech));
    CK_OBJECT_HANDLE made = 0;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE on_token = {CKA_TOKEN, &yes, sizeof(yes)};
    CK_DERIVED_KEY more[2] = {{NULL, 0, &made}, {&on_token, 1, &made}};
    CK_SP800_108_KDF_PARAMS kdf = {.ulAdditionalDerivedKeys = 0, .pAdditionalDerivedKeys = more};
    mech = (CK_MECHANISM){CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)};
    assert_true(frame_mech_handles(&mech));
    for (CK_ULONG n = 0; n <= 2; n++) {
        kdf.ulAdditionalDerivedKeys = n;
        assert_int_equal(frame_mech_makes(&mech), n > 0);
        assert_int_equal(frame_mech_makes_token(&mech), n > 1);
    }
}

static void refused_parameters(void **state)
{
    (void)state;
    CK_BYTE byte = 0;
    CK_RSA_PKCS_OAEP_PARAMS oaep = {.pSourceData = &byte, .ulSourceDataLen = (256u << 20) + 1};
    CK_MECHANISM mech = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    assert_null(frame_new(VERB_CRYPT, frame_room_mech(&mech), 0));
    oaep.ulSourceDataLen = CK_UNAVAILABLE_INFORMATION;
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    oaep.pSourceData = NULL; /* then the length does not matter */
    assert_int_equal(frame_check_mech(&mech), CKR_OK);
    oaep.pSourceData = &byte;
    oaep.ulSourceDataLen = 1;
    assert_int_equal(frame_check_mech(&mech), CKR_OK);
    /* Flat and too long; too long and not known. */
    mech = (CK_MECHANISM){CKM_AES_CBC, &byte, (256u << 20) + 1};
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    mech.mechanism = CKM_VENDOR_DEFINED + 0x1234;
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    mech.pParameter = NULL;
    assert_int_equal(frame_check_mech(&mech), CKR_OK);
    /* No table can tell its pointers. */
    uint8_t opaque[200] = {0};
    mech = (CK_MECHANISM){CKM_X3DH_RESPOND, opaque, sizeof(opaque)};
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    /* A pointer without the counter that tells its length. */
    CK_TLS_PRF_PARAMS prf = {.pOutput = &byte, .pulOutputLen = NULL};
    mech = (CK_MECHANISM){CKM_TLS_PRF, &prf, sizeof(prf)};
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
}

/* Handles behind pointers in an array, and keys that are written into another one. */
static void arrays(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE base = 17, made[2] = {1, 2};
    CK_BYTE text[] = "seventeen";
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE templ = {CKA_SIGN, &yes, sizeof(yes)};
    CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_BYTE_ARRAY, text, 8},
                                {CK_SP800_108_KEY_HANDLE, &base, sizeof(base)}};
    CK_DERIVED_KEY more[] = {{&templ, 1, &made[0]}, {NULL, 0, NULL}, {&templ, 1, &made[1]}};
    CK_BYTE iv[4] = {1, 2, 3, 4};
    CK_SP800_108_FEEDBACK_KDF_PARAMS kdf = {.ulNumberOfDataParams = 2,
                                            .pDataParams = data,
                                            .ulIVLen = 4,
                                            .pIV = iv,
                                            .ulAdditionalDerivedKeys = 3,
                                            .pAdditionalDerivedKeys = more};
    CK_MECHANISM mech = {CKM_SP800_108_FEEDBACK_KDF, &kdf, sizeof(kdf)};
    struct frame *first = frame_with(&mech), *frame = frame_clone(first, 0);
    assert_non_null(frame);
    frame_unref(first);
    assert_true(frame->writes);
    assert_int_equal(frame->inners, 1);
    assert_int_equal(frame->mades, 2);
    frame_set_inner(frame, 0, 99);
    const CK_SP800_108_FEEDBACK_KDF_PARAMS *there = frame->mech.pParameter;
    assert_memory_equal(there->pDataParams[0].pValue, text, 8);
    assert_int_equal(*(CK_OBJECT_HANDLE *)there->pDataParams[1].pValue, 99);
    assert_int_equal(base, 17);
    assert_memory_equal(there->pIV, iv, 4);
    assert_int_equal(there->pAdditionalDerivedKeys[0].pTemplate->type, CKA_SIGN);
    assert_null(there->pAdditionalDerivedKeys[1].phKey);
    *there->pAdditionalDerivedKeys[0].phKey = 1000;
    *there->pAdditionalDerivedKeys[2].phKey = 2000;
    assert_int_equal(frame_made_inside(frame, 0), 1000);
    assert_int_equal(frame_made_inside(frame, 1), 2000);
    frame_give_back(frame, &mech, (const CK_OBJECT_HANDLE[]){71, 72});
    assert_int_equal(made[0], 71);
    assert_int_equal(made[1], 72);
    frame_unref(frame);
}

static void lengths_that_cannot_be(void **state)
{
    (void)state;
    uint8_t key[sizeof(CK_OBJECT_HANDLE)] = {0};
    /* A handle that is as long as no handle; an array that is too long to be one. */
    CK_PRF_DATA_PARAM data = {CK_SP800_108_KEY_HANDLE, key, sizeof(CK_OBJECT_HANDLE)};
    CK_SP800_108_KDF_PARAMS kdf = {.ulNumberOfDataParams = 1, .pDataParams = &data};
    CK_MECHANISM mech = {CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)};
    assert_int_equal(frame_check_mech(&mech), CKR_OK);
    data.ulValueLen--;
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
    data.type = CK_SP800_108_BYTE_ARRAY;
    assert_int_equal(frame_check_mech(&mech), CKR_OK);
    kdf.ulNumberOfDataParams = CK_UNAVAILABLE_INFORMATION;
    assert_int_equal(frame_check_mech(&mech), CKR_MECHANISM_PARAM_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_alone),         cmocka_unit_test(a_handle_that_does_not_count),
        cmocka_unit_test(several_handles),        cmocka_unit_test(what_comes_back),
        cmocka_unit_test(a_length_and_its_bytes), cmocka_unit_test(flat_parameters),
        cmocka_unit_test(refused_parameters),     cmocka_unit_test(arrays),
        cmocka_unit_test(lengths_that_cannot_be), cmocka_unit_test(what_a_parameter_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
