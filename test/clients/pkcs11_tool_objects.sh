#!/bin/bash
# pkcs11-tool writes, reads and deletes certificates, data and public keys; every member has them as they were given.
. "$(dirname "$0")/world.sh"
world_up

openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=given -days 2 -outform DER -out given.der 2>/dev/null
openssl ecparam -genkey -name prime256v1 -noout -out ec.pem
openssl pkey -in ec.pem -pubout -outform DER -out ec.pub
openssl pkey -in ec.pem -outform DER -out ec.der
openssl rand -out given.dat 3000
printf 'as long as a line' >line

writes() {
    p11 --write-object given.der --type cert --id 21 --label given
    p11 --write-object given.dat --type data --label blob --application-label tests --application-id 1.2.3.4
    p11 --write-object given.dat --type data --label private-blob --private
    p11 --write-object ec.pub --type pubkey --id 22 --label ec-public
    p11 --write-object ec.der --type privkey --id 22 --label ec-private --usage-sign
}

reads() {
    local where=$1
    rm -f out.*
    on "$where" --read-object --type cert --id 21 --output-file out.cert
    cmp given.der out.cert
    on "$where" --read-object --type data --label blob --output-file out.blob
    cmp given.dat out.blob
    on "$where" --read-object --type data --label private-blob --output-file out.private
    cmp given.dat out.private
    on "$where" --read-object --type pubkey --id 22 --output-file out.pub
    cmp ec.pub out.pub
    openssl dgst -sha256 -binary -out digest line
    on "$where" --sign --id 22 --mechanism ECDSA --signature-format openssl --input-file digest --output-file out.sig
    openssl dgst -sha256 -verify <(openssl pkey -in ec.pem -pubout) -signature out.sig line
}

# Without a login what is private is not there.
hides_private() {
    pkcs11-tool --module "$MODULE" --token-label rig --list-objects >public.txt 2>&1
    grep -q "'blob'" public.txt
    grep -q ' given$' public.txt
    fails grep -q 'private-blob' public.txt
    fails grep -q 'Private Key' public.txt
}

names_everywhere() {
    p11 --list-objects --type data 2>/dev/null | grep -A3 "'blob'" | grep tests
    same_everywhere
}

# A request that no token takes gets the token's own answer and leaves nothing.
refuses() {
    head -c 100 given.der >broken.der
    fails p11 --write-object broken.der --type cert --id 23 --label broken
    fails has rig broken
    fails p11 --write-object line --type secrkey --key-type AES:32 --id 24 --label broken
    fails has rig broken
    same_everywhere
}

deletes() {
    local member
    p11 --delete-object --type cert --id 21
    p11 --delete-object --type data --label blob
    p11 --delete-object --type data --label private-blob
    p11 --delete-object --type pubkey --id 22
    p11 --delete-object --type privkey --id 22
    same_everywhere
    for member in $MEMBERS; do [ -z "$(objects "$member")" ]; done
    fails p11 --delete-object --type cert --id 21
}

tap_case "writes a certificate, data, a public and a private key" writes
tap_case "they are on every member" names_everywhere
for where in rig $MEMBERS; do
    tap_case "reads them on $where, and the key works" reads "$where"
done
tap_case "shows nothing private without a login" hides_private
tap_case "refuses what no token takes, and leaves nothing" refuses
tap_case "deletes everywhere" deletes
tap_end
