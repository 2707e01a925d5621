#!/bin/bash
# pkcs11-tool derives secrets by ECDH, wraps keys and unwraps them.
. "$(dirname "$0")/columns.sh"
columns_up

prepare() {
    local curve
    for curve in prime256v1 secp384r1; do
        plain_openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$curve" -out "peer-$curve.key"
        plain_openssl pkey -in "peer-$curve.key" -pubout -outform DER -out "peer-$curve.der"
    done
    printf '32 bytes that AES will encrypt..' >text
}

makes() {
    make_pair 01 prime256v1 EC:prime256v1 --usage-derive
    make_pair 02 secp384r1 EC:secp384r1 --usage-derive
    make_pair 03 rsa rsa:2048 --usage-wrap --usage-decrypt
    p11 --keygen --key-type AES:32 --id 04 --label wrapping --usage-wrap --extractable
    p11 --keygen --key-type AES:16 --id 05 --label inner --usage-decrypt --extractable
    public_key 01 prime256v1.pem
    public_key 02 secp384r1.pem
}

# derives ID CURVE: OpenSSL with the other private key gets the same.
derives() {
    rm -f secret
    p11 --derive --mechanism ECDH1-DERIVE --id "$1" --input-file "peer-$2.der" --output-file secret
    plain_openssl pkeyutl -derive -inkey "peer-$2.key" -peerkey "$2.pem" -out secret.want
    cmp secret.want secret
}

encrypted_by() {
    rm -f "$2"
    p11 --encrypt --id "$1" --mechanism AES-CBC --iv 000102030405060708090a0b0c0d0e0f --input-file text --output-file "$2"
}

# wraps MECHANISM ID NEW-ID: what comes back is another object with the same key in it.
wraps() {
    rm -f wrapped
    p11 --wrap --mechanism "$1" --id "$2" --application-id 05 --output-file wrapped
    p11 --unwrap --mechanism "$1" --id "$2" --input-file wrapped --key-type AES: --application-id "$3" \
        --application-label "unwrapped-$3" --extractable
    encrypted_by 05 sealed.want
    encrypted_by "$3" sealed
    cmp sealed.want sealed
}

# unwraps ID NEW-ID: a key that OpenSSL wrapped by RSA.
unwraps() {
    plain_openssl rand -out value 16
    public_key "$1" rsa.pem
    plain_openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in value -out wrapped
    p11 --unwrap --mechanism RSA-PKCS --id "$1" --input-file wrapped --key-type AES: --application-id "$2" \
        --application-label "unwrapped-$2" --extractable
    encrypted_by "$2" sealed
    plain_openssl enc -aes-128-cbc -nopad -K "$(od -An -tx1 value | tr -d ' \n')" -iv 000102030405060708090a0b0c0d0e0f \
        -in text -out sealed.want
    cmp sealed.want sealed
}

story() {
    column_steady "files" prepare
    column_case "makes keys that derive and wrap" makes
    column_case "derives by ECDH over P-256; OpenSSL has the same" derives 01 prime256v1
    column_case "derives by ECDH over P-384; OpenSSL has the same" derives 02 secp384r1
    column_case "wraps and unwraps by AES" wraps AES-KEY-WRAP 04 06
    column_case "wraps and unwraps by RSA" wraps RSA-PKCS 03 07
    column_case "unwraps what OpenSSL wrapped" unwraps 03 08
}
columns_each story
tap_end
