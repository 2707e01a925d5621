#!/bin/bash
# The runner `inline`: the same, but for hangs, which it cannot leave.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --runner inline
fault_load --op ecdsa-p256
fault_cases "DEVICE_ERROR from every call" error=CKR_DEVICE_ERROR
fault_cases "CRYPTOKI_NOT_INITIALIZED from every call" error=CKR_CRYPTOKI_NOT_INITIALIZED
fault_cases "the token removed" gone
fault_cases "SESSION_HANDLE_INVALID from all crypto" "crypto rv=CKR_SESSION_HANDLE_INVALID"
fault_cases "KEY_HANDLE_INVALID" "C_SignInit rv=CKR_KEY_HANDLE_INVALID"
fault_cases "DEVICE_MEMORY" "crypto rv=CKR_DEVICE_MEMORY"
fault_cases "GENERAL_ERROR" "crypto rv=CKR_GENERAL_ERROR"
fault_cases "all sessions lost, five times" "C_Sign lose-sessions times=5"
fault_cases "the login lost, five times" "C_Sign lose-login times=5"
fault_cases "all objects lost, five times" "C_Sign lose-objects times=5"
fault_cases "the module initialised anew" reinit
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
