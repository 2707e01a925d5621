#!/bin/bash
# The same cases on a bare NSS softokn and on a group of three.
. "$(dirname "$0")/compare.sh"
tap_need certutil openssl
NSS=${NSS_MODULE:-/usr/lib/x86_64-linux-gnu/libsoftokn3.so}
LABEL='NSS Certificate DB'
# softokn's officer has no PIN of its own.
CONFORM_SO_PIN=

database() {
    mkdir -p "$1"
    certutil -N -d "sql:$1" -f "$WORLD/pin"
}

init_args() {
    echo "configdir='sql:$1' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
}

group() {
    local member custodian given=()
    mkdir "$WORLD/run" "$WORLD/shares"
    {
        cat <<END
[p11ha]
log = file:$WORLD/p11ha.log
run-dir = $WORLD/run

[group nss]
slot = 2
label = $LABEL
sync = managed
vault = sqlite:$WORLD/vault.db
END
        for member in one two three; do
            database "$WORLD/$member" >&2
            cat <<END

[member $member]
group = nss
module = $NSS
token = pkcs11:token=${LABEL// /%20}
instance = private
init-args = $(init_args "$WORLD/$member")
END
        done
    } >"$WORLD/p11ha.conf"
    for custodian in alice bob; do
        openssl rand -hex 16 >"$WORLD/$custodian.pass"
        given+=(--custodian "$custodian=passphrase-file:$WORLD/$custodian.pass")
    done
    "$P11HA_BUILD/p11ha" --config "$WORLD/p11ha.conf" init nss "${given[@]}" --threshold 2 --shares "$WORLD/shares" \
        --pin-source "file:$WORLD/pin" --yes
}

# softokn makes 10,000 rounds for each login; every case logs in.
export NSS_MIN_MP_PBE_ITERATION_COUNT=1 NSS_MAX_MP_PBE_ITERATION_COUNT=1000
umask 077
printf '%s\n' "$CONFORM_PIN" >"$WORLD/pin"
need "makes a database" database "$WORLD/bare"
need "makes a group" group

CONFORM_INIT=$(init_args "$WORLD/bare") record_bare "$WORLD/bare.txt" "$NSS" "$LABEL"
P11HA_CONF=$WORLD/p11ha.conf record "$WORLD/ours.txt" "$MODULE" "$LABEL"
# softokn names a wrong signature, and data that do not decrypt or are too long, by what went wrong last in the thread:
# it may be anything.
one_name() {
    local any='CKR_[A-NP-Z][A-Z_]*'
    sed -i -E -e "/(empty|damaged|short-signature|wrong|wrong-parts|at-once|after-final):/s/(C_Verify(Signature|Message)?(Final)?)=$any/\\1=CKR_SIGNATURE_INVALID/g" \
        -e "/^encrypt.*RSA_PKCS.bad-length/s/C_Encrypt=$any/C_Encrypt=CKR_DATA_LEN_RANGE/" \
        -e "/^decrypt.*RSA_.*small-buffer/!s/^(decrypt.*RSA_.*)(C_Decrypt|C_DecryptFinal)=$any/\\1\\2=CKR_ENCRYPTED_DATA_INVALID/" "$@"
}
one_name "$WORLD/bare.txt" "$WORLD/ours.txt"
compare nss "$WORLD/bare.txt" "$WORLD/ours.txt"
tap_end
