#!/bin/bash
# Applications that end while threads are inside vendors' modules, and are slow at it: what is left behind there goes on, or
# stops, but never falls.
. "$(dirname "$0")/../clients/world.sh"
world_up --chaos
make_pair 01 leaver EC:prime256v1 --usage-sign >pair.out 2>&1 || tap_not_ok "a key" "$(cat pair.out)"

timeout_is() {
    sed -i "s/^call-timeout = .*/call-timeout = $1/" "$P11HA_CONF"
}

members_take() {
    local member
    for member in $MEMBERS; do fault "$member" "$@"; done
}

# The application is at its end after 600 ms, the modules begin to work at 1.5 s, and the process is gone after 3.6 s.
leaves() {
    timeout_is 300ms
    members_take 'C_Initialize delay=1500'
    "$HELPERS/leaves" "$MODULE" "$1"
    grep 'left-behind' "$RIG_DIR/p11ha.log"
}

leaves_signing() {
    local leaver
    timeout_is 5s
    members_take ok
    mkfifo go
    CLIENT_PIN=$PIN "$HELPERS/leaves" "$MODULE" signing <go >said &
    leaver=$!
    exec 7>go
    until_true 20 grep -q ready said
    members_take 'C_Sign delay=8000'
    echo go >&7
    exec 7>&-
    wait $leaver
    grep 'left-behind' "$RIG_DIR/p11ha.log"
}

tells_status() {
    local began=$SECONDS
    timeout_is 300ms
    members_take 'C_Initialize delay=1000'
    "$P11HA_BUILD/p11ha" --config "$P11HA_CONF" status rig --pin-source "file:$RIG_DIR/pin" >status.out 2>&1 || [ $? = 1 ]
    [ $((SECONDS - began)) -lt 20 ]
}

works_again() {
    timeout_is 10s
    members_take ok
    make_pair 02 after EC:prime256v1 --usage-sign
    same_everywhere
}

for how in finalized running; do
    : >"$RIG_DIR/p11ha.log"
    tap_case "ends [$how] while every member is in C_Initialize" leaves $how
done
: >"$RIG_DIR/p11ha.log"
tap_case "ends while every member is in C_Sign" leaves_signing
tap_case "the command ends while every member is in C_Initialize" tells_status
tap_case "afterwards the group works" works_again
tap_end
