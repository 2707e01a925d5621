#!/bin/bash
# Answers that may be the member's fault or the request's, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
for code in CKR_GENERAL_ERROR CKR_FUNCTION_FAILED CKR_FUNCTION_CANCELED 0x80000123; do
    fault_cases "$code" "crypto rv=$code"
done
fault_cases "GENERAL_ERROR from every call" error=CKR_GENERAL_ERROR
fault_cases "GENERAL_ERROR from every third C_Sign" "C_Sign rv=CKR_GENERAL_ERROR prob=0.33"
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
