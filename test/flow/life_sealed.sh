#!/bin/bash
# A vault record of which any byte was changed is refused, named in the log and by `p11ha status`, and reaches no member.
. "$(dirname "$0")/../clients/world.sh"
tap_need sqlite3 python3
world_up

make_pair 01 kept EC:prime256v1 --usage-sign >/dev/null 2>&1
p11 --keygen --key-type AES:32 --id 02 --label changed >/dev/null 2>&1
tap_case "keys on every member" same_everywhere
p11 --list-objects >/dev/null 2>&1
cp rig/vault.db vault.good
where="label = 'changed'"
[ "$(sqlite3 rig/vault.db "select count(*) from record where $where")" = 1 ] || tap_not_ok "the record is there"
body=$(sqlite3 rig/vault.db "select length(body) from record where $where")

# change COLUMN POSITION: one bit of that byte, counted from 0.
change() {
    sqlite3 rig/vault.db "select hex($1) from record where $where" |
        python3 -c 'import sys
at = int(sys.argv[1]); b = bytearray.fromhex(sys.stdin.read()); b[at] ^= 1; print(b.hex())' "$2" >hex
    sqlite3 rig/vault.db "update record set $1 = x'$(<hex)' where $where"
}

restore() {
    rm -f rig/vault.db rig/vault.db-wal rig/vault.db-shm
    cp vault.good rig/vault.db
}

refused() {
    local column=$1 at=$2 member=hsm-1
    bare $member bare_tool --delete-object --type secrkey --id 02 || true
    fails has $member changed
    change "$column" "$at"
    : >rig/p11ha.log
    # It may be shown or not, but it cannot be used for what must be made of the record.
    p11 --list-objects >/dev/null 2>&1 || true
    "$P11HA_BUILD/p11ha" sync rig --verify --repair --pin-source "file:$WORLD/rig/pin" >sync.out 2>&1 && {
        echo "sync is content with $column byte $at:"
        cat sync.out
        return 1
    }
    fails has $member changed
    grep -q 'record-refused' rig/p11ha.log || {
        echo "$column byte $at is not in the log"
        cat rig/p11ha.log sync.out
        return 1
    }
    status_json >status.json
    python3 -c 'import json
assert json.load(open("status.json"))["groups"][0]["vault"]["refused"], "status names nothing"' || {
        cat status.json
        return 1
    }
    p11 --sign --id 01 --mechanism ECDSA --input-file digest --output-file sig
    restore
    "$P11HA_BUILD/p11ha" sync rig --verify --repair --pin-source "file:$WORLD/rig/pin" >sync.out 2>&1 || {
        echo "sync does not repair what is good again:"
        cat sync.out
        return 1
    }
    has $member changed
}

openssl rand -out digest 32
for at in 0 $((body / 5)) $((body * 2 / 5)) $((body * 3 / 5)) $((body * 4 / 5)) $((body - 1)); do
    tap_case "byte $at of $body of the record" refused body "$at"
done
for at in 0 15 31; do
    tap_case "byte $at of the seal" refused seal "$at"
done
tap_end
