#!/bin/bash
# NSS: modutil adds the module, certutil lists keys and makes a request with one.
. "$(dirname "$0")/world.sh"
tap_need modutil certutil
world_up
mkdir db
echo "$PIN" >pin
: >empty

make_keys() {
    make_pair 71 nss-rsa rsa:2048 --usage-sign
    same_everywhere
}

adds() {
    certutil -N -d sql:db --empty-password
    modutil -force -dbdir sql:db -add p11ha -libfile "$MODULE"
    modutil -dbdir sql:db -list >list.txt
    cat list.txt
    grep -q 'token: rig' list.txt
}

lists_keys() {
    certutil -K -d sql:db -h rig -f pin >keys.txt
    cat keys.txt
    grep -q 'rsa .*nss-rsa' keys.txt
}

requests() {
    openssl rand -out noise 64
    certutil -R -d sql:db -h rig -f pin -k ec -q nistp256 -s CN=nss -z noise -o request.der
    openssl req -inform DER -in request.der -verify -noout
    certutil -S -d sql:db -h rig -f pin -k ec -q nistp256 -s CN=nss-ca -n nss-ca -x -t CTu,, -m 7 -z noise
    certutil -L -d sql:db -h rig -f pin | grep 'rig:nss-ca'
    same_everywhere
}

tap_case "a key" make_keys
tap_case "modutil adds the module and shows its token" adds
tap_case "certutil -K lists the key" lists_keys
tap_case "certutil makes keys, a request and a certificate in the group" requests
tap_end
