#!/bin/bash
# OpenSSL with libengine-pkcs11-openssl: a CA, mail and a server whose keys are in the token.
. "$(dirname "$0")/columns.sh"
tap_need openssl
columns_up
ENGINE=(-engine pkcs11 -keyform engine)

prepare() {
    make_ca
    make_certified 31 issuer rsa:2048 keyCertSign,cRLSign,digitalSignature
    make_certified 32 server EC:prime256v1
    make_certified 33 mail rsa:2048
    make_pair 34 agreer EC:prime256v1 --usage-derive
    public_key 34 agreer.pem
    printf 'signed by openssl dgst' >text
    printf 'a letter' >letter
    engine_conf
}

signs() {
    openssl dgst "${ENGINE[@]}" -sha256 -sign "$(key_uri issuer)" -out sig text
    plain_openssl dgst -sha256 -verify issuer.pem -signature sig text
    openssl dgst "${ENGINE[@]}" -sha384 -sigopt rsa_padding_mode:pss -sign "$(key_uri issuer)" -out sig text
    plain_openssl dgst -sha384 -sigopt rsa_padding_mode:pss -verify issuer.pem -signature sig text
    openssl dgst "${ENGINE[@]}" -sha256 -sign "$(key_uri server)" -out sig text
    plain_openssl dgst -sha256 -verify server.pem -signature sig text
}

derives() {
    local n
    plain_openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.key
    plain_openssl pkey -in peer.key -pubout -out peer.pem
    plain_openssl pkeyutl -derive -inkey peer.key -peerkey agreer.pem -out secret.want
    for n in 1 2 3; do
        rm -f secret
        openssl pkeyutl -derive -engine pkcs11 -keyform engine -inkey "$(key_uri agreer)" -peerkey peer.pem -out secret
        cmp secret.want secret
    done
}

requests() {
    openssl req -new -x509 "${ENGINE[@]}" -key "$(key_uri issuer)" -subj /CN=rig-ca -days 2 -sha256 -extensions ca -out own.crt
    openssl req -new "${ENGINE[@]}" -key "$(key_uri server)" -subj /CN=localhost -sha256 -out server.csr
    plain_openssl req -verify -noout -in server.csr
    openssl x509 -req -in server.csr -CA own.crt -CAkeyform engine -engine pkcs11 -CAkey "$(key_uri issuer)" -CAcreateserial \
        -days 2 -sha256 -out issued.crt
    plain_openssl verify -CAfile own.crt issued.crt
}

# `openssl ca` keeps its books in files; the requests are of a plain key.
issues() {
    local n
    mkdir -p books/new
    : >books/index
    echo 01 >books/serial
    echo 01 >books/crlnumber
    printf '[ca]\ndefault_ca = rig\n[rig]\ndatabase = books/index\nserial = books/serial\ncrlnumber = books/crlnumber\nnew_certs_dir = books/new\ndefault_md = sha256\ndefault_crl_days = 2\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n' >books/ca.cnf
    for n in 1 2 3; do
        plain_openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "leaf$n.key" -subj "/CN=leaf$n" -out "leaf$n.csr" 2>/dev/null
    done
    openssl req -new -x509 "${ENGINE[@]}" -key "$(key_uri issuer)" -subj /CN=books -days 2 -sha256 -extensions ca -out books.crt
    openssl ca -batch -config books/ca.cnf "${ENGINE[@]}" -keyfile "$(key_uri issuer)" -cert books.crt -days 1 -notext -infiles leaf1.csr leaf2.csr leaf3.csr
    openssl ca -config books/ca.cnf "${ENGINE[@]}" -keyfile "$(key_uri issuer)" -cert books.crt -gencrl -out books.crl
    for n in 01 02 03; do plain_openssl verify -CAfile books.crt "books/new/$n.pem"; done
    plain_openssl crl -in books.crl -CAfile books.crt -noout -verify 2>&1 | grep 'verify OK'
}

mails() {
    openssl cms -sign -in letter -text -signer mail.crt "${ENGINE[@]}" -inkey "$(key_uri mail)" -out letter.signed
    plain_openssl cms -verify -in letter.signed -text -CAfile ca.crt -out letter.read
    grep -q 'a letter' letter.read
    plain_openssl cms -encrypt -in letter -aes256 -out letter.sealed mail.crt
    openssl cms -decrypt -in letter.sealed "${ENGINE[@]}" -inkey "$(key_uri mail)" -recip mail.crt -out letter.opened
    grep -q 'a letter' letter.opened
}

serves() {
    local port
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" "${ENGINE[@]}" -key "$(key_uri "$1")" -cert "$1.crt" -www -quiet >server.out 2>&1 &
    tls_load "$port" $! 100
}

story() {
    column_steady "keys and certificates" prepare
    engine_conf
    column_case "dgst signs with RSA, PSS and ECDSA" signs
    column_case "pkeyutl derives by ECDH" derives
    column_case "req and x509: a CA, a request, a certificate" requests
    column_case "ca issues certificates and a CRL" issues
    column_case "cms signs and decrypts" mails
    column_served "s_server under load, ECDSA" serves server
    column_served "s_server under load, RSA" serves mail
}
columns_each story
tap_end
