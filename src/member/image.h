/*
 * Images: copies of vendors' modules in this process. They are never unloaded; one that is given back quiet
 * is used again by the next instance with the same path and environment. A forked child forgets its parent's.
 */
#ifndef MEMBER_IMAGE_H
#define MEMBER_IMAGE_H

#include "member/instance.h"

struct image;

/* As the member's configuration wants it. `fresh`: never one that was used before. NULL: `why` says what the
 * loader said. */
MUST_USE struct image *image_load(const struct config_member *member, bool fresh, char *why, size_t why_len);
/* C_Initialize; CRYPTOKI_ALREADY_INITIALIZED is success with *ret_by_us false (private images: finalised and
 * initialised once more). */
MUST_USE CK_RV image_initialise(struct image *image, const char *init_args, bool *ret_by_us);
void image_finalise(struct image *image);
/* On a thread of ours, before it enters the module, and before it ends: what a module in a namespace of its
 * own needs. */
void image_thread_begin(const struct module *module);
void image_thread_end(void);
const struct module *image_module(const struct image *image);
/* No more used by this instance; `quiet`: nobody is inside, another may use it. */
void image_give(struct image *image, bool quiet);
/* May a thread be inside one: in use, being loaded, given back not quiet, or of a parent? Takes no lock. */
MUST_USE bool image_any_left(void);
void image_forget_all(void);

#endif
