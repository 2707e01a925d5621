/* Slot and token management: all answered here, whatever members do. */
#include <openssl/sha.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "entry/enter.h"
#include "entry/text.h"

#define PIN_MIN 1
#define PIN_MAX 255

static bool is_present(const struct token *token)
{
    return token->store && group_present(token->group);
}

static CK_RV list_slots(const struct runtime *runtime, bool present, CK_SLOT_ID *list, CK_ULONG *count)
{
    CK_ULONG room = list ? *count : 0, found = 0;
    for (size_t i = 0; i < runtime->token_count; i++) {
        const struct token *token = &runtime->token[i];
        if (present && !is_present(token))
            continue;
        if (found < room)
            list[found] = token->config->slot;
        found++;
    }
    *count = found;
    return list && found > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV entry_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
    struct entry entry;
    CK_RV rv = entry_begin(&entry, CALL_GetSlotList);
    if (rv == CKR_OK)
        rv = count ? list_slots(entry.runtime, present, list, count) : CKR_ARGUMENTS_BAD;
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_GetSlotInfo, slot, &token);
    if (rv == CKR_OK && !info)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK) {
        char description[65] = "p11ha group ";
        strncat(description, token->config->name, sizeof(description) - strlen(description) - 1);
        *info = (CK_SLOT_INFO){.flags = is_present(token) ? CKF_TOKEN_PRESENT : 0};
        text_pad(info->slotDescription, sizeof(info->slotDescription), description);
        text_pad(info->manufacturerID, sizeof(info->manufacturerID), "p11ha");
    }
    return entry_end(&entry, rv);
}

/* Of the group's name and label, so that it never changes. */
static void serial_of(const struct config_group *group, CK_CHAR serial[16])
{
    char text[17], line[512];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int len = snprintf(line, sizeof(line), "p11ha %s %s", group->name, group->label);
    SHA256((const unsigned char *)line, size_min((size_t)len, sizeof(line) - 1), digest);
    hex_encode(text, digest, 8);
    memcpy(serial, text, 16);
}

static void tell_token(struct token *token, CK_TOKEN_INFO *info)
{
    *info = (CK_TOKEN_INFO){
        .flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED |
                 CKF_DUAL_CRYPTO_OPERATIONS | CKF_RESTORE_KEY_NOT_NEEDED,
        .ulMaxSessionCount = CK_EFFECTIVELY_INFINITE,
        .ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE,
        .ulMaxPinLen = PIN_MAX,
        .ulMinPinLen = PIN_MIN,
        .ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .firmwareVersion = {0, 1},
    };
    token_counts(token, &info->ulSessionCount, &info->ulRwSessionCount);
    text_pad(info->label, sizeof(info->label), token->config->label);
    text_pad(info->manufacturerID, sizeof(info->manufacturerID), "p11ha");
    text_pad(info->model, sizeof(info->model), "p11ha");
    serial_of(token->config, info->serialNumber);
    memset(info->utcTime, ' ', sizeof(info->utcTime));
}

CK_RV entry_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_GetTokenInfo, slot, &token);
    if (rv == CKR_OK && !info)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && !token->store)
        rv = CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK)
        tell_token(token, info);
    return entry_end(&entry, rv);
}

static CK_RV next_event(const struct runtime *runtime, bool wait, CK_SLOT_ID *ret)
{
    for (;;) {
        uint32_t seen = group_events();
        if (!runtime_is_running())
            return CKR_CRYPTOKI_NOT_INITIALIZED;
        for (size_t i = 0; i < runtime->token_count; i++)
            if (token_has_event(&runtime->token[i])) {
                *ret = runtime->token[i].config->slot;
                return CKR_OK;
            }
        if (!wait)
            return CKR_NO_EVENT;
        (void)group_events_wait(seen, CLOCK_NEVER);
    }
}

CK_RV entry_C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR reserved)
{
    struct entry entry;
    CK_RV rv = entry_begin(&entry, CALL_WaitForSlotEvent);
    if (rv == CKR_OK && (!slot || reserved))
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = next_event(entry.runtime, !(flags & CKF_DONT_BLOCK), slot);
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_GetMechanismList, slot, &token);
    if (rv == CKR_OK && !count)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && !token->store)
        rv = CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK)
        rv = store_mechanisms(token->store, list, count);
    return entry_end(&entry, rv);
}

CK_RV entry_C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    struct entry entry;
    struct token *token;
    CK_RV rv = entry_slot(&entry, CALL_GetMechanismInfo, slot, &token);
    entry.trace.mech = type;
    if (rv == CKR_OK && !info)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && !token->store)
        rv = CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK)
        rv = store_mechanism_info(token->store, type, info);
    return entry_end(&entry, rv);
}
