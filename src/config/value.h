/* One value of the file: text to field. Each parser judges its own text only; no other key, no file, no
 * member. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/def.h"

enum value_result { VALUE_GOOD, VALUE_BAD, VALUE_LATER, VALUE_NO_MEMORY };

/* A word and what it stands for. Ends with a NULL word. */
struct choice {
    const char *word;
    unsigned value;
    bool later; /* a word of the design whose feature does not exist yet */
};

/*
 * A row of a key table. field points where the value goes (strings: a char * that is replaced, mem_free). On
 * VALUE_BAD *ret_note may be set to a constant text that says more about the value found.
 */
struct key {
    const char *name; /* of a prefix key it ends in a dot: "env." */
    enum value_result (*parse)(const struct key *key, const char *name, const char *value, void *field,
                               const char **ret_note);
    size_t offset;        /* of the field in the section's structure, KEY_NOWHERE if only judged */
    const char *fallback; /* the value if the key is not given; NULL: the field stays zero */
    const char *expected; /* completes "expected ..." */
    uint64_t least, most; /* of numbers, durations and sizes; most also of a text's bytes */
    const struct choice *choice;
    unsigned flags;
};

#define KEY_NOWHERE  SIZE_MAX
#define KEY_REQUIRED 1u /* must be given */
#define KEY_SECRET   2u /* its value may be a PIN typed in the wrong place, or credentials: never shown */
#define KEY_PARTLY   4u /* the same, but only behind ?, // or "pin": shown up to there */
#define KEY_REPEATED 8u /* may be given several times */

#define VALUE_PARSER(what)                                                                      \
    enum value_result value_parse_##what(UNUSED const struct key *key, UNUSED const char *name, \
                                         UNUSED const char *value, UNUSED void *field,          \
                                         UNUSED const char **ret_note)
VALUE_PARSER(text);       /* char *; may be empty; at most key->most bytes if that is not 0 */
VALUE_PARSER(name);       /* judged only: not empty */
VALUE_PARSER(label);      /* char *; not empty, at most key->most bytes */
VALUE_PARSER(path);       /* char *; absolute */
VALUE_PARSER(unsigned);   /* unsigned */
VALUE_PARSER(slot);       /* unsigned long */
VALUE_PARSER(duration);   /* uint64_t, ns */
VALUE_PARSER(size);       /* size_t, bytes */
VALUE_PARSER(choice);     /* unsigned or an enum */
VALUE_PARSER(yes_no);     /* bool */
VALUE_PARSER(log);        /* char * */
VALUE_PARSER(hedge);      /* judged only */
VALUE_PARSER(vault);      /* char *: the path of sqlite:PATH */
VALUE_PARSER(token);      /* char *: an RFC 7512 URI of a token */
VALUE_PARSER(pin_source); /* char *: the path of file:PATH */
VALUE_PARSER(init_args);  /* char *; another one is joined to the first by a blank */
VALUE_PARSER(env);        /* struct config_member: one more variable, named behind the first dot of name */

#endif
