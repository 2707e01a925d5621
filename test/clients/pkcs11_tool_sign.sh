#!/bin/bash
# pkcs11-tool makes key pairs; each signs through the group and on each bare token alone, and OpenSSL agrees.
. "$(dirname "$0")/world.sh"
world_up

printf 'what is signed, of some length' >text
openssl dgst -sha256 -binary -out digest text
# PKCS #1: the digest of SHA-256 as a DigestInfo.
{ printf '\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20' && cat digest; } >info

# key ID: its kind and public key, as they were made below.
RSA_KEYS='01 02'
EC_KEYS='03 04 05'

make_keys() {
    make_pair 01 rsa-2048 rsa:2048 --usage-sign
    make_pair 02 rsa-4096 rsa:4096 --usage-sign
    make_pair 03 ec-256 EC:prime256v1 --usage-sign
    make_pair 04 ec-384 EC:secp384r1 --usage-sign
    make_pair 05 ec-521 EC:secp521r1 --usage-sign
    for id in $RSA_KEYS $EC_KEYS; do public_key "$id" "$id.pem"; done
    openssl pkey -pubin -in 02.pem -noout -text | grep -q '4096 bit'
    openssl pkey -pubin -in 05.pem -noout -text | grep -q 'secp521r1'
}

# sign_on WHERE ID MECHANISM INPUT OUTPUT [OPTION...]
sign_on() {
    local where=$1 id=$2 mechanism=$3 input=$4 output=$5
    shift 5
    rm -f "$output"
    on "$where" --sign --id "$id" --mechanism "$mechanism" --input-file "$input" --output-file "$output" "$@"
}

rsa_signs() {
    local where=$1 id hash
    for id in $RSA_KEYS; do
        sign_on "$where" "$id" RSA-PKCS info sig
        openssl dgst -sha256 -verify "$id.pem" -signature sig text
        for hash in 1 256 384 512; do
            sign_on "$where" "$id" "SHA$hash-RSA-PKCS" text sig
            openssl dgst "-sha$hash" -verify "$id.pem" -signature sig text
            sign_on "$where" "$id" "SHA$hash-RSA-PKCS-PSS" text sig
            openssl dgst "-sha$hash" -sigopt rsa_padding_mode:pss -verify "$id.pem" -signature sig text
        done
        sign_on "$where" "$id" RSA-PKCS-PSS digest sig --hash-algorithm SHA256 --mgf MGF1-SHA256
        openssl pkeyutl -verify -pubin -inkey "$id.pem" -in digest -sigfile sig -pkeyopt digest:sha256 \
            -pkeyopt rsa_padding_mode:pss
    done
}

ec_signs() {
    local where=$1 id hash
    for id in $EC_KEYS; do
        sign_on "$where" "$id" ECDSA digest sig --signature-format openssl
        openssl pkeyutl -verify -pubin -inkey "$id.pem" -in digest -sigfile sig
        # SoftHSM has no ECDSA with a hash: the group makes it of a digest of its own and a raw signature.
        [ "$where" = rig ] || continue
        for hash in 1 256 384 512; do
            p11 --list-mechanisms | grep -q "ECDSA-SHA$hash," || continue
            sign_on "$where" "$id" "ECDSA-SHA$hash" text sig --signature-format openssl
            openssl dgst "-sha$hash" -verify "$id.pem" -signature sig text
        done
    done
}

group_offers_hashed_ecdsa() {
    for hash in 1 256 384 512; do p11 --list-mechanisms | grep "ECDSA-SHA$hash,"; done
}

# The group verifies what OpenSSL's other side made good, and refuses what was changed.
group_verifies() {
    sign_on rig 01 SHA256-RSA-PKCS text sig
    p11 --verify --id 01 --mechanism SHA256-RSA-PKCS --input-file text --signature-file sig | grep 'Signature is valid'
    sign_on rig 01 SHA256-RSA-PKCS-PSS text sig
    p11 --verify --id 01 --mechanism SHA256-RSA-PKCS-PSS --input-file text --signature-file sig | grep 'Signature is valid'
    sign_on rig 03 ECDSA digest sig
    p11 --verify --id 03 --mechanism ECDSA --input-file digest --signature-file sig | grep 'Signature is valid'
    printf 'x' >>text.bad
    cat text >>text.bad
    sign_on rig 02 SHA256-RSA-PKCS text sig
    p11 --verify --id 02 --mechanism SHA256-RSA-PKCS --input-file text.bad --signature-file sig >out 2>&1 || true
    fails grep 'Signature is valid' out
}

deletes_all() {
    local id member
    for id in $RSA_KEYS $EC_KEYS; do
        p11 --delete-object --type privkey --id "$id"
        p11 --delete-object --type pubkey --id "$id"
    done
    same_everywhere
    for member in $MEMBERS; do [ -z "$(objects "$member")" ]; done
}

tap_case "makes RSA-2048 and -4096, P-256, P-384 and P-521" make_keys
tap_case "every key is on every member" same_everywhere
for where in rig $MEMBERS; do
    tap_case "RSA PKCS #1 and PSS, with and without SHA, on $where" rsa_signs "$where"
    tap_case "ECDSA on $where" ec_signs "$where"
done
tap_case "offers ECDSA with SHA" group_offers_hashed_ecdsa
tap_case "verifies, and refuses what was changed" group_verifies
tap_case "deletes everywhere" deletes_all
tap_end
