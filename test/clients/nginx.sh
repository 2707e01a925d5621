#!/bin/bash
# nginx with two workers and keys in the token: it forks when the engine has the keys already, and again at a reload.
. "$(dirname "$0")/columns.sh"
tap_need nginx
columns_up

nginx_conf() {
    cat >nginx.conf <<END
daemon off;
user root;
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/server.out notice;
env OPENSSL_CONF;
env P11HA_CONF;
env SOFTHSM2_CONF;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $PWD/temp;
    proxy_temp_path $PWD/temp;
    fastcgi_temp_path $PWD/temp;
    uwsgi_temp_path $PWD/temp;
    scgi_temp_path $PWD/temp;
    ssl_session_cache off;
    ssl_session_tickets off;
    server {
        listen 127.0.0.1:$1 ssl;
        ssl_certificate $PWD/$2.crt;
        ssl_certificate_key "engine:pkcs11:$(key_uri "$2")";
        location / { return 200 "hello\n"; }
    }
}
END
}

reloads() {
    local before
    before=$(pgrep -P "$1" | sort | tr '\n' ' ')
    kill -HUP "$1"
    until_true 20 workers_new "$1" "$before"
}

workers_new() {
    local worker
    [ "$(pgrep -P "$1" | wc -l)" = 2 ] || return 1
    for worker in $(pgrep -P "$1"); do
        case " $2" in *" $worker "*) return 1 ;; esac
    done
}

serves() {
    local port master
    port=$(free_port)
    nginx_conf "$port" "$1"
    : >server.out
    nginx -c "$PWD/nginx.conf" -e "$PWD/server.out" &
    master=$!
    process_keep $master
    until_true 20 tls_greets_or_died "$port" $master
    [ "$(pgrep -P $master | wc -l)" = 2 ]
    for worker in $(pgrep -P $master); do process_keep "$worker"; done
    reloads $master
    for worker in $(pgrep -P $master); do process_keep "$worker"; done
    tls_load "$port" $master 100
    fails grep -E 'alert|emerg|exited on signal' server.out
}

story() {
    column_steady "keys and certificates" make_rsa_and_ec web 01 02
    engine_conf 1
    column_served "two workers under load and after a reload, RSA" serves web-rsa
    column_served "two workers under load and after a reload, ECDSA" serves web-ec
}
columns_each story
tap_end
