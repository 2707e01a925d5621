#!/bin/bash
# Operations of several parts that have begun on a member which then fails: replayed on another one.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s

through() {
    local op=$1 init=$2 update=$3 final=$4
    fault_load --op "$op" --size 1024
    fault_cases "$op: $update fails" "$update rv=CKR_DEVICE_ERROR"
    fault_cases "$op: $final fails" "$final rv=CKR_GENERAL_ERROR"
    fault_cases "$op: $update loses all sessions, five times" "$update lose-sessions times=5"
    fault_cases "$op: $init denies the key" "$init rv=CKR_KEY_HANDLE_INVALID"
    FAULT_UNSEEN=1 fault_cases "$op: $update hangs" "$update hang"
    fault_cases "$op: the token removed" gone
    fault_load_ends "$op: 0 errors and 0 wrong results through all of it"
}

through aes-cbc-multi C_EncryptInit C_EncryptUpdate C_EncryptFinal
through hmac-multi C_SignInit C_SignUpdate C_SignFinal
tap_end
