#!/bin/bash
# Java's SunPKCS11: keytool and jarsigner, and programs that sign, decrypt, encrypt, agree on secrets, wrap, unwrap and serve
# TLS with the token's keys.
. "$(dirname "$0")/columns.sh"
tap_need java javac keytool jarsigner zip
columns_up
export CLIENT_PIN=$PIN
PROVIDER=(-providerClass sun.security.pkcs11.SunPKCS11 -providerArg sun.cfg)
mkdir "$WORLD/classes"
if ! javac -d "$WORLD/classes" "$P11HA_SOURCE"/test/clients/{Signer,Opener,Sharer,Server}.java >"$WORLD/javac.out" 2>&1; then
    tap_not_ok "compiles its programs" "$(cat "$WORLD/javac.out")"
    tap_end
fi

# Java sees a private key only together with a certificate of the same CKA_ID.
prepare() {
    printf 'name = rig\nlibrary = %s\nslotListIndex = 0\n' "$MODULE" >sun.cfg
    # Of itself Java makes no key for ECDH, and no secret key that could be read or wrapped.
    {
        cat sun.cfg
        printf 'attributes(generate, CKO_PRIVATE_KEY, CKK_EC) = {\nCKA_DERIVE = true\n}\n'
        printf 'attributes(*, CKO_SECRET_KEY, *) = {\nCKA_SENSITIVE = false\nCKA_EXTRACTABLE = true\n}\n'
    } >sharing.cfg
    make_rsa_and_ec java 41 42
    p11 --write-object java-rsa.der --type cert --id 41 --label java-rsa
    p11 --write-object java-ec.der --type cert --id 42 --label java-ec
    printf 'sealed by OpenSSL\n' >text
    plain_openssl pkeyutl -encrypt -pubin -inkey java-rsa.pem -in text -out sealed
}

run() {
    java -XX:TieredStopAtLevel=1 -cp "$WORLD/classes" "$@"
}

store() {
    local tool=$1
    shift
    echo "$PIN" | "$tool" "$@" -keystore NONE -storetype PKCS11 "${PROVIDER[@]}"
}

lists() {
    store keytool -list >list.txt
    cat list.txt
    grep -q '^java-rsa, PrivateKeyEntry' list.txt
    grep -q '^java-ec, PrivateKeyEntry' list.txt
}

signs() {
    run Signer sun.cfg >signed.txt
    cat signed.txt
    grep -qx 'signed 4' signed.txt
}

opens() {
    run Opener sun.cfg java-rsa sealed >opened
    cat opened
    cmp text <(head -n 1 opened)
    grep -qx 'aes ok' opened
}

shares() {
    run Sharer sharing.cfg 3 >shared.txt
    cat shared.txt
    grep -qx 'shared 12' shared.txt
}

makes() {
    store keytool -genkeypair -alias made -keyalg EC -groupname secp256r1 -dname CN=made
    store keytool -certreq -alias made -file made.csr
    plain_openssl req -in made.csr -verify -noout
    store keytool -exportcert -alias made -rfc -file made.crt
    plain_openssl verify -CAfile made.crt made.crt
    store keytool -delete -alias made
    store keytool -list >list.txt
    fails grep -q '^made' list.txt
}

signs_jar() {
    rm -f made.jar
    zip -q made.jar text
    store jarsigner made.jar java-rsa >jarsigner.out
    jarsigner -verify made.jar | grep 'jar verified'
    unzip -p made.jar META-INF/JAVA-RSA.RSA >block
    unzip -p made.jar META-INF/JAVA-RSA.SF >signed-file
    plain_openssl cms -verify -binary -inform DER -in block -content signed-file -CAfile ca.crt -purpose any -out /dev/null
}

serves() {
    local port
    port=$(free_port)
    # Not by run: $! must be the server itself.
    java -XX:TieredStopAtLevel=1 -cp "$WORLD/classes" Server sun.cfg "$port" >server.out 2>&1 &
    tls_load "$port" $! 50
}

story() {
    column_steady "keys with certificates" prepare
    column_case "keytool lists them" lists
    column_case "SunPKCS11 signs, Java verifies" signs
    column_case "SunPKCS11 decrypts what OpenSSL encrypted, and has AES" opens
    column_case "SunPKCS11 agrees on secrets by ECDH, wraps and unwraps; Java has the same" shares
    column_case "keytool makes, certifies and deletes a key pair" makes
    column_case "jarsigner signs" signs_jar
    column_served "a TLS server under load" serves
}
columns_each story
tap_end
