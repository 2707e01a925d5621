#!/bin/bash
# Applications that end without C_Finalize, right after their login: no member's token is harmed, nothing crashes.
. "$(dirname "$0")/../clients/world.sh"
world_up

# pkcs11-tool calls exit() when what is asked for is not there.
leaves_early() {
    local i status
    for i in $(seq 40); do
        status=0
        p11 --decrypt --id 99 --mechanism RSA-PKCS --input-file /dev/null >/dev/null 2>&1 || status=$?
        [ "$status" = 1 ] || {
            echo "run $i ended with $status"
            return 1
        }
    done
}

tokens_are_whole() {
    local member
    for member in $MEMBERS; do
        bare "$member" bare_tool --list-objects 2>/dev/null | grep -q 'p11ha group key'
    done
    make_pair 01 after EC:prime256v1 --usage-sign
    same_everywhere
}

tap_case "40 applications that exit at once" leaves_early
tap_case "every token is whole, and the group works" tokens_are_whole
tap_end
