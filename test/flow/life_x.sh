#!/bin/bash
# A wrong PIN is tried once, on one member; a member whose PIN differs is tried once and said so.
. "$(dirname "$0")/../clients/world.sh"
world_up --chaos

# Of C_Login: calls that failed, on all members.
failed() {
    local member sum=0 counts
    for member in ${1:-$MEMBERS}; do
        read -r -a counts <<<"$("$RIG" count rig "$member" C_Login)"
        sum=$((sum + counts[2]))
    done
    echo $sum
}

wrong_pin() {
    local before after
    before=$(failed)
    fails pkcs11-tool --module "$MODULE" --token-label rig --login --pin 9999 --list-objects >out 2>&1
    cat out
    grep -q CKR_PIN_INCORRECT out
    sleep 3
    after=$(failed)
    echo "failed: $before, then $after"
    [ $((after - before)) = 1 ]
}

right_pin() {
    p11 --keygen --key-type AES:32 --id 01 --label after
    same_everywhere
}

differing() {
    local before after
    SOFTHSM2_CONF=$WORLD/rig/hsm-2/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label hsm-2 \
        --login --pin "$PIN" --change-pin --new-pin 5678
    before=$(failed hsm-2)
    : >rig/p11ha.log
    talk_begin
    says ok make mismatched
    until_true 20 grep -q 'member=hsm-2 .*to=pin-mismatch' rig/p11ha.log
    status_json >status.json || true
    for _ in 1 2 3 4 5; do
        says ok sign mismatched
        sleep 1
    done
    "$P11HA_BUILD/p11ha" status rig --no-probe >status.txt || true
    talk_end
    after=$(failed hsm-2)
    echo "failed: $before, then $after"
    cat status.txt
    # Once by the application, once by `p11ha status`, which signs on for itself.
    [ $((after - before)) -le 2 ]
    grep -q '"pin-mismatch"' status.json
    grep -q 'pin-mismatch' status.txt
}

tried_once() {
    local before after
    before=$(failed hsm-2)
    talk_begin
    for _ in 1 2 3; do
        says ok sign mismatched
        sleep 1
    done
    talk_end
    after=$(failed hsm-2)
    echo "failed: $before, then $after"
    [ $((after - before)) = 1 ]
}

comes_back() {
    SOFTHSM2_CONF=$WORLD/rig/hsm-2/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label hsm-2 \
        --login --pin 5678 --change-pin --new-pin "$PIN"
    same_everywhere
}

tap_case "a wrong PIN fails once, on one member" wrong_pin
tap_case "the right one then works everywhere" right_pin
tap_case "a member whose PIN differs is shown as pin-mismatch; the others work" differing
tap_case "it is tried once by an application" tried_once
tap_case "it serves when its PIN is the same again" comes_back
grep -v "name=C_" rig/p11ha.log | grep -E "not-applied|catch-up|error|misfit" | tail -15; "$P11HA_BUILD/p11ha" status rig --pin-source "file:$WORLD/rig/pin"; talk_begin; sleep 3; "$P11HA_BUILD/p11ha" status rig --no-probe; objects hsm-2; talk_end; grep -vc xyz rig/p11ha.log;tail -30 rig/p11ha.log
tap_end
