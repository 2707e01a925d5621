# shellcheck shell=bash
# For tests in shell, to be sourced: each case is one line "ok - name", "not ok - name" or
# "skip - name # reason", which test/lib/run_tests counts. The program ends with tap_end.
#
#   . "$P11HA_SOURCE/test/lib/tap.sh"
#   tap_case "signs with one member down" signs_with_one_down    # ok if the command ends with 0
#   tap_end

: "${P11HA_SOURCE:=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")}"
: "${P11HA_BUILD:=$P11HA_SOURCE/build}"
export P11HA_SOURCE P11HA_BUILD
tap_failed=0

tap_ok() {
    echo "ok - $1"
}

# A second argument is the explanation, of any number of lines.
tap_not_ok() {
    tap_failed=$((tap_failed + 1))
    echo "not ok - $1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

tap_skip() {
    echo "skip - $1 # $2"
}

# The command runs in a subshell with `set -eu`, so that its first failing step fails the case. It is put
# into a job of its own because bash ignores `set -e` where a result is looked at at once.
tap_case() {
    local name=$1 output status
    shift
    output=$(mktemp)
    (
        set -eu
        "$@"
    ) >"$output" 2>&1 &
    wait $!
    status=$?
    if [ "$status" = 0 ]; then
        tap_ok "$name"
    else
        tap_not_ok "$name" "ended with $status
$(tail -n 60 "$output")"
    fi
    rm -f "$output"
}

# ok if what was found wrong (the second argument) is empty.
tap_none() {
    if [ -z "$2" ]; then
        tap_ok "$1"
    else
        tap_not_ok "$1" "$2"
    fi
}

# Fails the program when a tool is missing: a check that cannot be made was not passed.
tap_need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || {
            tap_not_ok "has the tool $tool" "not found; see test/lib/packages"
            exit 1
        }
    done
}

tap_end() {
    exit $((tap_failed > 0))
}
