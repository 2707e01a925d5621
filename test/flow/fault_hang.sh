#!/bin/bash
# Members that hang for ever, or answer when the caller has gone, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 2s
fault_load
fault_cases "every call hangs" hang
fault_cases "C_Sign hangs" "C_Sign hang"
FAULT_UNSEEN=1
fault_cases "C_Sign answers after the deadline" "C_Sign late=2500"
fault_cases "C_SignInit answers after the deadline" "C_SignInit late=2500"
fault_load_ends "0 errors and 0 wrong results through all of it"
fault_quickly "no call longer than the call-timeout of 2 s" 2000
tap_end
