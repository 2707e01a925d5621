/* All instances of a runtime, so that members that may share one do. */
#ifndef ROUTER_INSTANCES_H
#define ROUTER_INSTANCES_H

#include "member/instance.h"

#define INSTANCES_MAX 256
struct instances {
    struct instance *item[INSTANCES_MAX];
    size_t count;
};
/* One that serves the member, made if there is none; NULL without memory or room. */
MUST_USE struct instance *instances_get(struct instances *instances, const struct config_member *member);
void instances_free(struct instances *instances, bool finalize);

#endif
