#!/bin/bash
# At log-level = trace no PIN, key, passphrase, share or plaintext is in anything that is written: logs, statistics, the vault,
# and the core of an application that is aborted while it is logged in.
. "$(dirname "$0")/../clients/world.sh"
tap_need gcore python3
world_up
sed -i 's/^log-level = .*/log-level = trace/' rig/p11ha.conf
# All tokens get a PIN that can be told from anything else.
# Longer than a vector register of the processor, in which a piece of what was copied last may stay.
PIN=pin-5e1c7a40b2d9-0d7c41f3ab8826519e
for member in $MEMBERS; do
    # shellcheck disable=SC2016
    bare "$member" sh -c 'pkcs11-tool --module "$P11_MODULE" --token-label "$P11_TOKEN" --login --pin 1234 --change-pin --new-pin "$0"' "$PIN" >/dev/null 2>&1 ||
        tap_not_ok "changes the PIN of $member"
done
printf %s "$PIN" >rig/pin
printf 'plaintext-%s' "$(openssl rand -hex 40)" >plain
openssl rand -out aes.key 32
openssl rand -out generic.key 37

session() {
    p11 --write-object aes.key --type secrkey --key-type AES:32 --id 41 --label aes-given --usage-decrypt
    p11 --keygen --key-type GENERIC:32 --id 42 --label mac --usage-sign
    make_pair 43 rsa rsa:2048 --usage-sign --usage-decrypt
    public_key 43 rsa.pub
    openssl ecparam -genkey -name prime256v1 -noout -out ec.pem
    openssl pkey -in ec.pem -outform DER -out ec.der
    p11 --write-object ec.der --type privkey --id 44 --label ec-given --usage-sign
    p11 --sign --id 42 --mechanism SHA256-HMAC --input-file plain --output-file mac
    openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in plain -out sealed
    p11 --decrypt --id 43 --mechanism RSA-PKCS --input-file sealed --output-file opened
    cmp plain opened
    fails pkcs11-tool --module "$MODULE" --token-label rig --login --pin "wrong-$PIN" --list-objects
    CLIENT_PIN=$PIN "$HELPERS/crypt" "$MODULE" rig aes-given aes.key
    status_json >status.json
    "$P11HA_BUILD/p11ha" sync rig --verify --pin-source "file:$WORLD/rig/pin" >sync.out 2>&1
    grep -q ' trace ' rig/p11ha.log
}

# Its memory is written as the kernel would write it after an abort (kernels differ in where they put that).
core() {
    talk_begin
    says ok make cored
    says ok sign cored
    gcore -o core "$TALK" >gcore.out 2>&1
    kill -ABRT "$TALK"
    exec 8>&- 9<&-
    wait "$TALK" || true
    rm -f ask answer
    ls core.*
}

# search NAME FILE: FILE's bytes, raw and as hexadecimal digits, in what was written. $1 names the secret, never shows it.
cat >search.py <<'END'
import os, sys
name, secret, roots = sys.argv[1], open(sys.argv[2], "rb").read(), sys.argv[3:]
forms = {secret, secret.hex().encode(), secret.hex().upper().encode()}
bad = 0
for root in roots:
    for folder, _, files in os.walk(root) if os.path.isdir(root) else [(".", [], [root])]:
        for file in files:
            path = os.path.join(folder, file)
            data = open(path, "rb").read()
            if any(form in data for form in forms):
                print(name, "is in", path)
                bad = 1
sys.exit(bad)
END

# All but what is meant to hold it.
search() {
    python3 search.py "$1" "$2" "${@:3}"
}

not_in_files() {
    local name
    printf %s "$PIN" >pin
    mkdir -p written
    cp -r rig/p11ha.log rig/run rig/vault.db* status.json sync.out up.out talk.err written/ 2>/dev/null || true
    [ -s written/p11ha.log ]
    search "the PIN" pin written
    search "the AES key" aes.key written
    search "the plaintext" plain written
    openssl pkey -in ec.pem -outform DER | openssl asn1parse -inform DER -strparse 36 2>/dev/null | grep -o '\[HEX DUMP\]:.*' | head -1 |
        cut -d: -f2 | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read().strip()))' >ec.scalar || true
    [ "$(wc -c <ec.scalar)" != 32 ] || search "the EC key" ec.scalar written
    for name in rig/custodians/*.pass; do
        tr -d '\n' <"$name" >pass
        search "a custodian's passphrase" pass written rig/shares
    done
}

not_in_core() {
    local name
    printf %s "$PIN" >pin
    # The application's own environment has the PIN (CLIENT_PIN): only what is more than that is ours.
    python3 - "$PIN" core.* <<'END'
import sys
pin = sys.argv[1].encode()
data = open(sys.argv[2], "rb").read()
at, found = data.find(pin), 0
while at >= 0:
    if not data[:at].endswith(b"CLIENT_PIN="):
        found += 1
        print("the PIN at", at, data[max(0, at - 16):at])
    at = data.find(pin, at + 1)
sys.exit(found > 0)
END
    # SoftHSM itself leaves keys in its memory, also without p11ha: they cannot be looked for while it is in the same process.
    search "the plaintext" plain core.*
    for name in rig/custodians/*.pass; do
        tr -d '\n' <"$name" >pass
        search "a custodian's passphrase" pass core.*
    done
}

tap_case "a session at log-level = trace" session
tap_case "the core of an application that is aborted" core
tap_case "nothing secret is in logs, statistics, vault and shares" not_in_files
tap_case "nothing secret is in the core" not_in_core
tap_end
