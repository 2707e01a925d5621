/*
 * The module under test and the state that each case begins in. A case has sessions and objects of its own;
 * world_run puts everything back afterwards.
 */
#ifndef CONFORM_WORLD_H
#define CONFORM_WORLD_H

#include "record.h"

enum setup {
    SETUP_NONE,    /* before C_Initialize */
    SETUP_LIBRARY, /* no session */
    SETUP_PUBLIC,  /* world.session is R/W, nobody logged in */
    SETUP_USER,    /* R/W, the user logged in */
    SETUP_RO,      /* read-only, nobody logged in */
    SETUP_RO_USER,
    SETUP_TOKEN /* as SETUP_USER; the token's objects are destroyed afterwards */
};

struct world {
    CK_FUNCTION_LIST *p11;
    CK_FUNCTION_LIST_3_0 *v30; /* NULL if the module has none */
    CK_FUNCTION_LIST_3_2 *v32;
    CK_C_GetInterface get_interface; /* NULL likewise */
    CK_C_GetInterfaceList get_interface_list;
    CK_C_INITIALIZE_ARGS args;
    CK_SLOT_ID slot;
    CK_UTF8CHAR label[32]; /* of the token there */
    CK_UTF8CHAR *pin, *so_pin;
    CK_ULONG pin_len, so_pin_len;
    CK_SESSION_HANDLE session;
};
extern struct world world;

/* What is in the tables of the chapters. The argument is what world_run was given. */
struct test {
    const char *function, *name;
    enum setup setup;
    void (*run)(const void *arg);
};

/* Ends the program with a message if the module or the token is not there. `init` NULL: no pReserved. */
void world_load(const char *module, const char *token, char *pin, char *so_pin, char *init);
void world_unload(void);
/* Some modules crash where the standard wants an error. Such a case says CRASHED, the program ends with 4,
 * and the next one goes on behind that case ("chapter/function/name"). */
void world_expect_crashes(const char *after);
void world_run(const char *chapter, const struct test *test, const void *arg);
void world_run_all(const char *chapter, const struct test *tests, size_t count);

CK_SESSION_HANDLE world_open(CK_FLAGS flags);
/* Into the record. */
CK_RV world_login(void);
/* Calls that the record does not name. */
CK_RV world_login_silently(void);

/* Into the record: an object's attributes, or why they are not told. */
void world_read(CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types, size_t count);

/* Calls a function of the module and records what it answered. */
#define DO(name, ...)    record_rv("C_" #name, world.p11->C_##name(__VA_ARGS__))
#define DO_30(name, ...) record_rv("C_" #name, world.v30->C_##name(__VA_ARGS__))
#define DO_32(name, ...) record_rv("C_" #name, world.v32->C_##name(__VA_ARGS__))

/* The chapters, in the order of the record. */
void chapter_general(void);
void chapter_every(void);
void chapter_slot(void);
void chapter_session(void);
void chapter_login(void);
void chapter_object(void);
void chapter_attribute(void);
void chapter_class(void);
void chapter_find(void);
void chapter_mechanism(void);
void chapter_order(void);
void chapter_recover(void);
void chapter_dual(void);
void chapter_state(void);
void chapter_generate(void);
void chapter_wrap(void);
void chapter_derive(void);
void chapter_random(void);
void chapter_v30(void);
void chapter_message(void);
void chapter_v32(void);
void chapter_pin(void);

#endif
