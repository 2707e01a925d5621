#!/bin/bash
# All that the project checks by itself. The last line is "N passed, N failed, N skipped"; ends with 1 if any failed.
#
#   ./check.sh          everything: plain build, clang release build, ASan+UBSan, TSan, fuzzers, valgrind, gates
#   ./check.sh quick    one build, its unit tests, the gates and the short stories
#   ./check.sh long     everything, and the stories under ASan, TSan and valgrind, and conform under valgrind: an hour more
#
# A build that fails counts as one failure. Logs are in build*/: check-*.log, and test-logs/ with each test's output.
set -uo pipefail
cd "$(dirname "$0")" || exit 3

case ${1:-} in
'') how=all ;;
quick | long) how=$1 ;;
*)
    echo "usage: ./check.sh [quick|long]" >&2
    exit 2
    ;;
esac

begin=$SECONDS
tally=$(mktemp)
trap 'rm -f "$tally"' EXIT

say() {
    printf 'check: %s (%d:%02d)\n' "$1" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
}

finish() {
    awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit !(NR && !f) }' "$tally"
    exit
}

# build FOLDER WHAT [meson's options]
build() {
    local folder=$1 what=$2 log=$1/check-build.log
    shift 2
    say "building $folder: $what"
    mkdir -p "$folder"
    if { [ -f "$folder/build.ninja" ] || meson setup "$folder" "$@"; } >"$log" 2>&1 && ninja -C "$folder" >>"$log" 2>&1; then
        return 0
    fi
    grep -E -A 8 'error:|ERROR|FAILED|undefined reference' "$log" | head -n 40
    echo "check: $folder does not build, see $log"
    echo "0 1 0" >>"$tally"
    return 1
}

# run FOLDER NAME OPTIONS-OF-run_tests...
run() {
    local folder=$1 name=$2
    shift 2
    say "$folder: $name"
    # What dies before it has counted is a failure too.
    local before after
    before=$(wc -l <"$tally")
    test/lib/run_tests -C "$folder" --tally "$tally" "$@" 2>&1 | tee "$folder/check-${name// /-}.log"
    after=$(wc -l <"$tally")
    [ "$after" -gt "$before" ] || echo "0 1 0" >>"$tally"
}

export ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1:suppressions=$PWD/test/lib/tsan.supp

test/lib/install_packages || {
    echo "0 1 0" >>"$tally"
    finish
}
build build "gcc, as users build it" || finish

if [ "$how" = quick ]; then
    MALLOC_PERTURB_=165 run build quick --suite unit,gate,quick
    say "done"
    finish
fi

MALLOC_PERTURB_=165 run build all --without bench
run build bench --suite bench -j 1

build build-clang "clang, release" --native-file test/lib/clang.ini -Dbuildtype=release &&
    run build-clang unit --suite unit

if build build-asan "gcc, address and undefined" -Db_sanitize=address,undefined; then
    run build-asan "unit and stories" --suite unit,conform,asan,quick --times 4
    [ "$how" != long ] || run build-asan "all stories" --suite flow --without asan,quick,plain --times 4
fi

if build build-tsan "gcc, thread" -Db_sanitize=thread; then
    # Some kernels place programs where the sanitizer of gcc 12 wants its shadow.
    wrap=
    build-tsan/p11ha --version >build-tsan/check-start.log 2>&1 || wrap='setarch -R'
    run build-tsan races --suite race,tsan,conform --times 8 ${wrap:+--wrap "$wrap"}
    [ "$how" != long ] || run build-tsan "all stories" --suite flow --without life,plain --times 8 ${wrap:+--wrap "$wrap"}
fi

# Each fuzzer for fuzz_seconds (60); for hours: build-fuzz/test/fuzz/fuzz_NAME FOLDER
build build-fuzz "clang, fuzzers" --native-file test/lib/clang.ini -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true &&
    run build-fuzz fuzzers --suite fuzz

valgrind="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --suppressions=$PWD/test/lib/valgrind.supp"
run build valgrind --suite unit --also valgrind --times 10 --wrap "$valgrind"
if [ "$how" = long ]; then
    run build "stories under valgrind" --suite flow --also valgrind --times 30 --wrap "$valgrind"
    CONFORM_UNDER=$valgrind run build "conform under valgrind" --times 30 conform_softhsm
fi

say "done"
finish
