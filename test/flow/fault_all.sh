#!/bin/bash
# All members down at once, and back: the application goes on without a restart.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --chaos --timeout 3s
fault_load --op ecdsa-p256

outage() {
    local what=$1 before member trouble=''
    shift
    LOG_LINE=$(($(wc -l <"$WORLD/p11ha.log") + 1))
    fault_on "hsm-1 hsm-2 hsm-3" "$@"
    for _ in $(seq 40); do
        sleep 0.5
        fault_now
        [ "$failed" -le "$seen" ] || break
    done
    [ "$failed" -gt "$seen" ] || trouble+="
no error although nobody lives"
    sleep 2
    fault_on "hsm-1 hsm-2 hsm-3" ok
    for member in hsm-1 hsm-2 hsm-3; do
        fault_serves "$member" 30 || trouble+="
$member does not serve again"
    done
    fault_now
    before=$failed
    fault_works 10000 20 || trouble+="
it does not work again"
    [ "$failed" = "$before" ] || trouble+="
still $((failed - before)) errors"
    seen=$failed
    [ -z "$trouble" ] || trouble+="
$(fault_story)"
    tap_none "all back after $what" "$trouble"
}

seen=0
outage "all were removed" gone
outage "all hung" hang
outage "DEVICE_ERROR from all" error=CKR_DEVICE_ERROR
outage "all were initialised anew and then denied it" error=CKR_CRYPTOKI_NOT_INITIALIZED

kill -TERM "$LOAD_PID"
wait "$LOAD_PID"
LOAD_PID=
sed 's/^/# /' "$WORLD/load.json"
tap_none "the errors in between said that no member was there" \
    "$(sed 's/.*"errors":{\([^}]*\)}.*/\1/; s/,/\n/g' "$WORLD/load.json" |
        grep -v -e '^"[A-Za-z_]* CKR_DEVICE_ERROR":' -e '^"[A-Za-z_]* CKR_TOKEN_NOT_PRESENT":')"
tap_none "no wrong result" "$(fault_json wrong | grep -vx 0)"
tap_end
