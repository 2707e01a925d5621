#!/bin/bash
# Three members in one instance of one module, loaded through p11-kit.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s --instance shared
fault_load --op ecdsa-p256
fault_cases "DEVICE_ERROR from every call" error=CKR_DEVICE_ERROR
fault_cases "CRYPTOKI_NOT_INITIALIZED from every call" error=CKR_CRYPTOKI_NOT_INITIALIZED
fault_cases "the token removed" gone
FAULT_UNSEEN=1 fault_cases "every call hangs" hang
fault_cases "SESSION_CLOSED from all crypto" "crypto rv=CKR_SESSION_CLOSED"
fault_cases "GENERAL_ERROR" "crypto rv=CKR_GENERAL_ERROR"
fault_cases "all sessions lost, five times" "C_Sign lose-sessions times=5"
fault_load_ends "0 errors and 0 wrong results through all of it"

# All three live in that one module: nobody is left who could help, but it must not last.
anew() {
    local member
    fault_load --op ecdsa-p256
    for _ in 1 2 3; do
        fault_on hsm-1 reinit
        fault_works 5000 10
        for member in hsm-1 hsm-2 hsm-3; do fault_serves "$member" 15; done
    done
    fault_now
    [ "$wrong" = 0 ] && [ "$failed" -lt 2000 ]
}
tap_case "the module initialised anew under all three: back by itself" anew
tap_end
