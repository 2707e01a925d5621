#!/bin/bash
# Keys that get their names at once after they were made, from two processes, while a member is slow: each is on every
# member once, and when it is destroyed nothing of it is left. And objects that cannot be told apart stay as many.
. "$(dirname "$0")/../clients/world.sh"
world_up --chaos
EACH=12

makes() {
    fault hsm-3 slow=15
    local process
    for process in one two; do
        CLIENT_PIN=$PIN "$HELPERS/rename" "$MODULE" rig "$process" "$EACH" &
    done
    for process in 1 2; do wait -n; done
    fault hsm-3 ok
}

each_once() {
    same_everywhere
    local where
    for where in rig $MEMBERS; do
        [ "$(objects "$where" | grep -c '^Private;')" = $((2 * EACH)) ]
        [ "$(objects "$where" | grep -c '^Public;')" = $((2 * EACH)) ]
    done
}

destroys() {
    local process i
    for process in one two; do
        for i in 0 1 2; do
            p11 --delete-object --type privkey --label "$process-$i"
            p11 --delete-object --type pubkey --label "$process-$i"
        done
    done
    same_everywhere
    for where in $MEMBERS; do
        [ "$(objects "$where" | grep -c '^Private;')" = $((2 * EACH - 6)) ]
    done
}

public_twins() {
    objects "$1" | grep -c '^Public;.*twin'
}

# The same public key written twice, by two processes.
twins() {
    local where
    openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -outform DER -out "$WORLD/twin.der" 2>/dev/null
    for _ in 1 2; do p11 --write-object "$WORLD/twin.der" --type pubkey --id 77 --label twin; done
    for where in rig $MEMBERS; do [ "$(public_twins "$where")" = 2 ]; done
    p11 --set-id 78 --id 77 --type pubkey
    for where in rig $MEMBERS; do [ "$(public_twins "$where")" = 2 ]; done
    same_everywhere
    p11 --delete-object --type pubkey --id 77
    for where in rig $MEMBERS; do [ "$(public_twins "$where")" = 1 ]; done
    same_everywhere
}

tap_case "two processes make keys and name them at once" makes
tap_case "each key is on every member once" each_once
tap_case "those that are destroyed are gone" destroys
tap_case "two equal public keys are two on every member" twins
tap_end
