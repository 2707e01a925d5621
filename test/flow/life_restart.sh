#!/bin/bash
# A member is away while keys are made and destroyed, and the application has ended meanwhile: the next one brings the
# member to the vault's head before it serves.
. "$(dirname "$0")/../clients/world.sh"
world_up

makes_across_restart() {
    fault hsm-3 gone
    make_pair 81 restart EC:prime256v1 --usage-sign
    fault hsm-3 ok
    bare_lacks hsm-3 restart
    talk_begin
    until_true 60 has_both hsm-3 restart
    talk_end
}

destroys_across_restart() {
    fault hsm-3 gone
    p11 --delete-object --type privkey --id 81
    p11 --delete-object --type pubkey --id 81
    fault hsm-3 ok
    has_both hsm-3 restart
    talk_begin
    says 'ok 0' count restart
    [ "$(talk sign restart)" != ok ]
    until_true 60 bare_lacks hsm-3 restart
    until_true 60 is_up_again hsm-3
    says 'ok 0' count restart
    talk_end
}

tap_case "made while away, the next application brings it" makes_across_restart
tap_case "destroyed while away, the next application takes it" destroys_across_restart
tap_case "at the end all are alike" same_everywhere
tap_end
