#include "tool/label.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "call/names.h"

static bool is_text(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    json_decref(value);
    return value != NULL;
}

void label_text(const struct attrs *attrs, char ret[LABEL_MAX])
{
    const CK_ATTRIBUTE *label = attrs_get(attrs, CKA_LABEL);
    size_t len = label ? size_min(label->ulValueLen, LABEL_MAX / 2) : 0;
    if (len)
        memcpy(ret, label->pValue, len);
    ret[len] = 0;
    bool text = is_text(ret, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)ret[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !text))
            ret[i] = '?';
    }
}

void label_object(const struct attrs *attrs, char ret[LABEL_MAX])
{
    static const struct {
        CK_OBJECT_CLASS class;
        const char *name;
    } classes[] = {{CKO_PRIVATE_KEY, "private key"},
                   {CKO_PUBLIC_KEY, "public key"},
                   {CKO_SECRET_KEY, "secret key"},
                   {CKO_CERTIFICATE, "certificate"},
                   {CKO_DATA, "data object"}};
    CK_OBJECT_CLASS class = attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
    CK_KEY_TYPE type = attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    struct name_buf buf;
    char label[LABEL_MAX];
    const char *kind = "object";
    label_text(attrs, label);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (classes[i].class == class)
            kind = classes[i].name;
    const char *type_name = type == CK_UNAVAILABLE_INFORMATION ? "" : name_key_type(type, &buf);
    if (strncmp(type_name, "CKK_", 4) == 0)
        type_name += 4;
    (void)snprintf(ret, LABEL_MAX, "%s \"%.80s\"%s%.40s%s", kind, label, *type_name ? " (" : "", type_name,
                   *type_name ? ")" : "");
}

void label_age(int64_t seconds, char ret[24])
{
    static const struct {
        int64_t span;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    if (seconds < 0)
        seconds = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (seconds >= 2 * units[i].span || units[i].span == 1) {
            (void)snprintf(ret, 24, "%lld%c", (long long)(seconds / units[i].span), units[i].unit);
            return;
        }
}
