#!/bin/bash
# The vault cannot be written: everything that reads and all crypto goes on, a write fails and leaves nothing behind on
# any member, and afterwards all is as before.
. "$(dirname "$0")/../clients/world.sh"
world_up --timeout 3s

keys() {
    make_pair 31 held EC:prime256v1 --usage-sign
    public_key 31 held.pem
    openssl rand -out some.dat 32
    same_everywhere
}

# Another process in the middle of a write that does not end.
hold() {
    python3 - "$(sed -n 's/^vault = sqlite://p' rig/p11ha.conf)" <<'EOF' &
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('BEGIN IMMEDIATE')
open('held', 'w').close()
time.sleep(60)
EOF
    echo $! >holder
    until_true 10 test -e held
}

signs() {
    p11 --sign --id 31 --mechanism ECDSA --signature-format openssl --input-file some.dat --output-file signed
    openssl pkeyutl -verify -pubin -inkey held.pem -in some.dat -sigfile signed
}

is_refused() {
    fails "$@" >out 2>&1
    cat out
    grep -q CKR_DEVICE_ERROR out
}

refuses_writes() {
    signs
    is_refused make_pair 32 new EC:prime256v1 --usage-sign
    signs
    is_refused p11 --set-id 77 --type privkey --id 31
    signs
    is_refused p11 --delete-object --type privkey --id 31
    signs
}

leaves_nothing() {
    kill "$(cat holder)"
    local where
    for where in rig $MEMBERS; do
        fails has "$where" new
        has_both "$where" held
        objects "$where" | grep -q '^Private;held;31$'
    done
    make_pair 33 later EC:prime256v1 --usage-sign
    same_everywhere
    signs
}

tap_case "a key" keys
tap_case "another process holds the vault" hold
tap_case "crypto goes on, writes are refused" refuses_writes
tap_case "nothing is left behind, and writing works again" leaves_nothing
tap_end
