# shellcheck shell=bash
# For the stories of this folder, to be sourced: the record of the same cases on a bare token and on something else,
# compared. All in $WORLD, which goes when the story ends.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

RIG=$P11HA_SOURCE/test/rig/rig
MODULE=$P11HA_BUILD/p11ha.so
SOFTHSM=${SOFTHSM_MODULE:-/usr/lib/softhsm/libsofthsm2.so}
HERE=$P11HA_SOURCE/test/conform
export CONFORM_PIN=1234 CONFORM_SO_PIN=12345678
WORLD=$(mktemp -d)
export RIG MODULE SOFTHSM WORLD
trap compare_end EXIT

compare_end() {
    [ ! -d "$WORLD/rig" ] || "$RIG" down "$WORLD/rig" >/dev/null 2>&1
    rm -rf "$WORLD"
}

# The story ends here if a step that all depends on fails. need WHAT COMMAND...
need() {
    local what=$1
    shift
    "$@" >"$WORLD/out" 2>&1 || {
        tap_not_ok "$what" "$(tail -n 30 "$WORLD/out")"
        tap_end
    }
}

# A SoftHSM token of its own, labelled as the rig's group. softhsm_home FOLDER
softhsm_home() {
    mkdir -p "$1/tokens"
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$1" \
        >"$1/softhsm2.conf"
    SOFTHSM2_CONF=$1/softhsm2.conf softhsm2-util --init-token --free --label rig --pin "$CONFORM_PIN" \
        --so-pin "$CONFORM_SO_PIN"
}

# record FILE MODULE TOKEN [CHAPTER], under the command in CONFORM_UNDER, if there is one.
record() {
    local status=0
    # shellcheck disable=SC2086 # a command and its options
    ${CONFORM_UNDER:-} "$P11HA_BUILD/test/conform/conform" "${@:2}" >"$1" 2>"$1.err" || status=$?
    [ "$status" = 0 ] || tap_not_ok "$(basename "$1" .txt): all cases run" "ended with $status
$(tail -n 40 "$1.err")
$(tail -n 1 "$1")"
}

# As record, for what is not ours: what it leaks is its own matter, and behind a case that it dies of it goes on.
record_bare() {
    local status=4 after=
    : >"$1"
    while [ "$status" = 4 ]; do
        status=0
        ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 CONFORM_CRASHES=$after \
            "$P11HA_BUILD/test/conform/conform" "${@:2}" >>"$1" 2>"$1.err" || status=$?
        after=$(tail -n 1 "$1" | cut -d: -f1)
    done
    [ "$status" = 0 ] || tap_not_ok "$(basename "$1" .txt): all cases run" "ended with $status
$(tail -n 40 "$1.err")
$(tail -n 1 "$1")"
}

# compare WHERE BARE OURS
compare() {
    local said
    said=$(LC_ALL=C awk -v where="$1" -f "$HERE/compare.awk" "$HERE/differences.tsv" "$2" "$3")
    printf '%s\n' "$said"
    if grep -q '^not ok' <<<"$said"; then tap_failed=$((tap_failed + 1)); fi
}
