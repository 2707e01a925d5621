#include "call/calls.h"

#include "pkcs11-headers/pkcs11.h"

/* A row at the wrong place would send a call to another function of a member. */
#define CALL(name, since, kind, repeat)                                                                    \
    static_assert(offsetof(CK_FUNCTION_LIST_3_2, C_##name) ==                                              \
                      offsetof(CK_FUNCTION_LIST_3_2, C_Initialize) + CALL_##name * sizeof(void (*)(void)), \
                  "C_" #name " is not at its place");                                                      \
    static_assert(SINCE_##since == (CALL_##name < CALL_COUNT_2_40  ? SINCE_2_40                            \
                                    : CALL_##name < CALL_COUNT_3_0 ? SINCE_3_0                             \
                                                                   : SINCE_3_2),                           \
                  "C_" #name " is of another version");
#include "call/calls.def"

static const struct call_info table[CALL_COUNT] = {
#define CALL(name, since, kind, repeat) \
    [CALL_##name] = {"C_" #name, SINCE_##since, KIND_##kind, REPEAT_##repeat},
#include "call/calls.def"
};

const struct call_info *call_info(enum call_id id)
{
    return &table[id];
}

const char *call_name(enum call_id id)
{
    return (unsigned)id < CALL_COUNT ? table[id].name : "C_?";
}
