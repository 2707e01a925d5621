#!/bin/bash
# A hang without any shim: another process holds SoftHSM's lock on one token's `generation` file for 30 s.
. "$P11HA_SOURCE/test/lib/fault.sh"

fault_world --timeout 3s
fault_load --rate 2000

hung() {
    local began=$SECONDS
    "$RIG" fault "$WORLD" hsm-2 hang
    while [ $((SECONDS - began)) -lt 30 ]; do
        fault_works 500 10 || return 1
        sleep 1
    done
    "$RIG" fault "$WORLD" hsm-2 ok
    fault_works 10000 30
}

# Without chaos nothing counts the calls of one token: the log says that it is back.
is_back() {
    for _ in $(seq 150); do
        ! grep "member=hsm-2" "$WORLD/p11ha.log" | grep "member-state" | tail -n 1 | grep -q "to=up" || return 0
        sleep 0.2
    done
    fault_story
    return 1
}

tap_case "goes on with a token that hangs for 30 s" hung
tap_none "the member was taken out" "$(grep -q 'member=hsm-2 .*to=down cause=deadline' "$WORLD/p11ha.log" || fault_story)"
tap_case "it is up again by itself" is_back
fault_load_ends "0 errors and 0 wrong results through all of it"
fault_quickly "no call longer than the call-timeout of 3 s" 3000
tap_end
