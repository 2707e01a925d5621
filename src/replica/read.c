#include "replica/read.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "router/route.h"

#define ROOM_MAX (16u << 20)

/* The standard ranks no trouble above another: the last one is told, all show in the lengths. */
static CK_RV answer(CK_ATTRIBUTE *into, const void *value, CK_ULONG len)
{
    if (!into->pValue) {
        into->ulValueLen = len;
        return CKR_OK;
    }
    if (into->ulValueLen < len) {
        into->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_BUFFER_TOO_SMALL;
    }
    if (len)
        memcpy(into->pValue, value, len);
    into->ulValueLen = len;
    return CKR_OK;
}

static bool may_have(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    size_t count = 0;
    const CK_ATTRIBUTE_TYPE *types = attrs_of_class(object->class, object->subtype, &count);
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return true;
    return false;
}

static bool is_secret_part(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    const struct attr_info *info = attr_lookup(type);
    bool key = object->class == CKO_SECRET_KEY || object->class == CKO_PRIVATE_KEY;
    return key && info && (info->flags & ATTR_SENSITIVE);
}

/* What was asked for may be less than a token does: softokn keeps every key on it sensitive. */
static bool may_be_stricter(const struct object *object, const struct attrs *known, CK_ATTRIBUTE_TYPE type)
{
    return type == CKA_SENSITIVE && object->token && !attrs_bool(known, type, true);
}

/* One attribute of one member's replica, with room for what the application offers. */
static CK_RV ask_member(struct group *group, struct object *object, CK_ATTRIBUTE *attr)
{
    CK_ATTRIBUTE wanted = {attr->type, NULL, attr->pValue ? attr->ulValueLen : 0};
    /* As much room as that is not taken on trust; an earlier failure leaves CK_UNAVAILABLE_INFORMATION there.
     */
    if (wanted.ulValueLen > ROOM_MAX) {
        CK_ATTRIBUTE query = {attr->type, NULL, 0};
        CK_RV rv = ask_member(group, object, &query);
        wanted.ulValueLen = query.ulValueLen;
        if (rv != CKR_OK || query.ulValueLen > ROOM_MAX) {
            attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
            return rv == CKR_OK ? CKR_HOST_MEMORY : rv;
        }
    }
    size_t room = frame_room_templ(&wanted, 1);
    struct frame *frame = frame_new(VERB_GET_ATTRIBUTES, room, room + 64);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_templ(frame, 0, &wanted, 1);
    struct route route;
    route_init(&route, frame, WORK_OBJECT, clock_after(group->config->call_timeout));
    route.key[0] = object;
    CK_RV rv = route_run(group, &route);
    const CK_ATTRIBUTE *got = (const CK_ATTRIBUTE *)(const void *)route.frame->out;
    if (rv == CKR_OK && got->ulValueLen != CK_UNAVAILABLE_INFORMATION)
        rv = answer(attr, got->pValue, got->ulValueLen);
    else
        attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
    frame_unref(route.frame);
    return rv;
}

static CK_RV read_one(struct group *group, struct object *object, const struct attrs *known,
                      CK_ATTRIBUTE *attr)
{
    const CK_ATTRIBUTE *own = attrs_get(known, attr->type);
    const struct attr_info *info = attr_lookup(attr->type);
    if (own && !is_secret_part(object, attr->type) && !(info && info->shape == ATTR_TEMPLATE) &&
        !may_be_stricter(object, known, attr->type))
        return answer(attr, own->pValue, own->ulValueLen);
    bool hidden = attrs_bool(known, CKA_SENSITIVE, false) || !attrs_bool(known, CKA_EXTRACTABLE, true);
    CK_RV rv = CKR_ATTRIBUTE_TYPE_INVALID;
    if (is_secret_part(object, attr->type) && may_have(object, attr->type) && hidden)
        rv = CKR_ATTRIBUTE_SENSITIVE;
    else if (may_have(object, attr->type) || !info || atomic_load(&object->partial))
        return ask_member(group, object, attr);
    attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return rv;
}

CK_RV read_attributes(struct group *group, struct object *object, CK_ATTRIBUTE *templ, CK_ULONG count)
{
    struct attrs known = {0};
    CK_RV rv = catalog_attrs(group->catalog, object, &known);
    for (CK_ULONG i = 0; i < count && rv != CKR_HOST_MEMORY; i++) {
        CK_RV one = read_one(group, object, &known, &templ[i]);
        if (one != CKR_OK)
            rv = one;
    }
    attrs_free(&known);
    return rv;
}
