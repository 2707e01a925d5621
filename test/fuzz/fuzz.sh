#!/bin/bash
# fuzz.sh FUZZER SECONDS: one fuzzer for so long, from the seeds in seeds/NAME if there are any. A finding is kept in
# FUZZER.findings/ and named.
. "$(dirname "$0")/../lib/tap.sh"

fuzzer=$1
seconds=$2
name=$(basename "$fuzzer")
seeds=$(dirname "$0")/seeds/${name#fuzz_}
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
mkdir -p "$fuzzer.findings"

runs() {
    local folders=("$corpus")
    [ ! -d "$seeds" ] || folders+=("$seeds")
    "$fuzzer" -max_total_time="$seconds" -timeout=30 -max_len=2048 -len_control=0 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$fuzzer.findings/" "${folders[@]}" >"$corpus.log" 2>&1 || {
        tail -n 60 "$corpus.log"
        return 1
    }
    sed -n 's/^stat::number_of_executed_units: */runs: /p' "$corpus.log"
    rm -f "$corpus.log"
}

tap_case "$name finds nothing in $seconds s" runs
tap_end
