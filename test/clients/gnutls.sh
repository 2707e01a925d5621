#!/bin/bash
# GnuTLS: p11tool lists and tests, certtool certifies, with keys of the group.
. "$(dirname "$0")/world.sh"
tap_need p11tool certtool
world_up
export GNUTLS_PIN=$PIN

tool() {
    p11tool --provider "$MODULE" --batch "$@"
}

make_keys() {
    make_pair 51 tls-rsa rsa:2048 --usage-sign
    make_pair 52 tls-ec EC:prime256v1 --usage-sign
    public_key 51 rsa.pem
    public_key 52 ec.pem
    same_everywhere
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
    same_everywhere
}

certifies() {
    printf 'cn = gnutls\nca\ncert_signing_key\nexpiration_days = 2\n' >template
    certtool --provider "$MODULE" --generate-self-signed --template template --load-privkey 'pkcs11:token=rig;object=tls-rsa;type=private' \
        --load-pubkey rsa.pem --outfile ca.pem
    openssl verify -CAfile ca.pem ca.pem
    tool --login --write --load-certificate ca.pem --label tls-rsa --id 51 'pkcs11:token=rig'
    tool --login --export 'pkcs11:token=rig;object=tls-rsa;type=cert' >read.pem
    cmp <(openssl x509 -in ca.pem -outform DER) <(openssl x509 -in read.pem -outform DER)
}

tap_case "keys" make_keys
tap_case "p11tool lists token and objects" lists
tap_case "p11tool --test-sign" tests_signing
tap_case "p11tool makes a key pair" makes
tap_case "certtool certifies, p11tool writes and reads the certificate" certifies
tap_end
