/* C_SetPIN, C_InitPIN and C_InitToken by the standard's rules; what happens on the members is the router's.
 */
#ifndef SESSION_PIN_H
#define SESSION_PIN_H

#include "session/session.h"

/* CKR_SESSION_READ_ONLY in a read-only session. */
MUST_USE CK_RV pin_set(struct session *session, struct pin old, struct pin new);
/* CKR_USER_NOT_LOGGED_IN unless the SO is. */
MUST_USE CK_RV pin_init(struct session *session, struct pin pin);
/* CKR_SESSION_EXISTS while the application has any. */
MUST_USE CK_RV pin_init_token(struct token *token, struct pin so_pin, const uint8_t label[32]);

#endif
