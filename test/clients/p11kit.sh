#!/bin/bash
# p11-kit: list-modules with a module file, the token behind p11-kit-proxy.so, and behind p11-kit's server in another process.
. "$(dirname "$0")/columns.sh"
tap_need p11-kit unshare mount
columns_up

PROXY=$(pkg-config --variable=proxy_module p11-kit-1)
REMOTE=$(pkg-config --variable=p11_module_path p11-kit-1)/p11-kit-client.so

# Our module file alone: root's own configuration is not looked at, and the packages' must stay out.
prepare() {
    mkdir -p conf/modules packages
    echo 'user-config: none' >conf/pkcs11.conf
    sed "s,^module:.*,module: $MODULE," "$P11HA_SOURCE/packaging/p11ha.module" >conf/modules/p11ha.module
    printf 'signed from afar' >text
    openssl dgst -sha256 -binary -out digest text
    make_pair 60 first EC:prime256v1 --usage-sign
    public_key 60 first.pem
}

# with_config COMMAND...: in a mount namespace of its own.
with_config() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m sh -c 'mkdir -p /etc/pkcs11 && mount --bind "$1" /etc/pkcs11 && mount --bind "$2" /usr/share/p11-kit/modules && shift 2 && exec "$@"' \
        - "$PWD/conf" "$PWD/packages" "$@"
}

lists_module() {
    with_config p11-kit list-modules >list.txt
    cat list.txt
    grep -q '^p11ha: ' list.txt
    grep -q 'token: rig' list.txt
}

through() {
    local module=$1
    shift
    with_config pkcs11-tool --module "$module" --token-label rig --login --pin "$PIN" "$@"
}

# signs_as MODULE ID KEY-FILE
signs_as() {
    rm -f sig
    through "$1" --sign --mechanism ECDSA --id "$2" --signature-format openssl --input-file digest --output-file sig
    plain_openssl dgst -sha256 -verify "$3" -signature sig text
}

proxy_works() {
    through "$PROXY" --keypairgen --key-type EC:prime256v1 --id 61 --label proxied --usage-sign
    public_key 61 made.pem
    signs_as "$PROXY" 61 made.pem
    through "$PROXY" --delete-object --type privkey --id 61
    through "$PROXY" --delete-object --type pubkey --id 61
    fails has rig proxied
}

# The server starts a process for each client, which loads the module.
serves() {
    local server
    rm -f socket
    p11-kit server -f -n "$PWD/socket" --provider "$MODULE" "pkcs11:token=rig" >server.out 2>&1 &
    server=$!
    process_keep $server
    until_true 10 test -S socket
    export P11_KIT_SERVER_ADDRESS=unix:path=$PWD/socket
    signs_as "$REMOTE" 60 first.pem
    works_for 5 0 signs_as "$REMOTE" 60 first.pem
    through "$REMOTE" --keypairgen --key-type EC:prime256v1 --id 62 --label remote --usage-sign
    signs_as "$REMOTE" 62 <(p11 --read-object --type pubkey --id 62 | plain_openssl pkey -pubin -inform DER)
    server_ends $server
}

story() {
    column_steady "a module file and a key" prepare
    column_steady "p11-kit list-modules shows the module and its token" lists_module
    column_case "p11-kit-proxy.so: makes, signs, deletes" proxy_works
    column_case "p11-kit server: signs, makes" serves
}
columns_each story
tap_end
