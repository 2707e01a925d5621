/* Slots and tokens. */
#include <stdlib.h>
#include <string.h>

#include "call/names.h"
#include "mech.h"

enum { NO_SLOT = 0x7ffffff0, MANY = 512 };

static void list_all(const void *arg)
{
    (void)arg;
    CK_SLOT_ID slots[MANY];
    CK_ULONG count = MANY, present = MANY;
    DO(GetSlotList, CK_FALSE, slots, &count);
    DO(GetSlotList, CK_TRUE, slots, &present);
    CK_ULONG at = 0;
    while (at < present && slots[at] != world.slot)
        at++;
    record_say("with-token<=all:%d found:%d", present <= count, at < present);
}

static void list_length(const void *arg)
{
    (void)arg;
    CK_SLOT_ID slots[MANY];
    CK_ULONG count = 0, other = MANY;
    DO(GetSlotList, CK_TRUE, NULL, &count);
    DO(GetSlotList, CK_TRUE, slots, &other);
    record_say("same:%d", count == other);
}

static void list_small(const void *arg)
{
    (void)arg;
    CK_SLOT_ID slots[MANY];
    CK_ULONG count = 0;
    DO(GetSlotList, CK_TRUE, slots, &count);
    record_say("told:%d", count > 0);
}

static void list_null(const void *arg)
{
    (void)arg;
    DO(GetSlotList, CK_TRUE, NULL, NULL);
}

static void slot_info(const void *arg)
{
    (void)arg;
    CK_SLOT_INFO info;
    if (DO(GetSlotInfo, world.slot, &info) == CKR_OK)
        record_say("flags=%lx ended=%d", info.flags,
                   memchr(info.slotDescription, 0, sizeof(info.slotDescription)) != NULL);
}

static void slot_info_unknown(const void *arg)
{
    (void)arg;
    CK_SLOT_INFO info;
    DO(GetSlotInfo, NO_SLOT, &info);
}

static void slot_info_null(const void *arg)
{
    (void)arg;
    DO(GetSlotInfo, world.slot, NULL);
}

static CK_TOKEN_INFO token_info(void)
{
    CK_TOKEN_INFO info = {.flags = 0};
    DO(GetTokenInfo, world.slot, &info);
    return info;
}

static void token_flags(const void *arg)
{
    (void)arg;
    record_say("flags=%lx", token_info().flags);
}

static void token_label(const void *arg)
{
    (void)arg;
    record_say("label=%.32s|", token_info().label);
}

static void token_limits(const void *arg)
{
    (void)arg;
    CK_TOKEN_INFO info = token_info();
    record_say("sessions=%lx rw=%lx", info.ulMaxSessionCount, info.ulMaxRwSessionCount);
}

static void token_pins(const void *arg)
{
    (void)arg;
    CK_TOKEN_INFO info = token_info();
    record_say("pin=%lu-%lu", info.ulMinPinLen, info.ulMaxPinLen);
}

static void token_memory(const void *arg)
{
    (void)arg;
    CK_TOKEN_INFO info = token_info();
    record_say("public=%lx private=%lx", info.ulTotalPublicMemory, info.ulTotalPrivateMemory);
}

static void token_counts(const void *arg)
{
    (void)arg;
    (void)world_open(CKF_RW_SESSION);
    (void)world_open(0);
    CK_TOKEN_INFO info = token_info();
    record_say("open=%ld rw=%ld", (long)info.ulSessionCount, (long)info.ulRwSessionCount);
}

static void token_names(const void *arg)
{
    (void)arg;
    CK_TOKEN_INFO info = token_info();
    record_say("manufacturer=%.32s| model=%.16s|", info.manufacturerID, info.model);
}

static void token_unknown(const void *arg)
{
    (void)arg;
    CK_TOKEN_INFO info;
    DO(GetTokenInfo, NO_SLOT, &info);
}

static void token_null(const void *arg)
{
    (void)arg;
    DO(GetTokenInfo, world.slot, NULL);
}

static void wrong_pin_flag(const void *arg)
{
    (void)arg;
    static CK_UTF8CHAR wrong[] = "99999999";
    CK_FLAGS mask = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    DO(Login, world.session, CKU_USER, wrong, 8);
    record_say("flags=%lx", token_info().flags & mask);
    world_login();
    record_say("flags=%lx", token_info().flags & mask);
}

static int by_number(const void *a, const void *b)
{
    CK_MECHANISM_TYPE x = *(const CK_MECHANISM_TYPE *)a, y = *(const CK_MECHANISM_TYPE *)b;
    return (x > y) - (x < y);
}

static CK_ULONG mechanisms(CK_MECHANISM_TYPE list[MANY])
{
    CK_ULONG count = MANY;
    if (world.p11->C_GetMechanismList(world.slot, list, &count) != CKR_OK)
        return 0;
    qsort(list, count, sizeof(*list), by_number);
    return count;
}

static void mechanism_list(const void *arg)
{
    (void)arg;
    CK_MECHANISM_TYPE list[MANY];
    CK_ULONG count = MANY, told = 0;
    DO(GetMechanismList, world.slot, list, &count);
    DO(GetMechanismList, world.slot, NULL, &told);
    record_say("same:%d", count == told);
}

static void mechanism_list_small(const void *arg)
{
    (void)arg;
    CK_MECHANISM_TYPE list[MANY];
    CK_ULONG count = 1;
    DO(GetMechanismList, world.slot, list, &count);
    record_say("told:%d", count > 1);
}

static void mechanism_list_null(const void *arg)
{
    (void)arg;
    DO(GetMechanismList, world.slot, NULL, NULL);
}

static void mechanism_list_unknown(const void *arg)
{
    (void)arg;
    CK_ULONG count = 0;
    DO(GetMechanismList, NO_SLOT, NULL, &count);
}

static void mechanism_info(const void *arg)
{
    CK_MECHANISM_INFO info = {0, 0, 0};
    CK_MECHANISM_TYPE type = *(const CK_MECHANISM_TYPE *)arg;
    if (DO(GetMechanismInfo, world.slot, type, &info) == CKR_OK)
        record_say("sizes=%lu-%lu flags=%lx", info.ulMinKeySize, info.ulMaxKeySize, info.flags);
}

static void mechanism_info_bad(const void *arg)
{
    (void)arg;
    CK_MECHANISM_INFO info;
    DO(GetMechanismInfo, world.slot, 0x7f001234, &info);
    DO(GetMechanismInfo, NO_SLOT, CKM_RSA_PKCS, &info);
    DO(GetMechanismInfo, world.slot, CKM_RSA_PKCS, NULL);
}

static void wait_for_nothing(const void *arg)
{
    (void)arg;
    CK_SLOT_ID slot;
    DO(WaitForSlotEvent, CKF_DONT_BLOCK, &slot, NULL);
}

static void wait_bad(const void *arg)
{
    (void)arg;
    CK_SLOT_ID slot;
    DO(WaitForSlotEvent, CKF_DONT_BLOCK, NULL, NULL);
    DO(WaitForSlotEvent, CKF_DONT_BLOCK, &slot, &slot);
}

static void each_mechanism(void)
{
    CK_MECHANISM_TYPE list[MANY];
    CK_ULONG count = mechanisms(list);
    for (CK_ULONG i = 0; i < count; i++) {
        struct name_buf buf;
        world_run(
            "slot",
            &(struct test){"C_GetMechanismInfo", name_mech(list[i], &buf), SETUP_LIBRARY, mechanism_info},
            &list[i]);
    }
}

void chapter_slot(void)
{
    static const struct test tests[] = {
        {"C_GetSlotList", "all", SETUP_LIBRARY, list_all},
        {"C_GetSlotList", "length", SETUP_LIBRARY, list_length},
        {"C_GetSlotList", "small-buffer", SETUP_LIBRARY, list_small},
        {"C_GetSlotList", "null", SETUP_LIBRARY, list_null},
        {"C_GetSlotInfo", "success", SETUP_LIBRARY, slot_info},
        {"C_GetSlotInfo", "unknown", SETUP_LIBRARY, slot_info_unknown},
        {"C_GetSlotInfo", "null", SETUP_LIBRARY, slot_info_null},
        {"C_GetTokenInfo", "flags", SETUP_LIBRARY, token_flags},
        {"C_GetTokenInfo", "label", SETUP_LIBRARY, token_label},
        {"C_GetTokenInfo", "limits", SETUP_LIBRARY, token_limits},
        {"C_GetTokenInfo", "pins", SETUP_LIBRARY, token_pins},
        {"C_GetTokenInfo", "memory", SETUP_LIBRARY, token_memory},
        {"C_GetTokenInfo", "counts", SETUP_LIBRARY, token_counts},
        {"C_GetTokenInfo", "names", SETUP_LIBRARY, token_names},
        {"C_GetTokenInfo", "unknown", SETUP_LIBRARY, token_unknown},
        {"C_GetTokenInfo", "null", SETUP_LIBRARY, token_null},
        {"C_GetTokenInfo", "wrong-pin", SETUP_PUBLIC, wrong_pin_flag},
        {"C_GetMechanismList", "success", SETUP_LIBRARY, mechanism_list},
        {"C_GetMechanismList", "small-buffer", SETUP_LIBRARY, mechanism_list_small},
        {"C_GetMechanismList", "null", SETUP_LIBRARY, mechanism_list_null},
        {"C_GetMechanismList", "unknown", SETUP_LIBRARY, mechanism_list_unknown},
        {"C_GetMechanismInfo", "bad", SETUP_LIBRARY, mechanism_info_bad},
        {"C_WaitForSlotEvent", "nothing", SETUP_LIBRARY, wait_for_nothing},
        {"C_WaitForSlotEvent", "bad", SETUP_LIBRARY, wait_bad},
    };
    world_run_all("slot", tests, ARRAY_LEN(tests));
    each_mechanism();
}
