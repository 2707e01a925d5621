#!/bin/bash
# Members that forget sessions, logins or objects, or are initialised anew, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos
fault_load --op ecdsa-p256
fault_cases "all sessions lost, five times" "C_Sign lose-sessions times=5"
fault_cases "the login lost, five times" "C_Sign lose-login times=5"
fault_cases "all objects lost, five times" "C_Sign lose-objects times=5"
fault_cases "the module initialised anew" reinit
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
