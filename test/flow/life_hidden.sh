#!/bin/bash
# The group's own keys are out of an application's reach: by label, class, enumeration and guessed handles.
. "$(dirname "$0")/../clients/world.sh"
world_up

make_keys() {
    make_pair 01 visible EC:prime256v1 --usage-sign
    p11 --keygen --key-type AES:32 --id 02 --label wrappable --extractable
    same_everywhere
}

own_keys() {
    bare "$1" bare_tool --list-objects 2>/dev/null | grep -E '^  label: *p11ha (group|seal|transport) key' | sort -u | wc -l
}

guesses() {
    CLIENT_PIN=$PIN "$HELPERS/guess" "$MODULE" rig 100000 >guessed.txt || {
        tail -n 50 guessed.txt
        return 1
    }
    [ "$(grep -c '^listed' guessed.txt)" = 3 ]
    fails grep -q 'p11ha' guessed.txt
    grep -qx 'reached 0' guessed.txt
}

without_login() {
    pkcs11-tool --module "$MODULE" --token-label rig --list-objects >public.txt 2>&1
    fails grep 'p11ha .* key' public.txt
}

by_command() {
    fails p11 --delete-object --type secrkey --label 'p11ha group key'
    fails p11 --delete-object --type secrkey --label 'p11ha seal key'
    fails p11 --delete-object --type privkey --label 'p11ha transport key'
}

still_works() {
    local member
    for member in $MEMBERS; do [ "$(own_keys "$member")" = 3 ]; done
    make_pair 03 after EC:prime256v1 --usage-sign
    same_everywhere
}

tap_case "some keys of an application" make_keys
tap_case "100,000 guessed handles reach nothing" guesses
tap_case "not without a login either" without_login
tap_case "pkcs11-tool cannot delete them" by_command
tap_case "they are on every member, and the group works" still_works
tap_end
