#include <string.h>

#include "call/frame_block.h"

#define NEST_MAX 8 /* templates inside templates */

static bool is_template(const CK_ATTRIBUTE *attr)
{
    const struct attr_info *info = attr_lookup(attr->type);
    return info && info->shape == ATTR_TEMPLATE && attr->pValue &&
           attr->ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

static bool is_nested(const CK_ATTRIBUTE *attr)
{
    return is_template(attr) && attr->ulValueLen % sizeof(CK_ATTRIBUTE) == 0;
}

/* In an attribute set a nested template is folded up (attrs.h); as it came from an application it is not. */
enum folding { FOLDED, UNFOLDED };

static size_t room_of_templ(const CK_ATTRIBUTE *templ, CK_ULONG count, enum folding folding, unsigned depth);

static size_t room_of_folded(const CK_ATTRIBUTE *attr, unsigned depth)
{
    AUTO(attrs_free) struct attrs nested = {0};
    if (!attrs_decode(&nested, attr->pValue, attr->ulValueLen))
        return FRAME_ROOM_MAX;
    return room_of_templ(nested.item, nested.count, FOLDED, depth);
}

static size_t room_of_templ(const CK_ATTRIBUTE *templ, CK_ULONG count, enum folding folding, unsigned depth)
{
    if (count > FRAME_ROOM_MAX / sizeof(CK_ATTRIBUTE) || depth > NEST_MAX)
        return FRAME_ROOM_MAX;
    size_t room = frame_room(count * sizeof(CK_ATTRIBUTE));
    for (CK_ULONG i = 0; i < count && room < FRAME_ROOM_MAX; i++) {
        CK_ULONG len = templ[i].ulValueLen;
        if (folding == FOLDED && is_template(&templ[i]))
            room += room_of_folded(&templ[i], depth + 1);
        else if (folding == UNFOLDED && is_nested(&templ[i]))
            room += room_of_templ(templ[i].pValue, len / sizeof(CK_ATTRIBUTE), UNFOLDED, depth + 1);
        else if (len != CK_UNAVAILABLE_INFORMATION)
            room += len < FRAME_ROOM_MAX ? frame_room(len + 1) : FRAME_ROOM_MAX;
    }
    return size_min(room, FRAME_ROOM_MAX);
}

size_t frame_room_templ(const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return room_of_templ(templ, count, UNFOLDED, 0);
}

size_t frame_room_attrs(const struct attrs *attrs)
{
    return room_of_templ(attrs->item, attrs->count, FOLDED, 0);
}

static CK_ATTRIBUTE *copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count,
                                enum folding folding);

/* Its room was computed from the same bytes: they can be read. */
static void copy_folded(struct frame *frame, CK_ATTRIBUTE *copy, const CK_ATTRIBUTE *attr)
{
    AUTO(attrs_free) struct attrs nested = {0};
    (void)!attrs_decode(&nested, attr->pValue, attr->ulValueLen);
    copy->pValue = copy_templ(frame, nested.item, nested.count, FOLDED);
    copy->ulValueLen = nested.count * sizeof(CK_ATTRIBUTE);
}

static CK_ATTRIBUTE *copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count,
                                enum folding folding)
{
    CK_ATTRIBUTE *copy = frame_take(frame, count * sizeof(CK_ATTRIBUTE));
    for (CK_ULONG i = 0; i < count; i++) {
        copy[i] = templ[i];
        if (templ[i].ulValueLen == CK_UNAVAILABLE_INFORMATION) {
            copy[i].pValue = NULL;
            continue;
        }
        if (folding == FOLDED && is_template(&templ[i])) {
            copy_folded(frame, &copy[i], &templ[i]);
        } else if (folding == UNFOLDED && is_nested(&templ[i])) {
            copy[i].pValue =
                copy_templ(frame, templ[i].pValue, templ[i].ulValueLen / sizeof(CK_ATTRIBUTE), UNFOLDED);
        } else if (templ[i].ulValueLen == 0) {
            copy[i].pValue = frame_take(frame, 1);
        } else {
            copy[i].pValue = frame_take(frame, templ[i].ulValueLen + 1);
            if (templ[i].pValue)
                memcpy(copy[i].pValue, templ[i].pValue, templ[i].ulValueLen);
        }
        frame_note_pointer(frame, &copy[i].pValue);
    }
    return copy;
}

CK_ATTRIBUTE *frame_copy_templ(struct frame *frame, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    return copy_templ(frame, templ, count, UNFOLDED);
}

void frame_set_templ(struct frame *frame, unsigned which, const CK_ATTRIBUTE *templ, CK_ULONG count)
{
    frame->templ[which] = frame_copy_templ(frame, templ, count);
    frame->templ_count[which] = count;
    frame_note_pointer(frame, &frame->templ[which]);
}

void frame_set_attrs(struct frame *frame, unsigned which, const struct attrs *attrs)
{
    frame->templ[which] = copy_templ(frame, attrs->item, attrs->count, FOLDED);
    frame->templ_count[which] = attrs->count;
    frame_note_pointer(frame, &frame->templ[which]);
}
