/*
 * What small PKCS#11 applications of the stories share: a module, one session on one token, logged in. They
 * know nothing of p11ha and run on any module. All functions end the program with a message when something
 * fails.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>

#include "pkcs11-headers/pkcs11.h"

struct client {
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
};

_Noreturn void client_die(const char *what, CK_RV rv);
/* Ends the program unless rv is CKR_OK. */
void client_need(const char *what, CK_RV rv);
/* A read-write session on the token of that label, with the user's PIN from CLIENT_PIN. */
struct client client_open(const char *module, const char *token);
/* The one object of that class and label; CK_INVALID_HANDLE if there is none. */
CK_OBJECT_HANDLE client_find(const struct client *client, CK_OBJECT_CLASS class, const char *label);
/* Of any class; returns how many of them there are and writes no more than `room`. */
size_t client_list(const struct client *client, CK_OBJECT_HANDLE *ret, size_t room);
void client_close(const struct client *client);

#endif
