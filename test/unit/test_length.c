#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/length.h"

static const struct length_key rsa_2048 = {.type = CKK_RSA, .bits = 2048};
static const struct length_key p_521 = {.type = CKK_EC, .order_bits = 521};
static const struct length_key aes = {.type = CKK_AES};
static const struct length_key unknown = {.type = CKK_EC};

#define CHECK(kind, type, key, in, want, n)                  \
    do {                                                     \
        CK_MECHANISM m_ = {type, NULL, 0};                   \
        struct length l_ = length_of(kind, &m_, &(key), in); \
        assert_int_equal(l_.sort, want);                     \
        assert_int_equal(l_.bytes, n);                       \
    } while (0)

static void test_asymmetric(void **state)
{
    (void)state;
    static const struct length_key odd = {.type = CKK_RSA, .bits = 1031};
    CHECK(OP_SIGN, CKM_RSA_PKCS, rsa_2048, 20, LENGTH_EXACT, 256);
    CHECK(OP_SIGN, CKM_SHA256_RSA_PKCS_PSS, rsa_2048, 20, LENGTH_EXACT, 256);
    CHECK(OP_SIGN, CKM_RSA_PKCS, odd, 20, LENGTH_EXACT, 129);
    CHECK(OP_ENCRYPT, CKM_RSA_PKCS_OAEP, rsa_2048, 20, LENGTH_EXACT, 256);
    CHECK(OP_DECRYPT, CKM_RSA_PKCS_OAEP, rsa_2048, 256, LENGTH_LIMIT, 256);
    CHECK(OP_DECRYPT, CKM_RSA_X_509, rsa_2048, 256, LENGTH_EXACT, 256);
    CHECK(OP_SIGN_RECOVER, CKM_RSA_PKCS, rsa_2048, 20, LENGTH_EXACT, 256);
    CHECK(OP_VERIFY_RECOVER, CKM_RSA_PKCS, rsa_2048, 256, LENGTH_LIMIT, 256);
    CHECK(OP_VERIFY_RECOVER, CKM_RSA_X_509, rsa_2048, 256, LENGTH_EXACT, 256);
    CHECK(OP_SIGN, CKM_RSA_PKCS, aes, 20, LENGTH_UNKNOWN, 0);
    CHECK(OP_SIGN, CKM_ECDSA, p_521, 20, LENGTH_EXACT, 132);
    CHECK(OP_SIGN, CKM_ECDSA_SHA512, p_521, 1000, LENGTH_EXACT, 132);
    CHECK(OP_SIGN, CKM_ECDSA, unknown, 20, LENGTH_UNKNOWN, 0);
}

static void test_symmetric(void **state)
{
    (void)state;
    CHECK(OP_ENCRYPT, CKM_AES_ECB, aes, 32, LENGTH_EXACT, 32);
    CHECK(OP_DECRYPT, CKM_AES_CBC, aes, 32, LENGTH_EXACT, 32);
    CHECK(OP_ENCRYPT, CKM_AES_CTR, aes, 7, LENGTH_EXACT, 7);
    CHECK(OP_ENCRYPT, CKM_AES_CBC_PAD, aes, 0, LENGTH_EXACT, 16);
    CHECK(OP_ENCRYPT, CKM_AES_CBC_PAD, aes, 15, LENGTH_EXACT, 16);
    CHECK(OP_ENCRYPT, CKM_AES_CBC_PAD, aes, 16, LENGTH_EXACT, 32);
    CHECK(OP_DECRYPT, CKM_AES_CBC_PAD, aes, 32, LENGTH_LIMIT, 32);
    CHECK(OP_ENCRYPT, CKM_DES3_CBC_PAD, aes, 8, LENGTH_EXACT, 16);
    CHECK(OP_SIGN, CKM_AES_CMAC, aes, 100, LENGTH_EXACT, 16);
    CHECK(OP_SIGN, CKM_SHA384_HMAC, aes, 100, LENGTH_EXACT, 48);
    CHECK(OP_DIGEST, CKM_SHA512_256, aes, 100, LENGTH_EXACT, 32);
    CHECK(OP_DIGEST, CKM_FASTHASH, aes, 100, LENGTH_UNKNOWN, 0);
    CHECK(OP_ENCRYPT, CKM_RC4, aes, 100, LENGTH_UNKNOWN, 0);
}

static void test_parameters(void **state)
{
    (void)state;
    CK_GCM_PARAMS gcm = {.ulTagBits = 96};
    CK_MECHANISM mech = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    assert_int_equal(length_of(OP_ENCRYPT, &mech, &aes, 100).bytes, 112);
    assert_int_equal(length_of(OP_DECRYPT, &mech, &aes, 112).bytes, 100);
    assert_int_equal(length_of(OP_DECRYPT, &mech, &aes, 5).bytes, 0);
    gcm.ulTagBits = 1000000;
    assert_int_equal(length_of(OP_ENCRYPT, &mech, &aes, 100).sort, LENGTH_UNKNOWN);
    mech.pParameter = NULL;
    assert_int_equal(length_of(OP_ENCRYPT, &mech, &aes, 100).sort, LENGTH_UNKNOWN);

    CK_ULONG bytes = 10;
    CK_MECHANISM general = {CKM_SHA256_HMAC_GENERAL, &bytes, sizeof(bytes)};
    assert_int_equal(length_of(OP_SIGN, &general, &aes, 100).bytes, 10);
    bytes = SIZE_MAX;
    assert_int_equal(length_of(OP_SIGN, &general, &aes, 100).sort, LENGTH_UNKNOWN);
}

static void test_parts(void **state)
{
    (void)state;
    CK_MECHANISM pad = {CKM_AES_CBC_PAD, NULL, 0}, ctr = {CKM_AES_CTR, NULL, 0}, rc4 = {CKM_RC4, NULL, 0};
    assert_int_equal(length_of_part(OP_ENCRYPT, &pad, &aes, 31, 0, false), 16);
    assert_int_equal(length_of_part(OP_ENCRYPT, &pad, &aes, 31, 16, true), 16);
    assert_int_equal(length_of_part(OP_ENCRYPT, &pad, &aes, 32, 32, true), 16);
    assert_int_equal(length_of_part(OP_DECRYPT, &pad, &aes, 48, 32, true), 16);
    assert_int_equal(length_of_part(OP_ENCRYPT, &ctr, &aes, 10, 7, false), 3);
    assert_int_equal(length_of_part(OP_ENCRYPT, &ctr, &aes, 10, 10, true), 0);
    assert_int_equal(length_of_part(OP_ENCRYPT, &ctr, &aes, 10, 99, true), 0);
    assert_true(length_of_part(OP_ENCRYPT, &rc4, &aes, 10, 0, true) > 10);
}

static void test_curves(void **state)
{
    (void)state;
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
    static const uint8_t other[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x63};
    assert_int_equal(length_curve_order(p256, sizeof(p256)), 256);
    assert_int_equal(length_curve_order(p384, sizeof(p384)), 384);
    assert_int_equal(length_curve_order(p256, sizeof(p256) - 1), 0);
    assert_int_equal(length_curve_order(other, sizeof(other)), 0);
    assert_int_equal(length_curve_order(other, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asymmetric), cmocka_unit_test(test_symmetric),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
