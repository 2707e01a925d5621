#!/bin/bash
# pkcs11-tool makes secret keys; each has its exact length on every bare token, and does there what it does in the group.
. "$(dirname "$0")/world.sh"
world_up

printf 'what the code is made of' >text
openssl rand -out aes.key 32
openssl rand -out aes128.key 16
openssl rand -out rsa.in 100
iv=000102030405060708090a0b0c0d0e0f

make_keys() {
    local length id=16
    p11 --keygen --key-type AES:16 --id 10 --label aes-128
    p11 --keygen --key-type AES:32 --id 11 --label aes-256
    p11 --write-object aes.key --type secrkey --key-type AES:32 --id 12 --label aes-given --usage-decrypt
    p11 --write-object aes128.key --type secrkey --key-type AES:16 --id 13 --label aes-given-128 --usage-decrypt
    for length in 20 32 65; do
        p11 --keygen --key-type "GENERIC:$length" --id "$length" --label "generic-$length" --usage-sign
    done
    make_pair 14 rsa rsa:2048 --usage-decrypt
    public_key 14 rsa.pem
}

code_of() {
    rm -f "$4"
    on "$1" --sign --id "$2" --mechanism "$3" --input-file text --output-file "$4"
    [ -s "$4" ]
}

# SoftHSM takes no key shorter than the hash. A longer key than the hash's block (65 bytes and SHA-1) is hashed first, so
# that one byte more or less, even a zero, gives another code.
same_code() {
    local id=$1 member mechanism
    for mechanism in $2; do
        code_of rig "$id" "$mechanism" mac.rig
        p11 --verify --id "$id" --mechanism "$mechanism" --input-file text --signature-file mac.rig | grep 'Signature is valid'
        for member in $MEMBERS; do
            code_of "$member" "$id" "$mechanism" "mac.$member"
            cmp mac.rig "mac.$member"
        done
    done
}

length_shown() {
    local length
    for length in 20 32 65; do
        p11 --list-objects --type secrkey 2>/dev/null | grep -A1 "length $length\$" | grep "generic-$length"
    done
    p11 --list-objects --type secrkey 2>/dev/null | grep -A1 'AES length 16$' | grep aes-128
    p11 --list-objects --type secrkey 2>/dev/null | grep -A1 'AES length 32$' | grep aes-256
}

# What one token encrypts every other one and the group decrypt.
aes_between() {
    local from to mode id
    openssl rand -out plain 64
    for id in 10 11; do
        for mode in AES-CBC AES-CBC-PAD; do
            for from in rig $MEMBERS; do
                on "$from" --encrypt --id "$id" --mechanism $mode --iv $iv --input-file plain --output-file sealed
                for to in rig $MEMBERS; do
                    on "$to" --decrypt --id "$id" --mechanism $mode --iv $iv --input-file sealed --output-file opened
                    cmp plain opened
                done
            done
        done
    done
}

as_openssl() {
    local where=$1 module=${MODULE:?} token=rig
    if [ "$where" != rig ]; then
        module=$P11_MODULE token=$P11_TOKEN
    fi
    CLIENT_PIN=$PIN "$HELPERS/crypt" "$module" "$token" aes-given aes.key
    CLIENT_PIN=$PIN "$HELPERS/crypt" "$module" "$token" aes-given-128 aes128.key
}

rsa_opens() {
    local where=$1
    openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in rsa.in -out rsa.pkcs
    openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in rsa.in -out rsa.oaep -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1
    rm -f rsa.out
    on "$where" --decrypt --id 14 --mechanism RSA-PKCS --input-file rsa.pkcs --output-file rsa.out
    cmp rsa.in rsa.out
    rm -f rsa.out
    on "$where" --decrypt --id 14 --mechanism RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --input-file rsa.oaep --output-file rsa.out
    cmp rsa.in rsa.out
}

deletes_all() {
    local id member
    for id in 10 11 12 13 20 32 65; do p11 --delete-object --type secrkey --id $id; done
    p11 --delete-object --type privkey --id 14
    p11 --delete-object --type pubkey --id 14
    same_everywhere
    for member in $MEMBERS; do [ -z "$(objects "$member")" ]; done
}

tap_case "makes AES-128 and -256, generic secrets of 20, 32 and 65 bytes, writes AES keys" make_keys
tap_case "every key is on every member" same_everywhere
tap_case "shows the length of each" length_shown
tap_case "20 bytes: the same HMAC everywhere" same_code 20 SHA-1-HMAC
tap_case "32 bytes: the same HMAC everywhere" same_code 32 "SHA-1-HMAC SHA256-HMAC"
tap_case "65 bytes: the same HMAC everywhere" same_code 65 "SHA-1-HMAC SHA256-HMAC SHA512-HMAC"
tap_case "AES-CBC and CBC-PAD from each to each" aes_between
tap_case "AES-CBC, CBC-PAD, CTR and GCM as OpenSSL has them, in the group" as_openssl rig
for where in $MEMBERS; do
    tap_case "AES-CBC, CBC-PAD, CTR and GCM as OpenSSL has them, on $where" bare "$where" as_openssl "$where"
done
for where in rig $MEMBERS; do
    tap_case "decrypts RSA PKCS #1 and OAEP of OpenSSL, on $where" rsa_opens "$where"
done
tap_case "deletes everywhere" deletes_all
tap_end
