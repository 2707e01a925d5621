#!/bin/bash
# Every answer that says that the member is not there, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
for code in DEVICE_ERROR DEVICE_REMOVED TOKEN_NOT_PRESENT TOKEN_NOT_RECOGNIZED SLOT_ID_INVALID CRYPTOKI_NOT_INITIALIZED; do
    fault_cases "$code from every call" "error=CKR_$code"
done
fault_cases "the token removed" gone
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
