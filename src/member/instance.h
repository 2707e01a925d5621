/*
 * An instance: one loaded copy of a vendor's module, initialised, shared by the members that live in it.
 * Loading: `shared` through p11-kit (an application that uses the module too is not disturbed; what was
 * initialised before us is never finalised by us), `private` by dlmopen with the namespace's own environment;
 * beyond its limit, and with the runner `inline` (base/namespace.h says why), a copy of the file. Images are
 * never unloaded. A forked child always loads fresh private images: the parent's may have been forked in the
 * middle of anything.
 */
#ifndef MEMBER_INSTANCE_H
#define MEMBER_INSTANCE_H

#include "base/namespace.h"
#include "config/config.h"
#include "pkcs11-headers/pkcs11.h"

struct instance;

/* The module's functions: 2.40 always, later ones if it has them (else NULL). */
struct module {
    const CK_FUNCTION_LIST *f;
    const CK_FUNCTION_LIST_3_0 *f3;
    const CK_FUNCTION_LIST_3_2 *f32;
    struct namespace ns; /* handle NULL: it lives beside us */
    CK_INFO info;
};

/* Loads nothing yet. Whether two members may share: same path, env, init-args, both `shared`. NULL without
 * memory. */
MUST_USE struct instance *instance_new(const struct config_member *member);
bool instance_serves(const struct instance *instance, const struct config_member *member);
/* Finalises (unless stuck, or it was not us who initialised) and frees. Enters vendor code: for a lane or
 * C_Finalize's end. */
void instance_free(struct instance *instance, bool finalize);

/*
 * Makes sure it is loaded and initialised; runs on a lane. With `seen` != 0 it is initialised anew unless its
 * epoch is already another one (at most once a second: then CKR_CRYPTOKI_NOT_INITIALIZED). CKR_OK with
 * *ret_epoch.
 */
MUST_USE CK_RV instance_connect(struct instance *instance, uint32_t seen, uint32_t *ret_epoch);
/* Finds the slot of the token that the URI names; runs on a lane. CKR_TOKEN_NOT_PRESENT,
 * CKR_TOKEN_NOT_RECOGNIZED if several match. */
MUST_USE CK_RV instance_find_token(struct instance *instance, const char *uri, CK_SLOT_ID *ret_slot,
                                   CK_TOKEN_INFO *ret_info);

/*
 * Around every entry into the module, by who enters. instance_enter gives the functions, or NULL if it is not
 * initialised; while it is being, it waits for that, for a second at most. `ticket` goes back to
 * instance_leave.
 */
MUST_USE const struct module *instance_enter(struct instance *instance, unsigned *ret_ticket);
void instance_leave(struct instance *instance, unsigned ticket);

/* How many of its members work now; members add and subtract. */
void instance_count_up(struct instance *instance, int by);
unsigned instance_up(const struct instance *instance);
uint32_t instance_epoch(const struct instance *instance);
/* What loading or initialising said last, for people; "" if nothing. Static or owned by the instance. */
const char *instance_trouble(const struct instance *instance);
/* After fork, in the child's C_Initialize: known images are the parent's and are not used again. */
void instance_forget_images(void);
/*
 * At the very end of the process. If somebody is still inside a module, our threads stop where they next come
 * out of one or wait, and no namespace is taken down under a thread that is in it. Modules outside namespaces
 * cannot be kept from that.
 */
void instance_leave_images(void);

#endif
