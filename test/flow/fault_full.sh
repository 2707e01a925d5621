#!/bin/bash
# Members that have no room, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
for code in DEVICE_MEMORY HOST_MEMORY SESSION_COUNT FUNCTION_REJECTED; do
    fault_cases "$code" "crypto rv=CKR_$code"
done
fault_cases "no more sessions once all are lost" "C_OpenSession rv=CKR_SESSION_COUNT" "C_Sign lose-sessions times=1"
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
