#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "entry/entry.h"

extern CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);

static CK_RV no_create(CK_VOID_PTR_PTR mutex)
{
    (void)mutex;
    return CKR_GENERAL_ERROR;
}
static CK_RV no_mutex(CK_VOID_PTR mutex)
{
    (void)mutex;
    return CKR_GENERAL_ERROR;
}

static char missing[] = "config=/nonexistent/p11ha.conf", plain[] = "nonsense", empty_path[] = "config=";

/* CKR_GENERAL_ERROR: the arguments were fine, and the configuration that they name is missing. */
static const struct {
    unsigned callbacks; /* bits */
    CK_FLAGS flags;
    char *reserved;
    CK_RV rv;
} matrix[] = {
    {0, 0, missing, CKR_GENERAL_ERROR},
    {0, CKF_OS_LOCKING_OK, missing, CKR_GENERAL_ERROR},
    {15, CKF_OS_LOCKING_OK, missing, CKR_GENERAL_ERROR},
    {15, 0, missing, CKR_CANT_LOCK},
    {1, CKF_OS_LOCKING_OK, missing, CKR_ARGUMENTS_BAD},
    {2, 0, missing, CKR_ARGUMENTS_BAD},
    {7, 0, missing, CKR_ARGUMENTS_BAD},
    {14, CKF_OS_LOCKING_OK, missing, CKR_ARGUMENTS_BAD},
    {0, CKF_LIBRARY_CANT_CREATE_OS_THREADS, missing, CKR_GENERAL_ERROR},
    {0, CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK, missing, CKR_GENERAL_ERROR},
    {0, 0, plain, CKR_ARGUMENTS_BAD},
    {0, 0, empty_path, CKR_ARGUMENTS_BAD},
    {0, 0, missing + sizeof("config=") - 1, CKR_GENERAL_ERROR},
};

static void test_initialize_args(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(matrix); i++) {
        CK_C_INITIALIZE_ARGS args = {
            .CreateMutex = matrix[i].callbacks & 1 ? no_create : NULL,
            .DestroyMutex = matrix[i].callbacks & 2 ? no_mutex : NULL,
            .LockMutex = matrix[i].callbacks & 4 ? no_mutex : NULL,
            .UnlockMutex = matrix[i].callbacks & 8 ? no_mutex : NULL,
            .flags = matrix[i].flags,
            .pReserved = matrix[i].reserved,
        };
        assert_int_equal(entry_C_Initialize(&args), matrix[i].rv);
        assert_int_equal(entry_C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    }
}

static void test_initialize_null(void **state)
{
    (void)state;
    setenv("P11HA_CONF", "/nonexistent/p11ha.conf", 1);
    assert_int_equal(entry_C_Initialize(NULL), CKR_GENERAL_ERROR);
    assert_int_equal(entry_C_GetInfo(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* Calls a function with zeros for all arguments: more than any has do no harm. */
static CK_RV call_with_zeros(const void *at)
{
    CK_RV (*function)(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *);
    memcpy(&function, at, sizeof(function));
    return function(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
}

static const char *const free_of_state[] = {"C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"};

static bool needs_state(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(free_of_state); i++)
        if (strcmp(name, free_of_state[i]) == 0)
            return false;
    return strcmp(name, "C_Initialize") != 0;
}

static CK_INTERFACE *interface_of(CK_BYTE major, CK_BYTE minor)
{
    CK_INTERFACE *interface = NULL;
    CK_UTF8CHAR name[] = "PKCS 11";
    CK_VERSION version = {major, minor};
    assert_int_equal(entry_C_GetInterface(name, &version, &interface, 0), CKR_OK);
    return interface;
}

#define FIRST offsetof(CK_FUNCTION_LIST, C_Initialize)

static void test_all_functions_are_there(void **state)
{
    (void)state;
    const char *list = interface_of(3, 2)->pFunctionList;
    assert_int_equal(sizeof(CK_FUNCTION_LIST_3_2), FIRST + 104 * sizeof(void *));
    for (unsigned i = 0; i < 104; i++) {
        const char *at = list + FIRST + i * sizeof(void *);
        void *function;
        memcpy(&function, at, sizeof(function));
        assert_non_null(function);
        if (needs_state(call_name(i)))
            assert_int_equal(call_with_zeros(at), CKR_CRYPTOKI_NOT_INITIALIZED);
    }
}

static void test_lists_are_prefixes(void **state)
{
    (void)state;
    const char *newest = interface_of(3, 2)->pFunctionList;
    assert_memory_equal((const char *)interface_of(3, 0)->pFunctionList + FIRST, newest + FIRST,
                        92 * sizeof(void *));
    assert_memory_equal((const char *)interface_of(2, 40)->pFunctionList + FIRST, newest + FIRST,
                        68 * sizeof(void *));
    CK_FUNCTION_LIST *list = NULL;
    assert_int_equal(C_GetFunctionList(&list), CKR_OK);
    assert_ptr_equal(list, interface_of(2, 40)->pFunctionList);
    assert_int_equal(list->version.major, 2);
    assert_int_equal(list->version.minor, 40);
    assert_int_equal(C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
}

static void test_interface_list(void **state)
{
    (void)state;
    CK_INTERFACE list[4];
    CK_ULONG count = 0;
    assert_int_equal(entry_C_GetInterfaceList(NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(entry_C_GetInterfaceList(NULL, &count), CKR_OK);
    assert_int_equal(count, 3);
    count = 2;
    assert_int_equal(entry_C_GetInterfaceList(list, &count), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(count, 3);
    count = 4;
    assert_int_equal(entry_C_GetInterfaceList(list, &count), CKR_OK);
    assert_int_equal(count, 3);
    for (CK_ULONG i = 0; i < count; i++) {
        assert_string_equal((const char *)list[i].pInterfaceName, "PKCS 11");
        assert_int_equal(list[i].flags, 0);
    }
}

static void test_interface_choice(void **state)
{
    (void)state;
    CK_INTERFACE *interface = NULL;
    CK_UTF8CHAR ours[] = "PKCS 11", other[] = "Vendor NSS";
    CK_VERSION wrong = {3, 1};
    assert_int_equal(entry_C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(entry_C_GetInterface(NULL, NULL, &interface, 0), CKR_OK);
    assert_int_equal(((CK_VERSION *)interface->pFunctionList)->minor, 2);
    assert_int_equal(entry_C_GetInterface(ours, NULL, &interface, 0), CKR_OK);
    assert_int_equal(((CK_VERSION *)interface->pFunctionList)->major, 3);
    interface = NULL;
    assert_int_equal(entry_C_GetInterface(ours, &wrong, &interface, 0), CKR_FUNCTION_FAILED);
    assert_int_equal(entry_C_GetInterface(other, NULL, &interface, 0), CKR_FUNCTION_FAILED);
    assert_int_equal(entry_C_GetInterface(ours, NULL, &interface, CKF_INTERFACE_FORK_SAFE),
                     CKR_FUNCTION_FAILED);
    assert_null(interface);
}

static void test_child_may_fail_alike(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        CK_C_INITIALIZE_ARGS args = {.pReserved = missing};
        alarm(10);
        _exit(entry_C_Finalize(NULL) == CKR_CRYPTOKI_NOT_INITIALIZED &&
                      entry_C_Initialize(&args) == CKR_GENERAL_ERROR
                  ? 0
                  : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initialize_args),         cmocka_unit_test(test_initialize_null),
        cmocka_unit_test(test_all_functions_are_there), cmocka_unit_test(test_lists_are_prefixes),
        cmocka_unit_test(test_interface_list),          cmocka_unit_test(test_interface_choice),
        cmocka_unit_test(test_child_may_fail_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
