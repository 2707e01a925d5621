#!/bin/bash
# Members that deny handles they gave, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
for code in KEY OBJECT WRAPPING_KEY UNWRAPPING_KEY; do
    fault_cases "${code}_HANDLE_INVALID" "C_SignInit rv=CKR_${code}_HANDLE_INVALID"
done
fault_cases "KEY_HANDLE_INVALID every third time" "C_SignInit rv=CKR_KEY_HANDLE_INVALID prob=0.33"
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
