#!/bin/bash
# BIND through OpenSSL's engine: dnssec-keyfromlabel and dnssec-signzone, and named that signs by itself and answers.
. "$(dirname "$0")/columns.sh"
tap_need named dnssec-keyfromlabel dnssec-signzone dnssec-verify rndc dig delv
columns_up

# RSA signs zone and keys. named itself has to read the folder.
prepare() {
    engine_conf
    make_pair 91 zsk rsa:2048 --usage-sign
    make_pair 92 ksk rsa:2048 --usage-sign
    cat >zone <<'END'
$TTL 300
@ IN SOA ns.rig.test. root.rig.test. 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.1
END
}

key_names() {
    rm -rf keys
    mkdir keys
    dnssec-keyfromlabel -E pkcs11 -a RSASHA256 -K keys -l "$(key_uri zsk)" rig.test
    dnssec-keyfromlabel -E pkcs11 -a RSASHA256 -K keys -f KSK -l "$(key_uri ksk)" rig.test
    [ "$(ls keys/Krig.test.+008+*.private | wc -l)" = 2 ]
}

# Verified with no token in sight.
signs_zone() {
    dnssec-signzone -E pkcs11 -S -K keys -o rig.test -f zone.signed zone
    env -u OPENSSL_CONF -u P11HA_CONF dnssec-verify -o rig.test zone.signed
}

named_conf() {
    rm -rf named
    mkdir named
    cp zone named/zone
    cp -r keys named/keys
    cat >named.conf <<END
options {
    directory "$PWD/named";
    listen-on port $1 { 127.0.0.1; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile none;
    recursion no;
    notify no;
    dnssec-validation no;
};
controls { inet 127.0.0.1 port $2 allow { 127.0.0.1; } keys { control; }; };
key control { algorithm hmac-sha256; secret "$(plain_openssl rand -base64 32)"; };
zone "rig.test" {
    type primary;
    file "zone";
    key-directory "keys";
    inline-signing yes;
    auto-dnssec maintain;
    allow-transfer { any; };
};
END
}

asks() {
    dig +time=5 +tries=1 +noall +answer +dnssec -p "$PORT" @127.0.0.1 "$@"
}

is_signed() {
    asks "$1" "$2" | grep -q "RRSIG.$2 "
}

# What a new name's signature needs the key for, while members fail.
adds_name() {
    NAMES=$((NAMES + 1))
    printf 'n%s IN A 192.0.2.2\n' "$NAMES" >>named/zone
    sed -i "s/\(root.rig.test. \)[0-9]*/\1$((NAMES + 1))/" named/zone
    rndc -s 127.0.0.1 -p "$CONTROL" -k control.key reload rig.test
    until_true 20 is_signed "n$NAMES.rig.test" A
}

serves() {
    local server
    NAMES=0
    PORT=$(free_port)
    CONTROL=$(free_port)
    named_conf "$PORT" "$CONTROL"
    grep '^key control' named.conf >control.key
    named -E pkcs11 -g -n 2 -c named.conf >named.out 2>&1 &
    server=$!
    process_keep $server
    until_true 20 is_signed www.rig.test A || {
        tail -n 40 named.out
        return 1
    }
    members_fail
    works_for 3 4 adds_name
    asks rig.test AXFR +onesoa >axfr
    grep -v '^;' axfr | grep -v 'TYPE65534' >zone.served
    env -u OPENSSL_CONF -u P11HA_CONF dnssec-verify -o rig.test zone.served
    server_ends $server
}

story() {
    column_steady "keys and a zone" prepare
    engine_conf
    column_case "dnssec-keyfromlabel" key_names
    column_case "dnssec-signzone" signs_zone
    column_served "named signs inline and answers" serves
}
columns_each story
tap_end
