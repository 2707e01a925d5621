#!/bin/bash
# A member is away while keys are made and destroyed: it has what it missed before it serves again. With the application
# that goes on, and with two at once.
. "$(dirname "$0")/../clients/world.sh"
world_up
talk_begin || tap_not_ok "an application begins" "$(cat talk.err)"

# From here on its log is looked at.
mark_log() {
    MARK=$(wc -l <rig/p11ha.log)
    echo "$MARK" >mark
}

log_since() {
    tail -n +"$(($(<mark) + 1))" rig/p11ha.log
}

# Before the member was up its catch-up had ended, and then the token lacked the key.
caught_up_first() {
    log_since | awk -v m="member=$1" '
        !index($0, m) { next }
        / catch-up-ends / && !/applied=0/ { ended = 1 }
        / member-state / && / to=up / && !ended { early = 1 }
        END { exit early || !ended }'
}

makes_while_away() {
    fault hsm-2 gone
    says ok make made-away
    says ok sign made-away
    mark_log
    fault hsm-2 ok
    until_true 60 has_both hsm-2 made-away
    fault hsm-1 gone
    fault hsm-3 gone
    says ok sign made-away
    fault hsm-1 ok
    fault hsm-3 ok
    says ok sign made-away
}

destroys_while_away() {
    until_true 60 all_good
    fault hsm-2 gone
    says ok destroy made-away
    says 'ok 0' count made-away
    mark_log
    fault hsm-2 ok
    until_true 60 is_up_again hsm-2
    bare_lacks hsm-2 made-away
    caught_up_first hsm-2
    says 'ok 0' count made-away
}

all_good() {
    status_json | python3 -c 'import json, sys
group = json.load(sys.stdin)["groups"][0]
sys.exit(any(m["state"] != "up" or m["lag"] for m in group["members"]))'
}

# What the first one never touched itself.
second_process() {
    make_pair 82 second EC:prime256v1 --usage-sign
    says 'ok 2' count second
    says ok sign second
    says ok make first
    has rig first
    p11 --delete-object --type privkey --id 82
    p11 --delete-object --type pubkey --id 82
    says 'ok 0' count second
    [ "$(talk sign second)" != ok ]
    says ok destroy first
    fails has rig first
}

second_process_away() {
    until_true 60 all_good
    fault hsm-1 gone
    make_pair 83 second-away EC:prime256v1 --usage-sign
    says ok sign second-away
    mark_log
    fault hsm-1 ok
    until_true 60 has_both hsm-1 second-away
    until_true 60 all_good
    fault hsm-1 gone
    p11 --delete-object --type privkey --id 83
    p11 --delete-object --type pubkey --id 83
    says 'ok 0' count second-away
    mark_log
    fault hsm-1 ok
    until_true 60 bare_lacks hsm-1 second-away
    until_true 60 is_up_again hsm-1
    bare_lacks hsm-1 second-away
    caught_up_first hsm-1
}

tap_case "a key made while a member is away is on it after its return, and works there alone" makes_while_away
tap_case "a key destroyed while a member is away is gone from it before it serves" destroys_while_away
tap_case "two applications see each other's keys come and go" second_process
tap_case "made and destroyed by another application while a member is away" second_process_away
talk_end
tap_case "at the end all are alike" same_everywhere
tap_end
