/* What an answer means: one table of error classes, and what follows from it. Pure. The same table stands in
 * p11ha(7). */
#ifndef ROUTER_VERDICT_H
#define ROUTER_VERDICT_H

#include "base/def.h"
#include "pkcs11-headers/pkcs11.h"

enum error_class {
    ERROR_NONE,         /* CKR_OK */
    ERROR_TRANSPORT,    /* the member is not there */
    ERROR_SESSION_LOST, /* it has forgotten our session or login */
    ERROR_STALE_HANDLE, /* it has forgotten a handle that it gave us */
    ERROR_FULL,         /* it has no room now */
    ERROR_AMBIGUOUS,    /* the member's fault or the request's: others will tell */
    ERROR_UNABLE, /* this member cannot do it (no mechanism, no replica): not its fault, not the request's */
    ERROR_APPLICATION /* the request's own */
};

struct verdict_facts {
    bool logged_in;     /* the application is */
    bool needs_handles; /* the frame had handles that we mapped */
    bool fresh_session; /* already repeated there with a new session and login */
    bool fresh_handle;  /* already repeated there with handles resolved anew */
    bool judged; /* it has looked at data of the application: some tokens call bad data a DEVICE_ERROR */
};

enum verdict {
    VERDICT_ANSWER,        /* give it to the application */
    VERDICT_RENEW_SESSION, /* a new epoch there, then the same member once more */
    VERDICT_RENEW_HANDLE,  /* resolve the handles anew, then the same member once more */
    VERDICT_NEXT           /* the next member */
};

enum error_class verdict_class(CK_RV rv, const struct verdict_facts *facts);
enum verdict verdict_of(enum error_class class, const struct verdict_facts *facts);
const char *error_class_name(enum error_class class);

/* What the application is told when no member is left: of the classes that members answered with (a set of 1
 * << class). */
CK_RV verdict_final(unsigned classes, bool all_alike, CK_RV common);

#endif
