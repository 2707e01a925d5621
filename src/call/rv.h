/* Return values that exist only inside: what a runner says when no member answered. Never given to an
 * application. */
#ifndef CALL_RV_H
#define CALL_RV_H

#include "pkcs11-headers/pkcs11.h"

#define RV_INSIDE       (CKR_VENDOR_DEFINED | 0x50313100UL)
#define RV_DEADLINE     (RV_INSIDE | 1) /* no answer in time; the call may still happen there */
#define RV_STUCK        (RV_INSIDE | 2) /* too many of the member's lanes are stuck; not sent */
#define RV_NO_TIME      (RV_INSIDE | 3) /* the time was over before it was sent; says nothing of the member */
#define RV_PIN_REFUSED  (RV_INSIDE | 4) /* this member has refused this PIN before; not tried again */
#define RV_NOT_HERE     (RV_INSIDE | 5) /* the object has and can get no replica on this member */
#define RV_NO_MECHANISM (RV_INSIDE | 6) /* this member does not offer the mechanism; not sent */
#define RV_MISFIT       (RV_INSIDE | 7) /* wrong token or wrong group key there */
#define RV_GONE         (RV_INSIDE | 8) /* the object has been destroyed, here or by another process */

#endif
