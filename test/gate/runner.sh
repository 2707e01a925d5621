#!/bin/bash
# What counts the others is counted on: test/lib/run_tests over programs that end in every way.
. "$(dirname "$0")/../lib/tap.sh"
tap_need meson python3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# program NAME SCRIPT EXPECTED: it prints and ends as the script says, and is to be counted so.
names=()
expected=()
program() {
    names+=("$1")
    expected+=("sample/$1: $3")
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}

program good 'echo "ok - a"; echo "ok 2 - b"; echo "ok then"' '2 passed, 0 failed, 0 skipped'
program bad 'echo "ok - a"; echo "not ok - b"; exit 1' '1 passed, 1 failed, 0 skipped'
program bad_but_0 'echo "not ok - b"' '0 passed, 1 failed, 0 skipped'
program skips 'echo "skip - a # no tool"; echo "ok 1 - b # SKIP too old"' '0 passed, 0 failed, 2 skipped'
program skips_mute 'echo "ok - a"; echo "skip - b"' '1 passed, 1 failed, 0 skipped'
program cmocka 'printf "1..3\nok 1 - a\nno tool\nnot ok 2 # SKIP b\nnot ok 3 - c\n# x.c:1\n"; exit 1' \
    '1 passed, 1 failed, 1 skipped'
program cmocka_mute 'printf "1..2\nok 1 - a\nnot ok 2 # SKIP b\n"' '1 passed, 1 failed, 0 skipped'
program dies_early 'printf "1..3\nok 1 - a\n"; exit 0' '1 passed, 1 failed, 0 skipped'
program dies_late 'echo "ok - a"; kill -SEGV $$' '1 passed, 1 failed, 0 skipped'
program silent 'exit 0' '0 passed, 1 failed, 0 skipped'
program hangs 'echo "ok - a"; sleep 60' '1 passed, 1 failed, 0 skipped'
# shellcheck disable=SC2016 # expanded by the program
program private 'test -z "${P11HA_CONF-}${SOFTHSM2_CONF-}" && echo "ok - clean" && touch "$HOME/x" "$TMPDIR/y"' \
    '1 passed, 0 failed, 0 skipped'

{
    echo "project('sample')"
    for name in "${names[@]}"; do
        echo "test('$name', find_program('$name'), suite: 'sample', timeout: 2)"
    done
} >meson.build
meson setup build >setup.log 2>&1 || tap_not_ok 'the sample is set up' "$(<setup.log)"

P11HA_CONF=/x SOFTHSM2_CONF=/x "$P11HA_SOURCE/test/lib/run_tests" -C build --tally tally >out 2>&1
status=$?
for line in "${expected[@]}"; do
    if grep -qF "$line (" out; then
        tap_ok "counts $line"
    else
        tap_not_ok "counts $line" "$(<out)"
    fi
done
tap_none 'ends with 1' "$([ $status = 1 ] || echo "ended with $status")"
tap_none 'the last line is the sum' "$(diff <(echo '10 passed, 9 failed, 3 skipped') <(tail -n 1 out))"
tap_none 'the tally is the sum' "$(diff <(echo '10 9 3') tally)"
"$P11HA_SOURCE/test/lib/run_tests" -C build good private >out 2>&1 || tap_not_ok 'ends with 0 if all is well' "$(<out)"
tap_none 'runs those that are named' "$(diff <(echo '3 passed, 0 failed, 0 skipped') <(tail -n 1 out))"
tap_end
