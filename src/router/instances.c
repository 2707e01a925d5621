#include "router/instances.h"

struct instance *instances_get(struct instances *instances, const struct config_member *member)
{
    for (size_t i = 0; i < instances->count; i++)
        if (instance_serves(instances->item[i], member))
            return instances->item[i];
    if (instances->count == INSTANCES_MAX)
        return NULL;
    struct instance *instance = instance_new(member);
    if (instance)
        instances->item[instances->count++] = instance;
    return instance;
}

void instances_free(struct instances *instances, bool finalize)
{
    for (size_t i = 0; i < instances->count; i++)
        instance_free(instances->item[i], finalize);
    instances->count = 0;
}
