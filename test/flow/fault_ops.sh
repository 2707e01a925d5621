#!/bin/bash
# The other operations through a few faults: what fails over is the call, whichever it is.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s
for op in rsa2048 ecdsa-multi hmac aes-cbc; do
    FAULT_OPERATIONS=10000
    [ $op != rsa2048 ] || FAULT_OPERATIONS=3000
    fault_load --op $op
    fault_cases "$op: DEVICE_ERROR from every call" error=CKR_DEVICE_ERROR
    FAULT_UNSEEN=1 fault_cases "$op: every call hangs" hang
    fault_cases "$op: GENERAL_ERROR" "crypto rv=CKR_GENERAL_ERROR"
    fault_load_ends "$op: 0 errors and 0 wrong results through all of it"
done
tap_end
