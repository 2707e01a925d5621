# shellcheck shell=bash
# For stories that use p11ha through programs that know nothing of it, to be sourced: a rig of their own in $WORLD,
# which goes when the story ends, and how to reach the group and each bare token.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

RIG=$P11HA_SOURCE/test/rig/rig
MODULE=$P11HA_BUILD/p11ha.so
HELPERS=$P11HA_BUILD/test/clients
MEMBERS='hsm-1 hsm-2 hsm-3'
PIN=1234
WORLD=$(mktemp -d -p "${WORLD_UNDER:-${TMPDIR:-/tmp}}" p11ha-world-XXXXXX)
RIG_DIR=$WORLD/rig
export RIG MODULE HELPERS MEMBERS WORLD
trap world_down EXIT

# Programs that are not ours need the sanitizer first; what they leak is theirs.
sanitizer() {
    local asan
    asan=$(ldd "$MODULE" | awk '/libasan/ { print $3 }')
    [ -z "$asan" ] || export LD_PRELOAD=$asan ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
}

# world_up [options of rig up]
world_up() {
    tap_need pkcs11-tool softhsm2-util openssl
    if ! "$RIG" up "$RIG_DIR" "$@" >"$WORLD/up.out" 2>&1; then
        tap_not_ok "makes a rig" "$(cat "$WORLD/up.out")"
        tap_end
    fi
    export P11HA_CONF=$RIG_DIR/p11ha.conf
    sanitizer
    cd "$WORLD" || exit 1
}

# process_keep PID: one that must not outlive the story, whatever happens.
process_keep() {
    echo "$1" >>"$WORLD/processes"
}

# Those of them that still run and are ours still: their environment or folder is of this world.
processes_end() {
    local process
    [ -f "$WORLD/processes" ] || return 0
    while read -r process; do
        if readlink "/proc/$process/cwd" | grep -q "^$WORLD" || grep -qs "$WORLD" "/proc/$process/environ"; then
            kill -KILL "$process"
        fi
    done <"$WORLD/processes" 2>/dev/null
}

world_down() {
    local noted
    processes_end
    cd / || exit 1
    for noted in "$WORLD"/*/.rig; do
        [ ! -f "$noted" ] || "$RIG" down "${noted%/.rig}" >/dev/null 2>&1
    done
    rm -rf "$WORLD"
}

fault() {
    "$RIG" fault "$RIG_DIR" "$@"
}

# p11 ARGUMENT...: pkcs11-tool on the group, logged in.
p11() {
    pkcs11-tool --module "$MODULE" --token-label rig --login --pin "$PIN" "$@"
}

# bare MEMBER COMMAND...: with that member's token alone, in P11_MODULE and P11_TOKEN.
bare() (
    eval "$("$RIG" direct "$RIG_DIR" "$1")"
    unset P11HA_CONF
    shift
    "$@"
)

bare_tool() {
    pkcs11-tool --module "$P11_MODULE" --token-label "$P11_TOKEN" --login --pin "$PIN" "$@"
}

# on rig|hsm-N ARGUMENT...: pkcs11-tool there.
on() {
    local where=$1
    shift
    if [ "$where" = rig ]; then p11 "$@"; else bare "$where" bare_tool "$@"; fi
}

# objects WHERE: one line "class;label;id" for each, sorted; without p11ha's own.
objects() {
    on "$1" --list-objects 2>/dev/null | awk '
        /^[A-Z].* [Oo]bject/ { if (c) print c ";" l ";" i; c = $1; l = i = "" }
        /^  label:/ { sub(/^  label: */, ""); gsub(/\047/, ""); l = $0 }
        /^  ID:/ { i = $2 }
        END { if (c) print c ";" l ";" i }' | grep -v ';p11ha ' | sort
}

# has WHERE LABEL
has() {
    objects "$1" | grep -q "^[^;]*;$2;"
}

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# same_everywhere: each member holds what the group shows. A session of a second, in which members catch up.
same_now() {
    local member want
    want=$(objects rig)
    for member in ${1:-$MEMBERS}; do
        [ "$(objects "$member")" = "$want" ] || return 1
    done
}

same_everywhere() {
    until_true 20 same_now "$@" || {
        echo "the group shows:"
        objects rig
        for member in ${1:-$MEMBERS}; do
            echo "$member holds:"
            objects "$member"
        done
        return 1
    }
}

# public_key ID FILE: as PEM. An EC key from its point: pkcs11-tool 0.23 cannot write one of P-384.
public_key() {
    local point
    point=$(p11 --list-objects --type pubkey 2>/dev/null |
        awk -v id="$1" '/ Object;/ { p = "" } /^  EC_POINT:/ { p = $2 } /^  ID:/ && $2 == id { print p }')
    case $point in
    '') p11 --read-object --type pubkey --id "$1" --output-file "$2.der" >/dev/null ;;
    0441*) unhex "3059301306072a8648ce3d020106082a8648ce3d030107034200${point#0441}" >"$2.der" ;;
    0461*) unhex "3076301006072a8648ce3d020106052b81040022036200${point#0461}" >"$2.der" ;;
    048185*) unhex "30819b301006072a8648ce3d020106052b8104002303818600${point#048185}" >"$2.der" ;;
    esac
    openssl pkey -pubin -inform DER -in "$2.der" -out "$2"
}

unhex() {
    # shellcheck disable=SC2001 # each pair of digits
    printf '%b' "$(echo "$1" | sed 's/../\\x&/g')"
}

# make_pair ID LABEL TYPE [OPTION...]
make_pair() {
    local id=$1 label=$2 type=$3
    shift 3
    p11 --keypairgen --key-type "$type" --id "$id" --label "$label" "$@"
}

# An application that stays (test/clients/talk.c): talk_begin, then `talk VERB LABEL` prints its answer, talk_end.
talk_begin() {
    mkfifo "$WORLD/ask" "$WORLD/answer"
    CLIENT_PIN=$PIN "$HELPERS/talk" "$MODULE" rig <"$WORLD/ask" >"$WORLD/answer" 2>"$WORLD/talk.err" &
    TALK=$!
    exec 8>"$WORLD/ask" 9<"$WORLD/answer"
    local said
    read -r -t 30 said <&9
    [ "$said" = ready ]
}

talk() {
    local said
    echo "$*" >&8
    read -r -t 60 said <&9 || said="no answer: $(cat "$WORLD/talk.err")"
    echo "$said"
}

# says ANSWER VERB LABEL: talk must answer that.
says() {
    local want=$1 said
    shift
    said=$(talk "$@")
    [ "$said" = "$want" ] || {
        echo "$*: $said, expected $want"
        return 1
    }
}

talk_end() {
    exec 8>&- 9<&-
    wait "$TALK"
    rm -f "$WORLD/ask" "$WORLD/answer"
}

status_json() {
    "$P11HA_BUILD/p11ha" --json status rig --pin-source "file:$RIG_DIR/pin" || true
}

# Where the shell must notice: `set -e` passes over a command behind an exclamation mark.
fails() {
    ! "$@"
}

# In the token itself.
has_both() {
    [ "$(objects "$1" | grep -c "^[^;]*;$2;")" = 2 ]
}

bare_lacks() {
    ! has "$1" "$2"
}

# To an application that runs.
is_up_again() {
    "$P11HA_BUILD/p11ha" status rig --no-probe | grep -q "^$1 .* up "
}
