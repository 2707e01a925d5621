#!/bin/bash
# Members that deny sessions and logins that they gave, while four threads sign.
. "$P11HA_SOURCE/test/lib/fault.sh"

# How many real sessions it has opened on that member and not closed.
left_open() {
    local calls opened closed
    read -r calls opened _ < <("$RIG" count "$WORLD" "$1" C_OpenSession)
    read -r calls closed _ < <("$RIG" count "$WORLD" "$1" C_CloseSession)
    echo $((opened - closed))
}

# A member only said that they were gone. Four threads and the keeper have some, and others come from the last epoch.
few_left_open() {
    local member until=$((SECONDS + 40)) many=
    for member in hsm-1 hsm-2 hsm-3; do
        while [ "$(left_open "$member")" -gt 16 ] && [ "$SECONDS" -lt "$until" ]; do sleep 0.5; done
        [ "$(left_open "$member")" -le 16 ] || many+="$(left_open "$member") sessions are open on $member
"
    done
    printf %s "$many"
}

fault_world --chaos
fault_load --op ecdsa-p256
for code in SESSION_HANDLE_INVALID SESSION_CLOSED USER_NOT_LOGGED_IN; do
    fault_cases "$code from all crypto" "crypto rv=CKR_$code"
    fault_cases "$code from every third C_Sign" "C_Sign rv=CKR_$code prob=0.33"
done
tap_none "sessions that a member had before it failed are closed" "$(few_left_open)"
fault_load_ends "0 errors and 0 wrong results through all of it"
tap_end
