#!/bin/bash
# GnuTLS: p11tool lists, tests and makes, certtool certifies, gnutls-serv serves, with keys of the token.
. "$(dirname "$0")/columns.sh"
tap_need p11tool certtool gnutls-serv gnutls-cli
columns_up
export GNUTLS_PIN=$PIN

tool() {
    p11tool --provider "$MODULE" --batch "$@"
}

lists() {
    tool --list-tokens >tokens.txt
    grep -q 'token=rig' tokens.txt
    tool --login --list-all 'pkcs11:token=rig' >all.txt
    [ "$(grep -c 'object=tls-rsa' all.txt)" = 2 ]
    [ "$(grep -c 'object=tls-ec' all.txt)" = 2 ]
    fails grep -q 'p11ha' <(grep object= all.txt | sed 's/manufacturer=p11ha//;s/model=p11ha//')
}

tests_signing() {
    local name
    for name in tls-rsa tls-ec; do
        tool --login --test-sign "pkcs11:token=rig;object=$name;type=private"
    done
    tool --login --test-sign --sign-params=RSA-PSS --hash=SHA256 'pkcs11:token=rig;object=tls-rsa;type=private'
}

makes() {
    tool --login --generate-privkey=ecdsa --curve=secp256r1 --label made --outfile made.pem 'pkcs11:token=rig'
    tool --login --test-sign 'pkcs11:token=rig;object=made;type=private'
    plain_openssl pkey -pubin -in made.pem -noout -text | grep prime256v1
    tool --login --generate-privkey=rsa --bits=2048 --label made-rsa --outfile made.pem 'pkcs11:token=rig'
    tool --login --delete 'pkcs11:token=rig;object=made;type=private'
    tool --login --list-privkeys 'pkcs11:token=rig' >privkeys.txt
    grep -q object=made-rsa privkeys.txt
    fails grep -q 'object=made;' privkeys.txt
}

certifies() {
    printf 'cn = gnutls\nca\ncert_signing_key\nexpiration_days = 2\n' >template
    certtool --provider "$MODULE" --generate-self-signed --template template --load-privkey 'pkcs11:token=rig;object=tls-rsa;type=private' \
        --load-pubkey tls-rsa.pem --outfile own.pem
    plain_openssl verify -CAfile own.pem own.pem
    certtool --provider "$MODULE" --generate-request --template template --load-privkey 'pkcs11:token=rig;object=tls-ec;type=private' \
        --load-pubkey tls-ec.pem --outfile request.pem
    plain_openssl req -in request.pem -verify -noout
    printf 'to be signed' >text
    certtool --provider "$MODULE" --p7-sign --load-privkey 'pkcs11:token=rig;object=tls-rsa;type=private' --load-certificate tls-rsa.crt \
        --infile text --outfile text.p7
    plain_openssl cms -verify -inform PEM -in text.p7 -CAfile ca.crt -purpose any -out read
    cmp text read
}

keeps_certificates() {
    tool --login --write --load-certificate tls-rsa.crt --label kept --id 51 'pkcs11:token=rig'
    tool --login --export 'pkcs11:token=rig;object=kept;type=cert' >read.pem
    cmp tls-rsa.der <(plain_openssl x509 -in read.pem -outform DER)
}

serves() {
    local port
    port=$(free_port)
    gnutls-serv --provider "$MODULE" --port "$port" --http --quiet --x509keyfile "pkcs11:token=rig;object=$1;type=private" \
        --x509certfile "$1.crt" >server.out 2>&1 &
    tls_load "$port" $! 50
}

story() {
    column_steady "keys and certificates" make_rsa_and_ec tls 51 52
    column_case "p11tool lists token and objects" lists
    column_case "p11tool --test-sign" tests_signing
    column_case "p11tool makes and deletes key pairs" makes
    column_case "certtool certifies, requests, signs" certifies
    column_case "p11tool writes and reads a certificate" keeps_certificates
    column_served "gnutls-serv under load, RSA" serves tls-rsa
    column_served "gnutls-serv under load, ECDSA" serves tls-ec
}
columns_each story
tap_end
