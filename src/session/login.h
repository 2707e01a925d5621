/* C_Login and C_Logout of the virtual token, by the standard's rules; who is asked is the router's. */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "session/token.h"

/* CKU_USER or CKU_SO. At most one attempt on one member; never repeated. */
MUST_USE CK_RV login_begin(struct token *token, CK_USER_TYPE user, const uint8_t *pin, size_t len);
/* The same for a user who has a name (C_LoginUser). */
MUST_USE CK_RV login_begin_named(struct token *token, CK_USER_TYPE user, const uint8_t *name, size_t name_len,
                                 const uint8_t *pin, size_t len);
MUST_USE CK_RV login_end(struct token *token);
/* The last session is closed: nobody is logged in any more. Both wait, until the deadline or call-timeout,
 * for what is still being put on members. */
void login_end_last(struct token *token, uint64_t deadline);

#endif
