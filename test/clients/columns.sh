# shellcheck shell=bash
# For stories of unchanged programs, to be sourced: the same cases in three columns. In each of them MODULE is a module,
# with a token `rig` whose PIN is $PIN, and the working directory is a fresh one.
#
#   bare     SoftHSM and one token: what the program does without p11ha
#   group    p11ha over three members
#   failing  the same, and in every case one member goes and another one hangs while the program runs
#
#   story() {
#       column_case "signs" signs          # short programs: in each process members fail after its first calls
#       column_served "serves" serves      # `serves` says members_fail when its server is at work
#       column_steady "adds" adds          # what makes too few calls for a member to fail in it, or only prepares
#   }
#   columns_each story                     # and tap_end
#
# A case of the last column is passed only if both members have failed in it.

# In memory, where it can: where a disk is busy with other things every member hangs.
[ ! -w /dev/shm ] || WORLD_UNDER=/dev/shm
# shellcheck source=test/clients/world.sh
. "$(dirname "${BASH_SOURCE[0]}")/world.sh"

SOFTHSM=/usr/lib/softhsm/libsofthsm2.so
COLUMN=
TURN=0

# So many calls get a member to the point where an application could log in.
CONNECT_CALLS=0

columns_up() {
    local said
    sanitizer
    make_bare && make_groups && return 0
    said=$(cat "$WORLD"/*.out)
    tap_not_ok "makes a token and two groups" "$said"
    tap_end
}

make_bare() {
    mkdir -p "$WORLD/bare/tokens"
    printf 'directories.tokendir = %s/bare/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORLD" >"$WORLD/bare/softhsm2.conf"
    SOFTHSM2_CONF=$WORLD/bare/softhsm2.conf softhsm2-util --init-token --free --label rig --pin "$PIN" --so-pin 12345678 >"$WORLD/bare.out" 2>&1
}

# The second one is a copy of the first. One copy of a key must do where two of three members are away.
make_groups() {
    "$RIG" up "$WORLD/group" --chaos --timeout 2s >"$WORLD/up.out" 2>&1 || return 1
    cp -a "$WORLD/group" "$WORLD/failing"
    grep -rlI "$WORLD/group" "$WORLD/failing" | xargs sed -i "s,$WORLD/group,$WORLD/failing,g"
    sed -i 's/^min-copies = .*/min-copies = 1/' "$WORLD/failing/p11ha.conf"
    rm -f "$WORLD"/failing/*.counts
    P11HA_CONF=$WORLD/failing/p11ha.conf pkcs11-tool --module "$P11HA_BUILD/p11ha.so" --list-slots >"$WORLD/slots.out" 2>&1
    read -r CONNECT_CALLS _ < <("$RIG" count "$WORLD/failing" hsm-1 '*')
    [ "$CONNECT_CALLS" -gt 0 ]
}

column_begin() {
    COLUMN=$1
    export COLUMN
    unset P11HA_CONF SOFTHSM2_CONF
    RIG_DIR=$WORLD/$COLUMN
    if [ "$COLUMN" = bare ]; then
        MODULE=$SOFTHSM
        export SOFTHSM2_CONF=$WORLD/bare/softhsm2.conf
    else
        MODULE=$P11HA_BUILD/p11ha.so
        export P11HA_CONF=$RIG_DIR/p11ha.conf
    fi
    mkdir "$WORLD/run-$COLUMN"
    cd "$WORLD/run-$COLUMN" || exit 1
}

# columns_each STORY: after the programs every member holds what the group shows.
columns_each() {
    local column
    for column in ${COLUMNS_ONLY:-bare group failing}; do
        column_begin "$column"
        "$1"
        [ "$column" = bare ] || tap_case "the members hold the same in the end [$column]" same_everywhere
    done
}

# Sets GONE and HUNG, others each time, and AFTER, the call at which they fail.
choose_victims() {
    GONE=hsm-$((TURN % 3 + 1))
    HUNG=hsm-$(((TURN + 1) % 3 + 1))
    AFTER=$((CONNECT_CALLS + 4 + TURN * 5 % 12))
    TURN=$((TURN + 1))
    LOG_LINES=$(log_lines)
    HANGING=$(calls_hanging "$HUNG")
    export GONE HUNG
}

log_lines() {
    if [ -e "$RIG_DIR/p11ha.log" ]; then wc -l <"$RIG_DIR/p11ha.log"; else echo 0; fi
}

calls_hanging() {
    local calls ok failed
    read -r calls ok failed < <("$RIG" count "$RIG_DIR" "$1" '*')
    echo $((calls - ok - failed))
}

# Both of them have failed, as the members themselves counted and as p11ha saw it.
both_failed() {
    [ "$(calls_hanging "$HUNG")" -gt "$HANGING" ] &&
        tail -n "+$((LOG_LINES + 1))" "$RIG_DIR/p11ha.log" | grep -q "member=$GONE .*to=down"
}

# What p11ha had to say in this case.
failing_story() {
    tail -n "+$((LOG_LINES + 1))" "$RIG_DIR/p11ha.log" | grep -Ev 'config-warning| to=catching-up | to=up |catch-up-begins' | tail -n 25
}

tell_who_worked() {
    echo "not both of $GONE (gone) and $HUNG (hung) failed while the program ran:"
    echo "$(calls_hanging "$HUNG") calls of $HUNG without an answer, $HANGING before"
    failing_story
}

# In a case of column_served, when its program is at work.
members_fail() {
    [ "$COLUMN" = failing ] || return 0
    fault "$GONE" gone
    fault "$HUNG" hang
}

all_well() {
    fault "$GONE" ok
    fault "$HUNG" ok
}

column_case() {
    local name=$1
    shift
    if [ "$COLUMN" = failing ]; then
        choose_victims
        fault "$GONE" "* gone nth=$AFTER"
        fault "$HUNG" "* hang nth=$AFTER"
        tap_case "$name [failing]" set_failing "$@"
        all_well
    else
        tap_case "$name [$COLUMN]" "$@"
    fi
}

column_served() {
    local name=$1
    shift
    if [ "$COLUMN" = failing ]; then
        choose_victims
        AFTER="that moment"
        tap_case "$name [failing]" set_failing "$@"
        all_well
    else
        tap_case "$name [$COLUMN]" "$@"
    fi
}

# In a job of its own, as in tap_case: `set -e` holds only where the result is not looked at at once. A program that had
# ended before it came to both members has shown nothing: once more.
set_failing() {
    local status run
    for run in 1 2 3; do
        (
            set -eu
            "$@"
        ) &
        status=0
        wait $! || status=$?
        if [ "$status" != 0 ]; then
            failing_story
            echo "with $GONE gone and $HUNG hanging from $AFTER on: run $run ended with $status"
            return 1
        fi
        ! until_true 5 both_failed || return 0
    done
    tell_who_worked
    return 1
}

column_steady() {
    local name=$1
    shift
    tap_case "$name [$COLUMN]" "$@"
}

# --- certificates and OpenSSL's engine ---

plain_openssl() {
    env -u OPENSSL_CONF -u P11HA_CONF openssl "$@"
}

# A CA of plain files: ca.key, ca.crt.
make_ca() {
    plain_openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=plain-ca -days 2 \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# make_certified ID LABEL TYPE [KEY-USAGE]: a pair on the token, LABEL.pem its public key, LABEL.crt its certificate for
# 127.0.0.1, which the CA signs without the token.
make_certified() {
    make_pair "$1" "$2" "$3" --usage-sign --usage-decrypt
    public_key "$1" "$2.pem"
    printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nkeyUsage=%s\nextendedKeyUsage=%s\n' "${4:-digitalSignature,keyEncipherment}" \
        "${5:-serverAuth,clientAuth,codeSigning,emailProtection}" >"$2.ext"
    plain_openssl x509 -new -force_pubkey "$2.pem" -subj "/CN=$2" -CA ca.crt -CAkey ca.key -days 2 -extfile "$2.ext" -out "$2.crt"
    plain_openssl x509 -in "$2.crt" -outform DER -out "$2.der"
}

# make_rsa_and_ec NAME ID ID: the CA, and NAME-rsa and NAME-ec that it has certified.
make_rsa_and_ec() {
    make_ca
    make_certified "$2" "$1-rsa" rsa:2048
    make_certified "$3" "$1-ec" EC:prime256v1
}

# Programs find the engine and the module in there. engine_conf 1: initialised, for those that do not do it themselves.
engine_conf() {
    cat >openssl.cnf <<END
openssl_conf = all
[all]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $MODULE
init = ${1:-0}
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:TRUE
END
    export OPENSSL_CONF=$PWD/openssl.cnf
}

key_uri() {
    echo "pkcs11:token=rig;object=$1;type=private;pin-value=$PIN"
}

# --- servers ---

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# works_for N SECONDS COMMAND...: at least so often and, where members fail, so long; every time must succeed.
works_for() {
    local often=$1 end=$((SECONDS + $2)) done=0
    shift 2
    [ "$COLUMN" = failing ] || end=$SECONDS
    while [ "$done" -lt "$often" ] || [ "$SECONDS" -lt "$end" ]; do
        "$@" || {
            echo "attempt $((done + 1)) failed"
            return 1
        }
        done=$((done + 1))
    done
    echo "$done times"
}

# tls_greets PORT CA: a handshake with a server whose certificate is of that CA, made by plain OpenSSL.
tls_greets() {
    env -u OPENSSL_CONF -u P11HA_CONF openssl s_client -connect "127.0.0.1:$1" -CAfile "$2" -verify_return_error \
        </dev/null >greeting 2>&1
}

# tls_load PORT PID TIMES: a server with that process greets, greets on when members fail, and ends when told to. What it
# says is in server.out.
tls_load() {
    process_keep "$2"
    if ! until_true 20 tls_greets_or_died "$@" || server_gone "$2" || ! members_fail || ! works_for "$3" 4 tls_greets "$1" ca.crt; then
        tail -n 20 server.out greeting
        server_ends "$2" || true
        return 1
    fi
    server_ends "$2"
}

tls_greets_or_died() {
    tls_greets "$1" ca.crt || server_gone "$2"
}

# server_ends PID [SIGNAL]: within 20 s.
server_ends() {
    kill "-${2:-TERM}" "$1" 2>/dev/null || true
    if ! until_true 20 server_gone "$1"; then
        echo "process $1 does not end"
        kill -KILL "$1"
        return 1
    fi
    wait "$1" 2>/dev/null || true
}

server_gone() {
    [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}
