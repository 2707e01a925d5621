#!/bin/bash
# OpenSSL with libengine-pkcs11-openssl: a CA and a server whose keys are in the group.
. "$(dirname "$0")/world.sh"
tap_need openssl
world_up

cat >openssl.cnf <<END
openssl_conf = all
[all]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $MODULE
init = 0
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:TRUE
END
export OPENSSL_CONF=$WORLD/openssl.cnf
ENGINE=(-engine pkcs11 -keyform engine)
uri() {
    echo "pkcs11:token=rig;object=$1;type=private;pin-value=$PIN"
}

make_keys() {
    make_pair 31 ca rsa:2048 --usage-sign
    make_pair 32 server EC:prime256v1 --usage-sign
    make_pair 33 mail rsa:2048 --usage-sign --usage-decrypt
    public_key 31 ca.pub
    public_key 32 server.pub
    same_everywhere
}

signs() {
    printf 'signed by openssl dgst' >text
    openssl dgst "${ENGINE[@]}" -sha256 -sign "$(uri ca)" -out sig text
    openssl dgst -sha256 -verify ca.pub -signature sig text
    openssl dgst "${ENGINE[@]}" -sha384 -sigopt rsa_padding_mode:pss -sign "$(uri ca)" -out sig text
    openssl dgst -sha384 -sigopt rsa_padding_mode:pss -verify ca.pub -signature sig text
    openssl dgst "${ENGINE[@]}" -sha256 -sign "$(uri server)" -out sig text
    openssl dgst -sha256 -verify server.pub -signature sig text
}

certificates() {
    openssl req -new -x509 "${ENGINE[@]}" -key "$(uri ca)" -subj /CN=rig-ca -days 2 -sha256 -extensions ca -out ca.crt
    openssl req -new "${ENGINE[@]}" -key "$(uri server)" -subj /CN=localhost -sha256 -out server.csr
    openssl req -verify -noout -in server.csr
    openssl x509 -req -in server.csr -CA ca.crt -CAkeyform engine -engine pkcs11 -CAkey "$(uri ca)" -CAcreateserial -days 2 -sha256 -out server.crt
    openssl verify -CAfile ca.crt server.crt
    openssl req -new -x509 "${ENGINE[@]}" -key "$(uri mail)" -subj /CN=mail -days 2 -sha256 -out mail.crt
}

messages() {
    printf 'a letter' >letter
    openssl cms -sign -in letter -text -signer mail.crt "${ENGINE[@]}" -inkey "$(uri mail)" -out letter.signed
    openssl cms -verify -in letter.signed -text -CAfile mail.crt -out letter.read
    grep -q 'a letter' letter.read
    openssl cms -encrypt -in letter -aes256 -out letter.sealed mail.crt
    openssl cms -decrypt -in letter.sealed "${ENGINE[@]}" -inkey "$(uri mail)" -recip mail.crt -out letter.opened
    grep -q 'a letter' letter.opened
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

greets() {
    openssl s_client -connect "127.0.0.1:$1" -CAfile ca.crt -verify_return_error </dev/null >/dev/null 2>&1
}

handshakes() {
    local port server greeted
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" "${ENGINE[@]}" -key "$(uri server)" -cert server.crt -www -quiet >server.out 2>&1 &
    server=$!
    until_true 20 greets "$port"
    for greeted in $(seq 200); do
        greets "$port" || break
    done
    kill "$server"
    wait "$server" || true
    echo "$greeted of 200"
    cat server.out
    [ "$greeted" = 200 ]
}

tap_case "makes keys for a CA, a server and mail" make_keys
tap_case "dgst signs with RSA, PSS and ECDSA" signs
tap_case "req and x509: a CA, a request, a certificate" certificates
tap_case "cms signs and decrypts" messages
tap_case "s_server: 200 handshakes" handshakes
tap_end
