#include "test/chaos/calls.h"

#define ROW(name, since, where, group) [CALL_##name] = {#name, WHERE_##where, GROUP_##group},
const struct call call_table[] = {CHAOS_CALLS(ROW)};
#undef ROW
