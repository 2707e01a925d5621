#!/bin/bash
# One member behind p11ha against its bare token, in one run, for both runners: the ratios of their operations a second. Never a judge of
# time: it fails only when an operation fails or a result is wrong.
#   test/bench/budgets.sh [SECONDS [ROUNDS]]     P11HA_BUILD says which build
set -u
# shellcheck source=test/lib/tap.sh
. "${P11HA_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}/test/lib/tap.sh"

seconds=${1:-300ms}
rounds=${2:-3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir -p "$dir/bare"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir/bare" >"$dir/bare.conf"
SOFTHSM2_CONF=$dir/bare.conf softhsm2-util --init-token --free --label bare --pin 1234 --so-pin 12345678 >/dev/null
mkdir -p "$dir/one"
sed "s|$dir/bare|$dir/one|" "$dir/bare.conf" >"$dir/one.conf"
SOFTHSM2_CONF=$dir/one.conf softhsm2-util --init-token --free --label one --pin 1234 --so-pin 12345678 >/dev/null
(umask 077 && printf 1234 >"$dir/pin")

compare() {
    local runner=$1
    (umask 077 && cat >"$dir/$runner.conf") <<END
[p11ha]
log = file:$dir/p11ha.log
run-dir = $dir/run
[group bench]
slot = 1
label = bench
sync = external
[member one]
group = bench
module = /usr/lib/softhsm/libsofthsm2.so
token = pkcs11:token=one
env.SOFTHSM2_CONF = $dir/one.conf
instance = private
runner = $runner
END
    P11HA_CONF=$dir/$runner.conf "$P11HA_BUILD/p11ha" bench --module "$P11HA_BUILD/p11ha.so" --token bench \
        --pin-source "file:$dir/pin" --against /usr/lib/softhsm/libsofthsm2.so --against-token bare \
        --against-env "SOFTHSM2_CONF=$dir/bare.conf" --op ecdsa-p256,rsa2048-sign,aes-gcm --size 1024 \
        --threads 1,2,4 --seconds "$seconds" --rounds "$rounds" >"$dir/$runner.txt" 2>&1
    local status=$?
    sed 's/^/# /' "$dir/$runner.txt"
    return $status
}

for runner in inline thread; do
    if compare "$runner"; then
        tap_ok "runner $runner against the bare token: every result right"
    else
        tap_not_ok "runner $runner against the bare token: every result right"
    fi
done
tap_end
