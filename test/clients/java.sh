#!/bin/bash
# Java's SunPKCS11: keytool lists the group, and a program signs with its keys.
. "$(dirname "$0")/world.sh"
tap_need java keytool
world_up

printf 'name = rig\nlibrary = %s\nslot = 1\n' "$MODULE" >sun.cfg
printf 'openssl_conf = all\n[all]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\nengine_id = pkcs11\nMODULE_PATH = %s\ninit = 0\n[req]\ndistinguished_name = name\n[name]\n' \
    "$MODULE" >openssl.cnf

# Java sees a private key only together with a certificate of the same CKA_ID.
make_key() {
    make_pair "$1" "$2" "$3" --usage-sign
    OPENSSL_CONF=$WORLD/openssl.cnf openssl req -new -x509 -engine pkcs11 -keyform engine -subj "/CN=$2" -days 2 -sha256 \
        -key "pkcs11:token=rig;object=$2;type=private;pin-value=$PIN" -outform DER -out "$2.der"
    p11 --write-object "$2.der" --type cert --id "$1" --label "$2"
}

make_keys() {
    make_key 41 java-rsa rsa:2048
    make_key 42 java-ec EC:prime256v1
    same_everywhere
}

lists() {
    printf '%s\n' "$PIN" | keytool -list -keystore NONE -storetype PKCS11 -providerClass sun.security.pkcs11.SunPKCS11 -providerArg sun.cfg >list.txt
    cat list.txt
    grep -q '^java-rsa, PrivateKeyEntry' list.txt
    grep -q '^java-ec, PrivateKeyEntry' list.txt
}

signs() {
    CLIENT_PIN=$PIN java "$P11HA_SOURCE/test/clients/Signer.java" sun.cfg >signed.txt
    cat signed.txt
    grep -qx 'signed 4' signed.txt
}

makes_a_pair() {
    printf '%s\n' "$PIN" | keytool -genkeypair -alias made -keyalg EC -groupname secp256r1 -dname CN=made -keystore NONE -storetype PKCS11 \
        -providerClass sun.security.pkcs11.SunPKCS11 -providerArg sun.cfg
    CLIENT_PIN=$PIN java "$P11HA_SOURCE/test/clients/Signer.java" sun.cfg >signed.txt
    grep -qx 'signed 6' signed.txt
    same_everywhere
}

signs_with_one() {
    fault hsm-1 gone
    fault hsm-3 gone
    signs
    fault hsm-1 ok
    fault hsm-3 ok
}

tap_case "keys with certificates" make_keys
tap_case "keytool lists them" lists
tap_case "SunPKCS11 signs, Java verifies" signs
tap_case "the same with two of three members gone" signs_with_one
tap_case "keytool makes a key pair" makes_a_pair
tap_end
