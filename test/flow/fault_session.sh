#!/bin/bash
# Members that deny sessions and logins that they gave, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
for code in SESSION_HANDLE_INVALID SESSION_CLOSED USER_NOT_LOGGED_IN; do
    fault_cases "$code from all crypto" "crypto rv=CKR_$code"
    fault_cases "$code from every third C_Sign" "C_Sign rv=CKR_$code prob=0.33"
done
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
