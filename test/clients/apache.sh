#!/bin/bash
# Apache's prefork children and stunnel's threads serve TLS with keys of the token.
. "$(dirname "$0")/columns.sh"
tap_need apache2 stunnel unshare setsid
columns_up

apache_conf() {
    cat >apache.conf <<END
ServerRoot $PWD
ServerName localhost
PidFile $PWD/apache.pid
DefaultRuntimeDir $PWD
ErrorLog $PWD/server.out
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 3
MinSpareServers 3
MaxSpareServers 4
MaxRequestWorkers 6
DocumentRoot $PWD
Listen 127.0.0.1:$1
SSLCryptoDevice pkcs11
SSLSessionCache none
SSLSessionTickets off
<VirtualHost 127.0.0.1:$1>
    SSLEngine on
    SSLCertificateFile $PWD/$2.crt
    SSLCertificateKeyFile "$(key_uri "$2")"
</VirtualHost>
END
}

apache_serves() {
    local port
    port=$(free_port)
    apache_conf "$port" "$1"
    : >server.out
    # It must not serve as root: in this namespace we are somebody else, to whom all belongs. It ends its whole process group.
    setsid unshare --user --map-user=1000 --map-group=1000 apache2 -D FOREGROUND -f "$PWD/apache.conf" >>server.out 2>&1 &
    tls_load "$port" $! 50
}

stunnel_serves() {
    local port
    port=$(free_port)
    cat >stunnel.conf <<END
foreground = yes
pid =
debug = notice
engine = pkcs11
[echo]
accept = 127.0.0.1:$port
engineId = pkcs11
cert = $PWD/$1.crt
key = $(key_uri "$1")
exec = /bin/echo
execArgs = echo hello
END
    stunnel stunnel.conf >server.out 2>&1 &
    tls_load "$port" $! 50
}

story() {
    column_steady "keys and certificates" make_rsa_and_ec web 01 02
    engine_conf
    column_served "Apache's prefork children under load, RSA" apache_serves web-rsa
    column_served "Apache's prefork children under load, ECDSA" apache_serves web-ec
    column_served "stunnel under load, RSA" stunnel_serves web-rsa
    column_served "stunnel under load, ECDSA" stunnel_serves web-ec
}
columns_each story
tap_end
