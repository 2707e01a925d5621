#!/bin/bash
# A program that ends at once leaves its key on every member. What cannot have min-copies is not made:
# CKR_DEVICE_ERROR, and nothing half-made stays, nowhere.
. "$(dirname "$0")/../clients/world.sh"
world_up --chaos --timeout 2s

# One program makes it, and only bare tokens are looked at.
ends_at_once() {
    local i member
    for i in 1 2 3 4 5; do
        make_pair "2$i" "short-$i" EC:prime256v1 --usage-sign
        for member in $MEMBERS; do
            has_both "$member" "short-$i"
        done
    done
}

makes_nothing() {
    local label=$1
    shift
    fails p11 --keygen --key-type AES:32 --id 11 --label "$label" >out 2>&1
    cat out
    grep -q CKR_DEVICE_ERROR out
    fails make_pair 12 "$label" EC:prime256v1 --usage-sign >out 2>&1
    cat out
    grep -q CKR_DEVICE_ERROR out
    openssl rand -out some.dat 20
    fails p11 --write-object some.dat --type data --label "$label" >out 2>&1
    cat out
    grep -q CKR_DEVICE_ERROR out
    fails has rig "$label"
}

with_gone() {
    local label=$1 gone=$2 member
    for member in $gone; do fault "$member" gone; done
    makes_nothing "$label"
    for member in $gone; do fault "$member" ok; done
    p11 --keygen --key-type AES:32 --id 13 --label "after-$label"
    same_everywhere
    for member in $MEMBERS; do fails has "$member" "$label"; done
}

tap_case "a program that ends at once leaves its key on every member" ends_at_once
tap_case "two of three gone, min-copies 2" with_gone two 'hsm-1 hsm-3'
sed -i 's/^min-copies = .*/min-copies = 3/' rig/p11ha.conf
tap_case "one of three gone, min-copies 3" with_gone three hsm-2
tap_end
