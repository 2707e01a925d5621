#include "config/value.h"

#include <p11-kit/uri.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/units.h"

static enum value_result text_store(void *field, char *text)
{
    char **target = field;

    if (!text)
        return VALUE_NO_MEMORY;
    mem_free(*target);
    *target = text;
    return VALUE_GOOD;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum value_result range_check(const struct key *key, uint64_t number, const char **ret_note)
{
    if (number >= key->least && number <= key->most)
        return VALUE_GOOD;
    *ret_note = number < key->least ? "too small" : "too large";
    return VALUE_BAD;
}

VALUE_PARSER(text)
{
    if (key->most && strlen(value) > key->most) {
        *ret_note = "too long";
        return VALUE_BAD;
    }
    return text_store(field, mem_strdup(value));
}

VALUE_PARSER(name)
{
    return *value ? VALUE_GOOD : VALUE_BAD;
}

VALUE_PARSER(label)
{
    return *value ? value_parse_text(key, name, value, field, ret_note) : VALUE_BAD;
}

VALUE_PARSER(path)
{
    if (value[0] != '/') {
        *ret_note = *value ? "not absolute" : NULL;
        return VALUE_BAD;
    }
    return text_store(field, mem_strdup(value));
}

static enum value_result number_read(const struct key *key, const char *value, uint64_t *ret,
                                     const char **ret_note)
{
    uint64_t number;

    if (!units_parse_number(value, &number))
        return VALUE_BAD;
    enum value_result result = range_check(key, number, ret_note);
    if (result == VALUE_GOOD)
        *ret = number;
    return result;
}

VALUE_PARSER(unsigned)
{
    uint64_t number = 0;
    enum value_result result = number_read(key, value, &number, ret_note);

    if (result == VALUE_GOOD)
        *(unsigned *)field = (unsigned)number;
    return result;
}

VALUE_PARSER(slot)
{
    uint64_t number = 0;
    enum value_result result = number_read(key, value, &number, ret_note);

    if (result == VALUE_GOOD)
        *(unsigned long *)field = (unsigned long)number;
    return result;
}

static enum value_result unit_missing(const char *value, const char **ret_note)
{
    uint64_t number;

    if (units_parse_number(value, &number))
        *ret_note = "without a unit";
    return VALUE_BAD;
}

VALUE_PARSER(duration)
{
    uint64_t ns;

    if (!units_parse_duration(value, &ns))
        return unit_missing(value, ret_note);
    enum value_result result = range_check(key, ns, ret_note);
    if (result == VALUE_GOOD)
        *(uint64_t *)field = ns;
    return result;
}

VALUE_PARSER(size)
{
    uint64_t bytes;

    if (!units_parse_size(value, &bytes))
        return unit_missing(value, ret_note);
    enum value_result result = range_check(key, bytes, ret_note);
    if (result == VALUE_GOOD)
        *(size_t *)field = (size_t)bytes;
    return result;
}

VALUE_PARSER(choice)
{
    for (const struct choice *choice = key->choice; choice->word; choice++) {
        if (strcmp(choice->word, value) != 0)
            continue;
        if (choice->later)
            return VALUE_LATER;
        *(unsigned *)field = choice->value;
        return VALUE_GOOD;
    }
    return VALUE_BAD;
}

VALUE_PARSER(yes_no)
{
    unsigned chosen;
    enum value_result result = value_parse_choice(key, name, value, &chosen, ret_note);

    if (result == VALUE_GOOD)
        *(bool *)field = chosen;
    return result;
}

VALUE_PARSER(log)
{
    if (strcmp(value, "syslog") != 0 && strcmp(value, "stderr") != 0 && !has_prefix(value, "file:/"))
        return VALUE_BAD;
    return text_store(field, mem_strdup(value));
}

VALUE_PARSER(hedge)
{
    uint64_t ns;

    if (strcmp(value, "off") == 0)
        return VALUE_GOOD;
    return strcmp(value, "p95") == 0 || units_parse_duration(value, &ns) ? VALUE_LATER : VALUE_BAD;
}

VALUE_PARSER(vault)
{
    if (has_prefix(value, "postgresql:") || has_prefix(value, "postgres:"))
        return VALUE_LATER;
    if (!has_prefix(value, "sqlite:/"))
        return VALUE_BAD;
    return text_store(field, mem_strdup(value + strlen("sqlite:")));
}

static bool is_zero(const void *data, size_t len)
{
    const unsigned char *byte = data;

    for (size_t i = 0; i < len; i++) {
        if (byte[i])
            return false;
    }
    return true;
}

/* NULL if the URI names a token and nothing else; otherwise what is wrong. */
static const char *token_judge(const char *value, P11KitUri *uri)
{
    const char *message = p11_kit_uri_message(p11_kit_uri_parse(value, P11_KIT_URI_FOR_TOKEN, uri));

    if (message)
        return message;
    if (p11_kit_uri_get_pin_value(uri) || p11_kit_uri_get_pin_source(uri))
        return "a PIN is given by pin-source";
    if (p11_kit_uri_any_unrecognized(uri) || strchr(value, '?'))
        return "it has attributes that do not belong to a token, or are too long for one";
    const CK_TOKEN_INFO *info = p11_kit_uri_get_token_info(uri);
    if (is_zero(info->label, sizeof(info->label)) &&
        is_zero(info->serialNumber, sizeof(info->serialNumber)) &&
        is_zero(info->manufacturerID, sizeof(info->manufacturerID)) &&
        is_zero(info->model, sizeof(info->model)))
        return "it would match any token";
    return NULL;
}

VALUE_PARSER(token)
{
    P11KitUri *uri = p11_kit_uri_new();

    if (!uri)
        return VALUE_NO_MEMORY;
    const char *wrong = token_judge(value, uri);
    p11_kit_uri_free(uri);
    if (!wrong)
        return text_store(field, mem_strdup(value));
    *ret_note = wrong;
    return VALUE_BAD;
}

VALUE_PARSER(pin_source)
{
    if (!has_prefix(value, "file:/"))
        return VALUE_BAD;
    return text_store(field, mem_strdup(value + strlen("file:")));
}

VALUE_PARSER(init_args)
{
    char *const *before = field;

    if (!*value)
        return VALUE_BAD;
    return text_store(field, *before ? mem_printf("%s %s", *before, value) : mem_strdup(value));
}

static bool env_name_is_valid(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return strspn(name, letters) > 0 && name[strspn(name, others)] == '\0';
}

VALUE_PARSER(env)
{
    struct config_member *member = field;
    const char *variable = strchr(name, '.') + 1;

    if (!env_name_is_valid(variable)) {
        *ret_note = "no variable can have such a name";
        return VALUE_BAD;
    }
    struct config_env env = {.name = mem_strdup(variable), .value = mem_strdup(value)};
    struct config_env *more = mem_resize(member->env, member->env_count + 1, sizeof(*more));
    if (more)
        member->env = more;
    if (!more || !env.name || !env.value) {
        mem_free(env.name);
        mem_free(env.value);
        return VALUE_NO_MEMORY;
    }
    member->env[member->env_count++] = env;
    return VALUE_GOOD;
}
