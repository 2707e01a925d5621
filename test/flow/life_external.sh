#!/bin/bash
# sync = external: the tokens are kept alike by somebody else; p11ha finds the keys and fails over between them.
. "$(dirname "$0")/../clients/world.sh"
tap_need python3
world_up --sync external

openssl ecparam -genkey -name prime256v1 -noout -out ec.pem
openssl genrsa -out rsa.pem 2048 2>/dev/null
openssl rand -out aes.key 32
for name in ec rsa; do
    openssl pkey -in $name.pem -outform DER -out $name.der
    openssl pkey -in $name.pem -pubout -outform DER -out $name.pub
    openssl pkey -in $name.pem -pubout -out $name.pub.pem
done

# What the vendor does.
place() {
    bare_tool --write-object ec.der --type privkey --id 31 --label ext-ec --usage-sign
    bare_tool --write-object ec.pub --type pubkey --id 31 --label ext-ec --usage-sign
    bare_tool --write-object rsa.der --type privkey --id 32 --label ext-rsa --usage-sign
    bare_tool --write-object rsa.pub --type pubkey --id 32 --label ext-rsa --usage-sign
    bare_tool --write-object aes.key --type secrkey --key-type AES:32 --id 33 --label aes-given --usage-decrypt
}

finds() {
    objects rig >found
    cat found
    [ "$(wc -l <found)" = 5 ]
}

signs() {
    printf 'external' >text
    openssl dgst -sha256 -binary -out digest text
    rm -f sig
    p11 --sign --mechanism ECDSA --id 31 --signature-format openssl --input-file digest --output-file sig
    openssl dgst -sha256 -verify ec.pub.pem -signature sig text
    p11 --sign --mechanism SHA256-RSA-PKCS --id 32 --input-file text --output-file sig
    openssl dgst -sha256 -verify rsa.pub.pem -signature sig text
    CLIENT_PIN=$PIN "$HELPERS/crypt" "$MODULE" rig aes-given aes.key
}

fails_over() {
    local one other
    for one in $MEMBERS; do
        for other in $MEMBERS; do
            [[ $one < $other ]] || continue
            fault "$one" gone
            fault "$other" gone
            finds
            signs
            fault "$one" ok
            fault "$other" ok
        done
    done
}

all_up() {
    [ "$("$P11HA_BUILD/p11ha" status rig --no-probe | grep -c '^hsm-.* up ')" = 3 ]
}

# With an application that stays: its handles were found on members that go, and SoftHSM must be started anew to see a
# token that was away, however short.
stays() {
    local member
    talk_begin
    for member in $MEMBERS; do
        fault "$member" gone
        says ok sign ext-ec
        fault "$member" ok
        says ok sign ext-ec
        until_true 30 all_up
        says ok sign ext-ec
    done
    fault hsm-1 gone
    fault hsm-2 gone
    says ok sign ext-ec
    fault hsm-1 ok
    fault hsm-2 ok
    talk_end
}

for member in $MEMBERS; do tap_case "the same keys on $member" bare "$member" place; done
tap_case "finds them once each" finds
tap_case "signs and encrypts with them" signs
tap_case "with any two of three gone" fails_over
tap_case "an application that stays goes on while each is gone" stays
tap_end
