#!/bin/bash
# p11ha at work on SoftHSM tokens of its own: builds it, makes a group of three tokens under ./demo, and signs all
# the while as they fail. Ends with 1 if anything was not as promised. What it made stays there to play with.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

readonly BUILD=$PWD/build DEMO=$PWD/demo RIG=$PWD/test/rig/rig
readonly MODULE=$BUILD/p11ha.so
readonly MEMBERS='hsm-1 hsm-2 hsm-3'
readonly CALL_TIMEOUT=10s # of the group: how long an application waits at most, whatever its members do
readonly THREADS=8 RATE=1500
readonly NETWORK='network latency=2 jitter=1' # what HSMs have and SoftHSM lacks: milliseconds a call
readonly BACK_WITHIN=60 # seconds, in which a member must serve again

case ${1:-} in
'') ;;
*)
    echo 'usage: ./demo.sh' >&2
    exit 2
    ;;
esac

# Files that others may write are refused by p11ha.
umask 022
export P11HA_BUILD=$BUILD P11HA_CONF=$DEMO/p11ha.conf
unset P11HA_LOG P11HA_DEBUG OPENSSL_CONF
made=no # the group
application= # its process id
declare -A state rate why
signed=0 failed=0 wrong=0 # what the application counts
phases=() # lines of the summary
phase_name='' phase_signed=0 phase_failed=0 phase_began=0

headline() {
    printf '\n\033[1m== %s\033[0m\n' "$1" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi
}

fail() {
    printf '\ndemo.sh: FAILED: %s\n' "$1" >&2
    if [ "$made" = yes ]; then
        echo "The last lines of $DEMO/p11ha.log:" >&2
        tail -n 12 "$DEMO/p11ha.log" >&2
    fi
    exit 1
}

# quietly WHAT COMMAND...: its output only if it fails.
quietly() {
    local what=$1 said
    shift
    said=$("$@" 2>&1) || fail "$what: $said"
}

# Whatever happens nothing goes on running, and the members are well again.
clean_up() {
    local member
    trap '' INT TERM
    if [ -n "$application" ]; then
        kill "$application" 2>/dev/null || true
        wait "$application" 2>/dev/null || true
    fi
    wait
    for member in $MEMBERS; do "$RIG" fault "$DEMO" "$member" ok >/dev/null 2>&1 || true; done
}

# --- before the failures ---

install() {
    headline 'Debian packages'
    local by_hand='run test/lib/install_packages as root; it installs what is missing of test/lib/packages'
    if [ "$(id -u)" = 0 ]; then
        test/lib/install_packages || fail 'the packages cannot be installed'
    elif ! test/lib/install_packages 2>/dev/null; then
        command -v sudo >/dev/null || fail "packages are missing, and there is no sudo: $by_hand"
        sudo test/lib/install_packages || fail "packages are missing: $by_hand"
    fi
    echo 'all there'
}

build() {
    local log=$BUILD/demo-build.log
    headline 'Build'
    mkdir -p "$BUILD"
    [ -f "$BUILD/build.ninja" ] || meson setup "$BUILD" >"$log" 2>&1 || fail "meson setup: $(tail -n 5 "$log")"
    ninja -C "$BUILD" p11ha.so p11ha chaos.so chaos_counts load >>"$log" 2>&1 ||
        fail "the build: $(tail -n 20 "$log")"
    ls -sh1 build/p11ha.so build/p11ha
}

make_group() {
    headline 'A group of three SoftHSM tokens under ./demo'
    if [ -f "$DEMO/.rig" ]; then
        "$RIG" down "$DEMO"
    elif [ -e "$DEMO" ]; then
        fail "$DEMO is there and not from an earlier run: move it away"
    fi
    quietly 'rig up' "$RIG" up "$DEMO" --chaos --timeout "$CALL_TIMEOUT"
    made=yes
    "$BUILD/p11ha" status
}

# PINs are not given in arguments, where other users can see them.
tool() {
    PIN=$(<"$DEMO/pin") pkcs11-tool --login --pin env:PIN "$@"
}

group_tool() {
    tool --module "$MODULE" --token-label rig "$@"
}

make_keys() {
    headline 'Keys, by pkcs11-tool'
    group_tool --keypairgen --key-type rsa:2048 --id 01 --label ca
    group_tool --keypairgen --key-type EC:prime256v1 --id 02 --label web
}

# That member's own objects, past p11ha.
objects_of() (
    eval "$("$RIG" direct "$DEMO" "$1")"
    tool --module "$P11_MODULE" --token-label "$P11_TOKEN" --list-objects
)

check_on_member() {
    local member=$1 label
    shift
    for label; do
        objects_of "$member" 2>/dev/null | grep "^  label: *$label$" >/dev/null || fail "the key \"$label\" is not on $member"
    done
    echo "$member holds: $*"
}

engine_config() {
    cat >"$DEMO/openssl.cnf" <<END
openssl_conf = start
[start]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
MODULE_PATH = $MODULE
init = 0
[req]
distinguished_name = name
x509_extensions = ca
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
END
}

key_uri() {
    echo "pkcs11:token=rig;object=$1;type=private;pin-source=file:$DEMO/pin"
}

# OpenSSL with the group behind its engine; bare `openssl` is the plain one, which knows of no token.
engine_openssl() {
    local command=$1
    shift
    OPENSSL_CONF=$DEMO/openssl.cnf openssl "$command" -engine pkcs11 "$@"
}

make_certificates() {
    headline 'A CA certificate and a signed request, by OpenSSL'
    engine_config
    quietly 'openssl req -x509' engine_openssl req -new -x509 -days 30 -subj '/CN=p11ha demo CA' \
        -keyform engine -key "$(key_uri ca)" -out "$DEMO/ca.pem"
    quietly 'openssl req' engine_openssl req -new -subj /CN=web.example -keyform engine -key "$(key_uri web)" \
        -out "$DEMO/web.csr"
    quietly 'openssl x509 -req' engine_openssl x509 -req -days 30 -in "$DEMO/web.csr" -CA "$DEMO/ca.pem" \
        -CAkeyform engine -CAkey "$(key_uri ca)" -out "$DEMO/web.pem"
    quietly 'openssl req -verify' openssl req -verify -noout -in "$DEMO/web.csr"
    quietly 'openssl verify' openssl verify -CAfile "$DEMO/ca.pem" "$DEMO/web.pem"
    openssl x509 -in "$DEMO/ca.pem" -pubkey -noout >"$DEMO/ca.pub"
    openssl x509 -in "$DEMO/web.pem" -noout -subject -issuer
    echo 'plain OpenSSL verifies both'
}

# --- the application and what it sees ---

start_application() {
    headline "An application signs: $THREADS threads, $RATE ECDSA P-256 signatures a second"
    set_fault "$MEMBERS" ok
    "$BUILD/load" --module "$MODULE" --token rig --pin-source "file:$DEMO/pin" --label load --op ecdsa-p256 \
        --threads "$THREADS" --rate "$RATE" --seconds 1000 --live "$DEMO/live" >"$DEMO/load.json" 2>"$DEMO/load.err" &
    application=$!
    for _ in {1..100}; do
        sleep 0.1
        read_application
        [ "$signed" = 0 ] || break
    done
    check_application
    echo 'It verifies each with plain OpenSSL. Each call to a member takes 2 ms or more, as it would on a network.'
}

read_application() {
    [ ! -e "$DEMO/live" ] || read -r signed failed wrong _ <"$DEMO/live"
}

check_application() {
    kill -0 "$application" 2>/dev/null || fail "the application has ended: $(cat "$DEMO/load.err" "$DEMO/load.json")"
    [ "$signed" -gt 0 ] || fail 'the application cannot sign'
    [ "$failed" = 0 ] || fail "the application saw $failed errors"
    [ "$wrong" = 0 ] || fail "$wrong signatures were wrong"
}

# Sets state, rate and why of each member, as the application's own statistics have them.
read_members() {
    local member is a_second because
    # Ends with 1 if a member is not well.
    "$BUILD/p11ha" status rig --no-probe --json >"$DEMO/status.json" || [ $? = 1 ] || fail 'p11ha status'
    while read -r member is a_second because; do
        state[$member]=$is rate[$member]=$a_second why[$member]=$because
    done < <(python3 - "$DEMO/status.json" <<'END'
import json, sys
for member in json.load(open(sys.argv[1]))["groups"][0]["members"]:
    print(member["member"], member["state"] or "-", round(member["calls_per_s"] or 0), member["why"] or "")
END
    )
}

table_drawn=no

# On a terminal over the one before, else a line more.
draw() {
    local member line
    if [ -t 1 ]; then
        [ "$table_drawn" = no ] || printf '\033[4A'
        table_drawn=yes
        for member in $MEMBERS; do
            printf '  %-12s%6d/s  %-12s%.40s\033[K\n' "$member" "${rate[$member]}" "${state[$member]}" "${why[$member]}"
        done
        printf '  %-12s%8d signatures, errors: %d, wrong: %d\033[K\n' application "$signed" "$failed" "$wrong"
    else
        line=
        for member in $MEMBERS; do line+="$member ${rate[$member]}/s ${state[$member]} | "; done
        printf '%s\n' "  ${line}application: $signed signed, errors: $failed"
    fi
}

# Takes about a second, most of it in `p11ha status`.
look() {
    sleep 0.3
    read_members
    read_application
    draw
    check_application
}

# --- failures ---

# set_fault "MEMBER..." FAULT
set_fault() {
    local member
    for member in $1; do "$RIG" fault "$DEMO" "$member" "$NETWORK" "$2"; done
}

phase_begin() {
    headline "$1"
    table_drawn=no
    phase_name=$1 phase_began=$SECONDS
    read_application
    phase_signed=$signed phase_failed=$failed
}

phase_end() {
    read_application
    phases+=("$(printf '%-42s%6d s%10d%8d' "$phase_name" $((SECONDS - phase_began)) $((signed - phase_signed)) \
        $((failed - phase_failed)))")
    [ "$signed" -gt "$phase_signed" ] || fail "the application could not sign while $phase_name"
}

# Another application, which begins only now: a signature of this script itself with the CA's key.
sign_anew() {
    engine_openssl dgst -sha256 -keyform engine -sign "$(key_uri ca)" -out "$DEMO/$1.sig" demo.sh
}

# phase NAME SECONDS "FAULTY MEMBER..." FAULT
phase() {
    local until member signer count=$((${#phases[@]} + 1))
    phase_begin "$1"
    set_fault "$3" "$4"
    until=$((SECONDS + $2))
    sign_anew "$count" >"$DEMO/sign.out" 2>&1 &
    signer=$!
    while [ "$SECONDS" -lt "$until" ]; do look; done
    wait "$signer" || fail "openssl, begun while $1, could not sign: $(<"$DEMO/sign.out")"
    for member in $3; do
        [ "$4" = ok ] || [ "${state[$member]}" != up ] || fail "$member was still called up while $1"
    done
    phase_end
}

all_serve() {
    local member
    for member in $MEMBERS; do
        if [ "${state[$member]}" != up ] || [ "${rate[$member]}" = 0 ]; then return 1; fi
    done
}

# phase_back NAME: ends as soon as every member serves.
phase_back() {
    local until=$((SECONDS + BACK_WITHIN))
    phase_begin "$1"
    set_fault "$MEMBERS" ok
    look
    until all_serve; do
        [ "$SECONDS" -lt "$until" ] || fail "not all members serve again after $BACK_WITHIN s"
        look
    done
    phase_end
}

failures() {
    phase 'all is well' 4 "$MEMBERS" ok

    phase 'hsm-2 answers CKR_DEVICE_ERROR' 5 hsm-2 error=CKR_DEVICE_ERROR
    quietly 'a new key with hsm-2 down' group_tool --keypairgen --key-type EC:prime256v1 --id 03 --label late
    echo 'Meanwhile pkcs11-tool made a new key, "late".'
    phase_back 'hsm-2 is well again'
    check_on_member hsm-2 late

    phase 'hsm-3 hangs' 10 hsm-3 hang
    phase_back 'hsm-3 goes on'

    phase 'hsm-1 and hsm-3 are gone at once' 8 'hsm-1 hsm-3' gone
    phase_back 'all are back'
}

# --- after them ---

stop_application() {
    local status=0
    kill -TERM "$application"
    wait "$application" || status=$?
    application=
    [ "$status" = 0 ] || fail "the application ended with $status: $(cat "$DEMO/load.err" "$DEMO/load.json")"
}

# result KEY: a number in the application's last line.
result() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$DEMO/load.json"
}

check_results() {
    local signature member count=0
    headline 'What came of it'
    echo "$(result "done") signatures of the application, each verified by plain OpenSSL"
    for signature in "$DEMO"/*.sig; do
        quietly "openssl dgst -verify of $signature" openssl dgst -sha256 -verify "$DEMO/ca.pub" \
            -signature "$signature" demo.sh
        count=$((count + 1))
    done
    [ "$count" = 4 ] || fail "$count signatures by openssl, not 4"
    echo "$count signatures by openssl, begun while members failed, verified by plain OpenSSL"
    for member in $MEMBERS; do check_on_member "$member" ca web load late; done
    "$BUILD/p11ha" status --pin-source "file:$DEMO/pin" >"$DEMO/status.txt" || fail "p11ha status: $(<"$DEMO/status.txt")"
}

summary() {
    local line
    printf '\n%-42s%8s%10s%8s\n' phase time signed errors
    for line in "${phases[@]}"; do echo "$line"; done
    printf '\nThe longest call took %s ms (call-timeout of the group: %s). The application saw %s errors.\n' \
        $(($(result max_call_us) / 1000)) "$CALL_TIMEOUT" "$(result failed)"
    echo "The demonstration took $SECONDS s."
    cat <<END

How to go on by hand (in $PWD):

  export P11HA_CONF=\$PWD/demo/p11ha.conf PIN=1234
  build/p11ha status                                    # or status --watch, in another window
  pkcs11-tool --module build/p11ha.so --token-label rig --login --pin env:PIN --list-objects
  test/rig/rig fault demo hsm-1 gone                    # hang, error=CKR_DEVICE_ERROR, slow=500; ok ends it
  pkcs11-tool --module build/p11ha.so --token-label rig --login --pin env:PIN \\
      --sign --mechanism SHA256-RSA-PKCS --id 01 --input-file README.md --output-file demo/README.sig
  openssl dgst -sha256 -verify demo/ca.pub -signature demo/README.sig README.md
  build/load --module build/p11ha.so --pin-source file:demo/pin --label load --seconds 60
  test/rig/rig --help                                   # more faults; demo/p11ha.log tells what p11ha did
  test/rig/rig down demo                                # removes ./demo
END
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install
build
SECONDS=0
make_group
make_keys
for member in $MEMBERS; do check_on_member "$member" ca web; done
make_certificates
start_application
failures
stop_application
check_results
summary
