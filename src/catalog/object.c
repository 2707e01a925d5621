#include "catalog/object.h"

#include <string.h>

#include "base/mem.h"

static void free_object(struct table_item *item)
{
    struct object *object = object_of(item);
    if (object->recipe_free)
        object->recipe_free(object->recipe);
    attrs_free(&object->attrs);
    object_unref(object->original);
    mem_free(object);
}

struct object *object_new(unsigned members)
{
    struct object *object = mem_new(1, sizeof(*object) + members * sizeof(struct replica));
    if (!object)
        return NULL;
    object->members = members;
    object->pinned = -1;
    object->item.refs = 1;
    object->item.free = free_object;
    return object;
}

static unsigned modulus_bits(const struct attrs *attrs)
{
    const CK_ATTRIBUTE *modulus = attrs_get(attrs, CKA_MODULUS);
    return modulus ? (unsigned)modulus->ulValueLen * 8 : (unsigned)attrs_ulong(attrs, CKA_MODULUS_BITS, 0);
}

/* What is fixed at creation is read by others without a lock: it is not written again. */
#define SET_IF_NEW(field, value)          \
    do {                                  \
        __auto_type new_value_ = (value); \
        if ((field) != new_value_)        \
            (field) = new_value_;         \
    } while (0)

void object_set_attrs(struct object *object, struct attrs *attrs)
{
    attrs_free(&object->attrs);
    object->attrs = *attrs;
    memset(attrs, 0, sizeof(*attrs));
    const struct attrs *a = &object->attrs;
    CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CKO_DATA);
    SET_IF_NEW(object->class, class);
    SET_IF_NEW(object->subtype, class == CKO_CERTIFICATE
                                    ? attrs_ulong(a, CKA_CERTIFICATE_TYPE, CKC_X_509)
                                    : attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION));
    SET_IF_NEW(object->bits, modulus_bits(a));
    SET_IF_NEW(object->token, attrs_bool(a, CKA_TOKEN, false));
    SET_IF_NEW(object->private, attrs_bool(a, CKA_PRIVATE, false));
}

bool object_replica(struct object *object, unsigned member, uint32_t epoch, CK_OBJECT_HANDLE *ret_handle)
{
    struct replica *replica = &object->replica[member];
    if (epoch == 0 || atomic_load_explicit(&replica->epoch, memory_order_acquire) != epoch)
        return false;
    *ret_handle = atomic_load_explicit(&replica->handle, memory_order_acquire);
    return atomic_load_explicit(&replica->epoch, memory_order_acquire) == epoch;
}

void object_set_replica(struct object *object, unsigned member, uint32_t epoch, CK_OBJECT_HANDLE handle)
{
    struct replica *replica = &object->replica[member];
    atomic_store(&replica->epoch, 0);
    atomic_store(&replica->handle, handle);
    atomic_store(&replica->epoch, epoch);
}

void object_drop_replica(struct object *object, unsigned member)
{
    atomic_store(&object->replica[member].epoch, 0);
}

bool object_take_replica(struct object *object, unsigned member, uint32_t epoch, CK_OBJECT_HANDLE *ret_handle)
{
    struct replica *replica = &object->replica[member];
    if (epoch == 0 || !atomic_compare_exchange_strong(&replica->epoch, &epoch, 0))
        return false;
    *ret_handle = atomic_load(&replica->handle);
    return true;
}

bool object_is_proven(const struct object *object, uint64_t mark)
{
    for (unsigned i = 0; i < OBJECT_PROVEN; i++)
        if (atomic_load_explicit(&object->proven[i], memory_order_relaxed) == mark)
            return true;
    return false;
}

void object_set_proven(struct object *object, uint64_t mark)
{
    for (unsigned i = 0; i < OBJECT_PROVEN; i++) {
        uint64_t empty = 0;
        if (atomic_compare_exchange_strong(&object->proven[i], &empty, mark) || empty == mark)
            return;
    }
    atomic_store_explicit(&object->proven[mark % OBJECT_PROVEN], mark, memory_order_relaxed);
}
