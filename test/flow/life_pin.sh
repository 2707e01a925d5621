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

# change_pin MEMBER OLD NEW: behind p11ha's back
change_pin() {
    SOFTHSM2_CONF=$WORLD/rig/$1/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label "$1" \
        --login --pin "$2" --change-pin --new-pin "$3"
}

differing() {
    local before after
    change_pin hsm-2 "$PIN" 5678
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
    change_pin hsm-2 5678 "$PIN"
    same_everywhere
}

own_pin() {
    change_pin hsm-2 "$PIN" 5678
    (umask 077 && echo 5678 >rig/pin-2)
    sed -i "s#^\[member hsm-2\]#&\npin-source = file:$WORLD/rig/pin-2#" rig/p11ha.conf
    p11 --keygen --key-type AES:32 --id 02 --label own-pin
    same_now 'hsm-1 hsm-3'
    PIN=5678 has hsm-2 own-pin
}

unreadable() {
    local before after
    before=$(failed hsm-2)
    mv rig/pin-2 rig/pin-away
    : >rig/p11ha.log
    talk_begin
    says ok sign mismatched
    until_true 10 grep -q 'pin-source-unreadable member=hsm-2 .*pin-2' rig/p11ha.log
    mv rig/pin-away rig/pin-2
    until_true 20 is_up_again hsm-2
    talk_end
    after=$(failed hsm-2)
    echo "failed: $before, then $after"
    [ "$after" = "$before" ]
}

tap_case "a wrong PIN fails once, on one member" wrong_pin
tap_case "the right one then works everywhere" right_pin
tap_case "a member whose PIN differs is shown as pin-mismatch; the others work" differing
tap_case "it is tried once by an application" tried_once
tap_case "it serves when its PIN is the same again" comes_back
tap_case "a member with a PIN of its own" own_pin
tap_case "its file cannot be read: said so, no attempt is lost, and it comes back with it" unreadable
tap_end
