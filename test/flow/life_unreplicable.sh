#!/bin/bash
# Ed25519 on SoftHSM cannot be wrapped: refused by default; with unreplicable-keys = pin it lives on one member, and is said to.
. "$(dirname "$0")/../clients/world.sh"
world_up

refuses() {
    p11 --list-mechanisms >mechanisms.txt 2>/dev/null
    fails grep -i 'EDWARDS-KEY-PAIR-GEN' mechanisms.txt
    fails make_pair 21 ed EC:edwards25519 --usage-sign
    fails has rig ed
    same_everywhere
}

pins() {
    local member holders=0
    sed -i 's/^sync = managed/&\nunreplicable-keys = pin/' rig/p11ha.conf
    make_pair 21 ed EC:edwards25519 --usage-sign
    printf 'signed on one member' >text
    p11 --sign --mechanism EDDSA --id 21 --input-file text --output-file sig
    p11 --verify --mechanism EDDSA --id 21 --input-file text --signature-file sig | grep 'Signature is valid'
    for member in $MEMBERS; do
        if objects "$member" | grep -q '^Private;ed;'; then
            holders=$((holders + 1))
            echo "$member" >holder
        fi
    done
    [ $holders = 1 ]
}

says_so() {
    status_json >status.json
    cat status.json
    python3 -c 'import json
group = json.load(open("status.json"))["groups"][0]
assert len(group["vault"]["pinned"]) == 1'
    grep -q 'key-pinned' rig/p11ha.log
}

is_lost_with_its_member() {
    fault "$(<holder)" gone
    fails p11 --sign --mechanism EDDSA --id 21 --input-file text --output-file sig.none
    fault "$(<holder)" ok
    p11 --sign --mechanism EDDSA --id 21 --input-file text --output-file sig
}

tap_case "refuse: not offered, not made" refuses
tap_case "pin: made and used, on exactly one member" pins
tap_case "status and the log say that it is pinned" says_so
tap_case "while its member is gone it cannot be used, then it can" is_lost_with_its_member
tap_end
