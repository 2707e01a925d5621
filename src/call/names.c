#include "call/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/attrs.h"
#include "call/mechs.h"

struct name {
    CK_ULONG value;
    const char *text;
};

static const struct name rvs[] = {
#define RV(name) {CKR_##name, "CKR_" #name},
#include "call/names.def"
};
static const struct name mechs[] = {
#define MECH(name) {CKM_##name, "CKM_" #name},
#include "call/names.def"
};
static const struct name mech_aliases[] = {
#define MECH_ALIAS(name) {CKM_##name, "CKM_" #name},
#include "call/names.def"
};
static const struct name classes[] = {
#define CLASS(name) {CKO_##name, "CKO_" #name},
#include "call/names.def"
};
static const struct name key_types[] = {
#define KEY_TYPE(name) {CKK_##name, "CKK_" #name},
#include "call/names.def"
};

static const char *unknown(CK_ULONG value, const char *prefix, struct name_buf *buf)
{
    snprintf(buf->text, sizeof(buf->text), "%s0x%08lx", prefix, value);
    return buf->text;
}

static const char *text_of(const struct name *row, size_t rows, CK_ULONG value, const char *prefix,
                           struct name_buf *buf)
{
    size_t low = 0, high = rows;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (row[mid].value < value)
            low = mid + 1;
        else
            high = mid;
    }
    return low < rows && row[low].value == value ? row[low].text : unknown(value, prefix, buf);
}

const char *name_rv(CK_RV rv, struct name_buf *buf)
{
    return text_of(rvs, ARRAY_LEN(rvs), rv, "CKR_", buf);
}

const char *name_mech(CK_MECHANISM_TYPE type, struct name_buf *buf)
{
    /* A vendor's mechanism is only in the mechanism table. */
    const struct mech_info *info = type > CKM_VENDOR_DEFINED ? mech_lookup(type) : NULL;

    return info ? info->name : text_of(mechs, ARRAY_LEN(mechs), type, "CKM_", buf);
}

const char *name_attr(CK_ATTRIBUTE_TYPE type, struct name_buf *buf)
{
    const struct attr_info *info = attr_lookup(type);

    return info ? info->name : unknown(type, "CKA_", buf);
}

const char *name_class(CK_OBJECT_CLASS class, struct name_buf *buf)
{
    return text_of(classes, ARRAY_LEN(classes), class, "CKO_", buf);
}

const char *name_key_type(CK_KEY_TYPE type, struct name_buf *buf)
{
    return text_of(key_types, ARRAY_LEN(key_types), type, "CKK_", buf);
}

/* Decimal, 0x hexadecimal, or what an unknown number is called here: "CKR_0x80000123". */
static bool number_of(const char *text, const char *prefix, CK_ULONG *ret)
{
    char *end;
    CK_ULONG value;

    if (strncmp(text, prefix, strlen(prefix)) == 0 && strncmp(text + strlen(prefix), "0x", 2) == 0)
        text += strlen(prefix);
    /* strtoul takes blanks and signs, too, and a 0 in front for octal. */
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoul(text, &end, text[1] == 'x' || text[1] == 'X' ? 16 : 10);
    if (errno || *end)
        return false;
    *ret = value;
    return true;
}

static bool value_of(const struct name *row, size_t rows, const char *text, CK_ULONG *ret)
{
    for (size_t i = 0; i < rows; i++) {
        if (strcmp(row[i].text, text) == 0) {
            *ret = row[i].value;
            return true;
        }
    }
    return false;
}

static bool vendor_mech(const char *text, CK_MECHANISM_TYPE *ret)
{
    static const struct name others[] = {
#define MECH(name, shape, flags)
#define SPLIT(name, shape, digest, raw, flags)
#define OTHER(value, name, shape, flags) {value, "CKM_" #name},
#include "call/mechs.def"
    };

    return value_of(others, ARRAY_LEN(others), text, ret);
}

bool name_to_rv(const char *name, CK_RV *ret)
{
    return value_of(rvs, ARRAY_LEN(rvs), name, ret) || number_of(name, "CKR_", ret);
}

bool name_to_mech(const char *name, CK_MECHANISM_TYPE *ret)
{
    return value_of(mechs, ARRAY_LEN(mechs), name, ret) ||
           value_of(mech_aliases, ARRAY_LEN(mech_aliases), name, ret) || vendor_mech(name, ret) ||
           number_of(name, "CKM_", ret);
}
