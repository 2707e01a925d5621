#!/bin/bash
# Faults that are there before the application starts.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s
fault_run --count 1 || tap_not_ok "a key to begin with" "$(fault_story)"

before() {
    local what=$1 members=$2 began=$SECONDS
    shift 2
    LOG_LINE=$(($(wc -l <"$WORLD/p11ha.log") + 1))
    fault_on "$members" "$@"
    if fault_run --count "$FAULT_OPERATIONS"; then
        tap_ok "starts and signs with $what on ${members// / and } ($((SECONDS - began)) s)"
    else
        tap_not_ok "starts and signs with $what on $members" "$(fault_story)"
    fi
    fault_on "$members" ok
}

for code in DEVICE_ERROR DEVICE_REMOVED TOKEN_NOT_PRESENT TOKEN_NOT_RECOGNIZED SLOT_ID_INVALID \
    CRYPTOKI_NOT_INITIALIZED SESSION_HANDLE_INVALID SESSION_CLOSED KEY_HANDLE_INVALID OBJECT_HANDLE_INVALID \
    DEVICE_MEMORY HOST_MEMORY SESSION_COUNT FUNCTION_REJECTED GENERAL_ERROR FUNCTION_FAILED FUNCTION_CANCELED; do
    before "$code from every call" "hsm-1 hsm-2" "error=CKR_$code"
done
before "a vendor's code from every call" "hsm-2 hsm-3" error=0x80000123
before "USER_NOT_LOGGED_IN from all crypto" "hsm-2 hsm-3" "crypto rv=CKR_USER_NOT_LOGGED_IN"
before "the token removed" "hsm-1" gone
tap_case "the log says that it was not there from the start" \
    fault_said "warn member-state .*member=hsm-1 from=down to=down cause=CKR_TOKEN_NOT_PRESENT"
before "the token removed" "hsm-1 hsm-3" gone
before "a hang in every call" "hsm-1 hsm-2" hang
before "C_Initialize failing" "hsm-1" "C_Initialize rv=CKR_GENERAL_ERROR"
before "C_Initialize failing" "hsm-2 hsm-3" "C_Initialize rv=CKR_DEVICE_ERROR"
before "C_Initialize hanging" "hsm-1 hsm-3" "C_Initialize hang"
before "C_Login failing" "hsm-1 hsm-2" "C_Login rv=CKR_DEVICE_ERROR"
before "C_Login failing without saying why" "hsm-1 hsm-2" "C_Login rv=CKR_GENERAL_ERROR"
before "C_Login hanging" "hsm-1 hsm-2" "C_Login hang"

comes_later() {
    local member
    fault_on "hsm-1 hsm-2" "$@"
    fault_load --op ecdsa-p256
    fault_works 1000 20
    fault_on "hsm-1 hsm-2" ok
    for member in hsm-1 hsm-2; do fault_serves "$member" 20; done
}
tap_case "two removed at C_Initialize come back and serve" comes_later gone
tap_end
