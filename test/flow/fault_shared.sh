#!/bin/bash
# Three members in one instance of one module, loaded through p11-kit.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s --instance shared
fault_load
fault_cases "DEVICE_ERROR from every call" error=CKR_DEVICE_ERROR
fault_cases "CRYPTOKI_NOT_INITIALIZED from every call" error=CKR_CRYPTOKI_NOT_INITIALIZED
fault_cases "the token removed" gone
FAULT_UNSEEN=1 fault_cases "every call hangs" hang
fault_cases "SESSION_CLOSED from all crypto" "crypto rv=CKR_SESSION_CLOSED"
fault_cases "GENERAL_ERROR" "crypto rv=CKR_GENERAL_ERROR"
fault_cases "all sessions lost, five times" "C_Sign lose-sessions times=5"
fault_cases "the module initialised anew" reinit
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
