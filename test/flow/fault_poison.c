/* A request that every member refuses alike: the application gets its error, and no member goes down for it.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/lib/load_key.h"

#define REQUESTS 300 /* more than the reserve of the retry budget */

static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;
static struct load_key signing, ciphering;
static struct load_job sign, cipher;
static char dir[] = "/tmp/p11ha-poison-XXXXXX";

static void rig(const char *verb, const char *more)
{
    char command[1024];
    snprintf(command, sizeof(command), "\"$P11HA_SOURCE\"/test/rig/rig %s %s %s", verb, dir, more);
    assert_int_equal(system(command), 0);
}

static void fault_all(const char *what)
{
    char more[200];
    for (int i = 1; i <= 3; i++) {
        snprintf(more, sizeof(more), "hsm-%d \"%s\"", i, what);
        rig("fault", more);
    }
}

static void get_key(const char *name, struct load_key *key, struct load_job *job)
{
    const char *call = "";
    const struct load_op *op = load_op_find(name);
    assert_int_equal(load_key_get(p11, session, op, name, key, &call), CKR_OK);
    assert_true(load_job_begin(job, op, key, 64, 1));
}

static CK_RV run(struct load_job *job)
{
    const char *call;
    CK_RV rv = load_job_run(job, p11, session, &call);
    if (rv == CKR_OK)
        assert_true(load_job_check(job));
    return rv;
}

static int begin(void **state)
{
    (void)state;
    char path[1024];
    CK_SLOT_ID slot = 1;
    assert_non_null(mkdtemp(dir));
    rig("up", "--chaos --timeout 3s >/dev/null");
    snprintf(path, sizeof(path), "%s/p11ha.conf", dir);
    setenv("P11HA_CONF", path, 1);
    snprintf(path, sizeof(path), "%s/p11ha.so", getenv("P11HA_BUILD"));
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(so);
    CK_C_GetFunctionList list = NULL;
    *(void **)&list = dlsym(so, "C_GetFunctionList");
    assert_int_equal(list(&p11), CKR_OK);
    assert_int_equal(p11->C_Initialize(NULL), CKR_OK);
    assert_int_equal(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"1234", 4), CKR_OK);
    get_key("ecdsa-p256", &signing, &sign);
    get_key("aes-cbc", &ciphering, &cipher);
    return 0;
}

static int end(void **state)
{
    (void)state;
    p11->C_Finalize(NULL);
    load_job_end(&sign);
    load_job_end(&cipher);
    EVP_PKEY_free(signing.public);
    rig("down", "");
    return 0;
}

static unsigned downs(void)
{
    char line[2000];
    unsigned count = 0;
    snprintf(line, sizeof(line), "%s/p11ha.log", dir);
    FILE *log = fopen(line, "r");
    assert_non_null(log);
    while (fgets(line, sizeof(line), log))
        count += strstr(line, "member-state") && strstr(line, "to=down");
    fclose(log);
    return count;
}

static void refuse(const char *rule, CK_RV expected)
{
    unsigned before = downs();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run(&sign), CKR_OK);
        assert_int_equal(run(&cipher), CKR_OK);
    }
    fault_all(rule);
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(run(&sign), expected);
        assert_int_equal(run(&cipher), CKR_OK);
    }
    fault_all("ok");
    for (int i = 0; i < 20; i++)
        assert_int_equal(run(&sign), CKR_OK);
    assert_int_equal(downs(), before);
}

static void general_error(void **state)
{
    (void)state;
    refuse("C_Sign rv=CKR_GENERAL_ERROR", CKR_GENERAL_ERROR);
}

static void function_failed(void **state)
{
    (void)state;
    refuse("C_SignInit rv=CKR_FUNCTION_FAILED", CKR_FUNCTION_FAILED);
}

static void vendors_code(void **state)
{
    (void)state;
    refuse("C_Sign rv=0x80000123", 0x80000123);
}

static void applications_own(void **state)
{
    (void)state;
    refuse("C_Sign rv=CKR_DATA_LEN_RANGE", CKR_DATA_LEN_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(general_error),
        cmocka_unit_test(function_failed),
        cmocka_unit_test(vendors_code),
        cmocka_unit_test(applications_own),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, begin, end);
}
