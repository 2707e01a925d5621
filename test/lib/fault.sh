# shellcheck shell=bash
# For stories of members that fail, to be sourced: a rig with chaos in it, and an application that works all the while.
#
#   fault_world --timeout 2s                  # rig up with these options
#   fault_load --op ecdsa-p256                # build/load in the background
#   fault_during "name" "hsm-1 hsm-3" RULE... # one case: 10,000 operations with these two faulty, then they serve again
#   fault_load_ends "name"                    # no error, no wrong result in all that time
#   tap_end
#
# RULE is what `rig fault` takes.

# shellcheck source=test/lib/tap.sh
. "$P11HA_SOURCE/test/lib/tap.sh"

: "${FAULT_OPERATIONS:=10000}"
RIG=$P11HA_SOURCE/test/rig/rig
LOAD=("$P11HA_BUILD/load" --module "$P11HA_BUILD/p11ha.so")
WORLD=
LOAD_PID=

fault_clean() {
    if [ -n "$LOAD_PID" ]; then
        kill -KILL "$LOAD_PID" 2>/dev/null
        wait "$LOAD_PID" 2>/dev/null
    fi
    [ -z "$WORLD" ] || "$RIG" down "$WORLD" || true
}
trap fault_clean EXIT

fault_world() {
    # In memory, where it can: with a call-timeout of 2 s a disk that is busy with other things is a hang too.
    WORLD=$(mktemp -d -p /dev/shm p11ha-fault-XXXXXX 2>/dev/null) || WORLD=$(mktemp -d)
    local said
    if ! said=$("$RIG" up "$WORLD" "$@" 2>&1); then
        tap_not_ok "a group of three members for these cases" "$said"
        exit 1
    fi
    export P11HA_CONF=$WORLD/p11ha.conf
    TIMEOUT_MS=$(sed -n 's/^call-timeout = \([0-9]*\)s$/\1/p' "$P11HA_CONF")000
}

# An application that ends by itself; its line is in $WORLD/load.json.
fault_run() {
    "${LOAD[@]}" --pin-source "file:$WORLD/pin" "$@" >"$WORLD/load.json" 2>"$WORLD/load.err"
}

fault_load() {
    rm -f "$WORLD/live"
    "${LOAD[@]}" --pin-source "file:$WORLD/pin" --seconds 1000 --rate 5000 --live "$WORLD/live" "$@" \
        >"$WORLD/load.json" 2>"$WORLD/load.err" &
    LOAD_PID=$!
    for _ in $(seq 100); do
        sleep 0.1
        fault_now
        [ "$finished" -lt 100 ] || return 0
        kill -0 "$LOAD_PID" 2>/dev/null || break
    done
    tap_not_ok "an application begins to work" "$(fault_story)"
    exit 1
}

# Sets finished, failed, wrong, stall (ms).
fault_now() {
    finished=0 failed=0 wrong=0 stall=0
    [ ! -e "$WORLD/live" ] || read -r finished failed wrong stall <"$WORLD/live"
}

# What explains a failed case: the application's line, and the log since LOG_LINE.
LOG_LINE=1
fault_story() {
    cat "$WORLD/load.json" "$WORLD/load.err" 2>/dev/null
    tail -n "+$LOG_LINE" "$WORLD/p11ha.log" | tail -n 30
}

# A line of the log since LOG_LINE has that in it.
fault_said() {
    tail -n "+$LOG_LINE" "$WORLD/p11ha.log" | grep "$1" || {
        fault_story
        return 1
    }
}

# fault_works N SECONDS: until that many operations more.
fault_works() {
    local until=$((SECONDS + $2)) goal
    fault_now
    goal=$((finished + $1))
    while [ "$finished" -lt "$goal" ]; do
        if [ "$SECONDS" -ge "$until" ] || ! kill -0 "$LOAD_PID" 2>/dev/null; then return 1; fi
        sleep 0.1
        fault_now
    done
}

# Of the functions that the application's operation ends in.
fault_served() {
    local calls ok failed sum=0 call
    for call in C_Sign C_Encrypt C_EncryptFinal C_SignFinal; do
        read -r calls ok failed < <("$RIG" count "$WORLD" "$1" "$call")
        sum=$((sum + ok))
    done
    echo "$sum"
}

# fault_serves MEMBER SECONDS: it does far more again than answer probes.
fault_serves() {
    local until=$((SECONDS + $2)) goal
    goal=$(($(fault_served "$1") + 100))
    while [ "$(fault_served "$1")" -lt "$goal" ]; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}

# How many calls of any kind it has answered with an error.
fault_refused() {
    local calls ok failed
    read -r calls ok failed < <("$RIG" count "$WORLD" "$1" '*')
    echo "$failed"
}

# fault_on "MEMBER..." RULE...
fault_on() {
    local member members=$1
    shift
    for member in $members; do "$RIG" fault "$WORLD" "$member" "$@"; done
}

# fault_hits MEMBER BEFORE: until it has refused calls, which it may not get many of.
fault_hits() {
    local until=$((SECONDS + 40))
    while [ "$(fault_refused "$1")" -le "$2" ]; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}

# A case: named members get the fault while the application works, FAULT_OPERATIONS operations are done, the fault
# ends, all of them serve again within FAULT_RETURN seconds. With FAULT_UNSEEN the fault makes no call fail.
fault_during() {
    local name=$1 members=$2 member trouble='' before_failed before_wrong began=$SECONDS
    local -A refused
    shift 2
    for member in $members; do refused[$member]=$(fault_refused "$member"); done
    LOG_LINE=$(($(wc -l <"$WORLD/p11ha.log") + 1))
    fault_now
    before_failed=$failed before_wrong=$wrong
    fault_on "$members" "$@" || trouble="rig fault failed"
    fault_works "$FAULT_OPERATIONS" 30 || trouble+="
only $finished operations were done with the fault"
    for member in $members; do
        [ -n "${FAULT_UNSEEN:-}" ] || fault_hits "$member" "${refused[$member]}" || trouble+="
$member never had the fault"
    done
    fault_on "$members" ok
    for member in $members; do
        fault_serves "$member" "${FAULT_RETURN:-60}" || trouble+="
$member does not serve again"
    done
    fault_now
    [ "$failed" = "$before_failed" ] || trouble+="
$((failed - before_failed)) errors at the application"
    [ "$wrong" = "$before_wrong" ] || trouble+="
$((wrong - before_wrong)) wrong results"
    [ -z "$trouble" ] || trouble+="
$(fault_story)"
    fault_none "$name on ${members// / and } ($((SECONDS - began)) s)" "$trouble"
}

# As tap_none; but where the machine itself let threads wait for longer than an attempt may take, nothing was proved
# of deadlines.
fault_none() {
    if [ -n "$2" ] && [ "$stall" -gt $((TIMEOUT_MS / 6)) ]; then
        tap_skip "$1" "the machine let a thread wait for $stall ms, with a call-timeout of $TIMEOUT_MS ms"
    else
        tap_none "$1" "$2"
    fi
}

# Each on one member and on two at once, other ones each time: fault_cases WHAT RULE...
FAULT_TURN=0
fault_cases() {
    local what=$1 one two
    shift
    one=(hsm-1 hsm-2 hsm-3)
    two=("hsm-1 hsm-2" "hsm-2 hsm-3" "hsm-1 hsm-3")
    fault_during "$what" "${one[FAULT_TURN % 3]}" "$@"
    fault_during "$what" "${two[FAULT_TURN % 3]}" "$@"
    FAULT_TURN=$((FAULT_TURN + 1))
}

# Ends the application; what it saw is in $WORLD/load.json.
fault_load_ends() {
    local name=$1 status=0
    kill -TERM "$LOAD_PID"
    wait "$LOAD_PID" || status=$?
    LOAD_PID=
    fault_now
    fault_none "$name" "$([ "$status" = 0 ] || echo "ended with $status: $(fault_story)")"
    sed 's/^/# /' "$WORLD/load.json"
}

# fault_json KEY: a number in the application's line.
fault_json() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$WORLD/load.json"
}

# fault_quickly NAME MS: no call of the application took longer, but for the 50 ms that are allowed, and for what the
# machine itself let a thread wait.
fault_quickly() {
    local took
    took=$(($(fault_json max_call_us) / 1000))
    tap_none "$1 (the longest $took ms; a thread waited $stall ms for a CPU)" \
        "$([ "$took" -le $(($2 + 50 + stall)) ] || cat "$WORLD/load.json")"
}
