#!/bin/bash
# Members that hang for ever, or answer when the caller has gone, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s
fault_load --op ecdsa-p256
FAULT_UNSEEN=1
fault_cases "every call hangs" hang
fault_cases "C_Sign hangs" "C_Sign hang"
fault_cases "C_Sign answers after the deadline" "C_Sign late=3500"
fault_cases "C_SignInit answers after the deadline" "C_SignInit late=3500"
fault_load_ends "0 errors and 0 wrong results through all of it"
fault_quickly "no call longer than the call-timeout of 3 s" 3000
tap_end
