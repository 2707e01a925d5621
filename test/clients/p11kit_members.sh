#!/bin/bash
# Members whose module is p11-kit-proxy.so, over what the host has configured. p11-kit-client.so will not do: its protocol
# (0.24) knows no AES, with which a managed group brings keys to its members; a bare token has none behind it either.
. "$(dirname "$0")/world.sh"
tap_need p11-kit unshare mount
world_up

SOFTHSM=/usr/lib/softhsm/libsofthsm2.so
PROXY=$(pkg-config --variable=proxy_module p11-kit-1)
printf 'signed through another layer' >text
openssl dgst -sha256 -binary -out digest text

# SoftHSM alone is configured: root's own configuration is not looked at, and the packages' must stay out.
mkdir -p conf/modules packages
echo 'user-config: none' >conf/pkcs11.conf
echo "module: $SOFTHSM" >conf/modules/softhsm.module

# with_config COMMAND...: in a mount namespace of its own.
with_config() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m sh -c 'mkdir -p /etc/pkcs11 && mount --bind "$1" /etc/pkcs11 && mount --bind "$2" /usr/share/p11-kit/modules && shift 2 && exec "$@"' \
        - "$WORLD/conf" "$WORLD/packages" "$@"
}

# through ARGUMENT...: pkcs11-tool on the group.
through() {
    P11HA_CONF=$PWD/proxy.conf with_config pkcs11-tool --module "$MODULE" --token-label rig --login --pin "$PIN" "$@"
}

# signs ID KEY-FILE
signs() {
    rm -f sig
    through --sign --mechanism ECDSA --id "$1" --signature-format openssl --input-file digest --output-file sig
    openssl dgst -sha256 -verify "$2" -signature sig text
}

opens() {
    rm -f opened
    openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in text -out sealed
    through --decrypt --id "$1" --mechanism RSA-PKCS --input-file sealed --output-file opened
    cmp text opened
}

# uses ID: what is made through the layer is on every bare token.
uses() {
    local id=$1
    through --keypairgen --key-type EC:prime256v1 --id "${id}1" --label "ec-$id" --usage-sign
    through --keypairgen --key-type rsa:2048 --id "${id}2" --label "rsa-$id" --usage-decrypt
    through --keygen --key-type AES:32 --id "${id}3" --label "aes-$id"
    same_everywhere
    public_key "${id}1" ec.pem
    public_key "${id}2" rsa.pem
    signs "${id}1" ec.pem
    opens "${id}2"
    through --delete-object --type secrkey --id "${id}3"
    fails has rig "aes-$id"
    same_everywhere
}

# No member was left out, so that what follows says something of the layer.
all_up() {
    P11HA_CONF=$PWD/proxy.conf with_config "$P11HA_BUILD/p11ha" status rig --pin-source "file:$RIG_DIR/pin" >status.out
    cat status.out
    [ "$(grep -c '^hsm-[123] .* up ' status.out)" = 3 ]
}

configure_proxy() {
    sed "s,^module = .*,module = $PROXY," "$P11HA_CONF" >proxy.conf
    through --list-slots | grep -q rig
}

tap_case "p11-kit-proxy.so as module of every member" configure_proxy
tap_case "all members are up" all_up
tap_case "makes, signs, decrypts, deletes" uses a
tap_end
