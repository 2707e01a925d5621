# shellcheck shell=bash
# For stories that use p11ha through programs that know nothing of it, to be sourced: a rig of their own in $WORLD,
# which goes when the story ends, and how to reach the group and each bare token.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

RIG=$P11HA_SOURCE/test/rig/rig
MODULE=$P11HA_BUILD/p11ha.so
HELPERS=$P11HA_BUILD/test/clients
MEMBERS='hsm-1 hsm-2 hsm-3'
PIN=1234
WORLD=$(mktemp -d)
export RIG MODULE HELPERS MEMBERS PIN WORLD
trap world_down EXIT

# world_up [options of rig up]
world_up() {
    tap_need pkcs11-tool softhsm2-util openssl
    if ! "$RIG" up "$WORLD/rig" "$@" >"$WORLD/up.out" 2>&1; then
        tap_not_ok "makes a rig" "$(cat "$WORLD/up.out")"
        tap_end
    fi
    export P11HA_CONF=$WORLD/rig/p11ha.conf
    cd "$WORLD" || exit 1
}

world_down() {
    cd / || exit 1
    [ ! -d "$WORLD/rig" ] || "$RIG" down "$WORLD/rig" >/dev/null 2>&1
    rm -rf "$WORLD"
}

fault() {
    "$RIG" fault "$WORLD/rig" "$@"
}

# p11 ARGUMENT...: pkcs11-tool on the group, logged in.
p11() {
    pkcs11-tool --module "$MODULE" --token-label rig --login --pin "$PIN" "$@"
}

# bare MEMBER COMMAND...: with that member's token alone, in P11_MODULE and P11_TOKEN.
bare() (
    eval "$("$RIG" direct "$WORLD/rig" "$1")"
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
        / Object[;]?/ { if (c) print c ";" l ";" i; c = $1; l = i = "" }
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

# public_key ID FILE: as PEM.
public_key() {
    p11 --read-object --type pubkey --id "$1" --output-file "$2.der" >/dev/null
    openssl pkey -pubin -inform DER -in "$2.der" -out "$2"
}

# make_pair ID LABEL TYPE [OPTION...]
make_pair() {
    local id=$1 label=$2 type=$3
    shift 3
    p11 --keypairgen --key-type "$type" --id "$id" --label "$label" "$@"
}
