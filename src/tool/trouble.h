/* Why a member does not serve, in words, and what to do about it. */
#ifndef TOOL_TROUBLE_H
#define TOOL_TROUBLE_H

#include "member/health.h"
#include "tool/site.h"

struct trouble {
    char what[512];
    const char *remedy; /* whole sentences; static */
};

/* By state and cause alone, as a running process tells them. False: there is none. */
bool trouble_of_state(enum health_state state, CK_RV cause, struct trouble *ret);
/* Of a member that can be asked: may call it to find out which of its keys is wrong. */
bool trouble_of_member(const struct site_group *group, struct member *member, struct trouble *ret);
/* Why C_Login was refused. */
void trouble_of_login(CK_RV rv, struct trouble *ret);

#endif
