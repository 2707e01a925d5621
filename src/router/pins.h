/*
 * PINs of a group: on all members or on none. Every member must be there and answer before anything is
 * changed; a PIN is tried on one member first. The caller keeps logins and logouts out.
 */
#ifndef ROUTER_PINS_H
#define ROUTER_PINS_H

#include "member/pins.h"
#include "router/group.h"

/*
 * C_SetPIN for whoever is logged in, the user if nobody is. What the first member said of it, unchanged;
 * CKR_DEVICE_ERROR if a member is away or fails in the middle: those that had the new PIN have the old one
 * again, or the log says which do not. CKR_FUNCTION_REJECTED if a member has a PIN of its own.
 */
MUST_USE CK_RV pins_set(struct group *group, struct pin old, struct pin new);
/* C_InitPIN. The same, but the PIN before is not known and cannot be put back: done again it is whole. */
MUST_USE CK_RV pins_init(struct group *group, struct pin pin);
/* C_InitToken: what was done cannot be undone either. */
MUST_USE CK_RV pins_init_token(struct group *group, struct pin so_pin);

#endif
