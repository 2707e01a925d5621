#!/bin/bash
# p11-kit with the module file that is installed: list-modules, and the group behind p11-kit-proxy.so.
. "$(dirname "$0")/world.sh"
tap_need p11-kit unshare mount
world_up

PROXY=$(pkg-config --variable=proxy_module p11-kit-1)
mkdir -p conf/modules
sed "s,^module:.*,module: $MODULE," "$P11HA_SOURCE/packaging/p11ha.module" >conf/modules/p11ha.module
echo 'user-config: none' >conf/pkcs11.conf
# Our module file alone: root's own configuration is not looked at, and the packages' must stay out.
mkdir packages

# with_config COMMAND...: in a mount namespace of its own.
with_config() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m sh -c 'mkdir -p /etc/pkcs11 && mount --bind "$1" /etc/pkcs11 && mount --bind "$2" /usr/share/p11-kit/modules && shift 2 && exec "$@"' \
        - "$WORLD/conf" "$WORLD/packages" "$@"
}

lists_module() {
    with_config p11-kit list-modules >list.txt
    cat list.txt
    grep -q '^p11ha: ' list.txt
    grep -q 'token: rig' list.txt
}

through_proxy() {
    with_config pkcs11-tool --module "$PROXY" --token-label rig --login --pin "$PIN" "$@"
}

proxy_works() {
    through_proxy --keypairgen --key-type EC:prime256v1 --id 61 --label proxied --usage-sign
    public_key 61 pub.pem
    printf 'through the proxy' >text
    openssl dgst -sha256 -binary -out digest text
    through_proxy --sign --mechanism ECDSA --id 61 --signature-format openssl --input-file digest --output-file sig
    openssl dgst -sha256 -verify pub.pem -signature sig text
    same_everywhere
    fault hsm-1 gone
    fault hsm-2 gone
    rm sig
    through_proxy --sign --mechanism ECDSA --id 61 --signature-format openssl --input-file digest --output-file sig
    openssl dgst -sha256 -verify pub.pem -signature sig text
    fault hsm-1 ok
    fault hsm-2 ok
    through_proxy --delete-object --type privkey --id 61
    through_proxy --delete-object --type pubkey --id 61
    same_everywhere
}

tap_case "p11-kit list-modules shows the module and its token" lists_module
tap_case "behind p11-kit-proxy.so: makes, signs, also with one member left, deletes" proxy_works
tap_end
