#!/bin/bash
# NSS: modutil adds the module; certutil, cmsutil, signtool and selfserv use its keys.
. "$(dirname "$0")/columns.sh"
tap_need modutil certutil cmsutil signtool selfserv strsclnt unzip
columns_up
export NSS_DEFAULT_DB_TYPE=sql

# NSS finds a private key by a certificate of the same CKA_ID.
prepare() {
    local name
    echo "$PIN" >pin
    make_rsa_and_ec nss 71 72
    for name in nss-rsa nss-ec; do
        p11 --write-object "$name.der" --type cert --label "$name" --id "$([ $name = nss-rsa ] && echo 71 || echo 72)"
    done
    mkdir db
    certutil -N -d db --empty-password
    certutil -A -d db -n plain-ca -t CT,C,C -i ca.crt
    printf 'a letter\n' >letter
}

adds() {
    modutil -force -dbdir db -add p11ha -libfile "$MODULE"
    modutil -dbdir db -list >list.txt
    cat list.txt
    grep -q 'token: rig' list.txt
}

lists_keys() {
    certutil -K -d db -h rig -f pin >keys.txt
    cat keys.txt
    grep -q 'rsa .*nss-rsa' keys.txt
    grep -q 'ec .*nss-ec' keys.txt
    certutil -L -d db -h rig -f pin | grep 'rig:nss-rsa'
}

requests() {
    plain_openssl rand -out noise 64
    certutil -R -d db -h rig -f pin -k ec -q nistp256 -s CN=nss -z noise -o request.der
    plain_openssl req -inform DER -in request.der -verify -noout
    certutil -S -d db -h rig -f pin -k ec -q nistp256 -s CN=nss-ca -n nss-ca -x -t CTu,, -m 7 -z noise
    certutil -L -d db -h rig -f pin | grep 'rig:nss-ca'
    certutil -L -d db -f pin -h rig -n rig:nss-ca -a >nss-ca.crt
    plain_openssl verify -CAfile nss-ca.crt nss-ca.crt
}

mails() {
    cmsutil -S -T -G -d db -f pin -N rig:nss-rsa -i letter -o detached.p7
    plain_openssl cms -verify -binary -inform DER -in detached.p7 -content letter -CAfile ca.crt -purpose any -out read
    cmp letter read
    plain_openssl cms -encrypt -binary -aes256 -outform DER -in letter -out sealed.p7 nss-rsa.crt
    cmsutil -D -d db -f pin -i sealed.p7 -o opened
    cmp letter opened
}

signs_jar() {
    rm -rf jar out
    mkdir jar out
    cp letter jar/
    signtool -d db -k rig:nss-rsa -p "$PIN" -Z signed.jar jar
    (cd out && unzip -q ../signed.jar && ls META-INF)
    plain_openssl cms -verify -binary -inform DER -in out/META-INF/zigbert.rsa -content out/META-INF/zigbert.sf -CAfile ca.crt -purpose any -out /dev/null
}

# NSS writes the public half twice, and one by one they go.
imports() {
    plain_openssl req -x509 -newkey rsa:2048 -nodes -keyout given.key -out given.crt -subj /CN=given -days 2 2>/dev/null
    plain_openssl x509 -in given.crt -noout -pubkey >given.pem
    plain_openssl pkcs12 -export -inkey given.key -in given.crt -out given.p12 -passout pass:given -name given
    pk12util -i given.p12 -W given -d db -h rig -k pin
    certutil -K -d db -h rig -f pin | awk '/given/ { print $4 }' >id
    p11 --sign --id "$(<id)" --mechanism SHA256-RSA-PKCS --input-file letter --output-file sig
    plain_openssl dgst -sha256 -verify given.pem -signature sig letter
    while p11 --list-objects --type pubkey 2>/dev/null | grep -q "$(<id)"; do
        p11 --delete-object --type pubkey --id "$(<id)"
    done
    p11 --sign --id "$(<id)" --mechanism SHA256-RSA-PKCS --input-file letter --output-file sig
    plain_openssl dgst -sha256 -verify given.pem -signature sig letter
}

serves() {
    local port
    port=$(free_port)
    selfserv -d db -p "$port" -n "rig:$1" -f pin -V tls1.2: -t 4 ${2:+"$2" "$3"} >server.out 2>&1 &
    tls_load "$port" $! 50
}

story() {
    column_steady "keys and certificates" prepare
    column_steady "modutil adds the module and shows its token" adds
    column_case "certutil lists keys and certificates" lists_keys
    column_case "certutil makes keys, a request, a CA, and issues" requests
    column_case "cmsutil signs and decrypts" mails
    column_case "signtool signs a jar" signs_jar
    column_case "pk12util imports a key, which signs" imports
    # On SoftHSM alone NSS says that memory is short: SSL_ConfigServerCert, -8173.
    [ "$COLUMN" = bare ] || column_served "selfserv under load, RSA" serves nss-rsa
    column_served "selfserv under load, ECDSA" serves nss-ec -e rig:nss-ec
}
columns_each story
tap_end
